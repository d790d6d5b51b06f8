// What a plugin may write into a header map: the one place for names, values, pseudo headers and framing.
// Pure, and free of exceptions to the rule "never forwarded, never a crash".
#pragma once

#include <cstdint>
#include <string_view>

#include "weir/http.h"

namespace weir::proxy_wasm {

enum class HeaderVerdict : uint8_t {
  kWrite,     ///< to the map
  kIgnore,    ///< OK without effect: the host frames the message itself
  kBadName,   ///< empty, or a byte that is no token character
  kBadValue,  ///< CR, LF, NUL or another control character
  kBadPseudo, ///< a pseudo header that this map does not have, or a value it cannot have
};

constexpr std::string_view Reason(HeaderVerdict verdict) {
  switch (verdict) {
    case HeaderVerdict::kBadName: return "the header name is empty or has a byte that names may not have";
    case HeaderVerdict::kBadValue: return "the header value has a control character";
    case HeaderVerdict::kBadPseudo: return "no such pseudo header here, or not with this value, or it cannot be removed";
    default: return "";
  }
}

/// RFC 9110 §5.6.2, lower case only (names are lowered before they are judged).
constexpr bool IsTokenByte(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(char(c)) != std::string_view::npos;
}
constexpr bool IsControl(unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }

constexpr bool IsName(std::string_view name) {
  if (name.empty()) return false;
  for (unsigned char c : name)
    if (!IsTokenByte(c)) return false;
  return true;
}
constexpr bool IsValue(std::string_view value) {
  for (unsigned char c : value)
    if (IsControl(c)) return false;
  return true;
}
/// A value of a pseudo header: visible, without spaces.
constexpr bool IsVisible(std::string_view value) {
  if (value.empty()) return false;
  for (unsigned char c : value)
    if (c <= 0x20 || c == 0x7f) return false;
  return true;
}

/// Names by which a message is framed: the host keeps them true whatever a plugin writes. Removing content-length is heard.
constexpr bool IsFraming(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "connection" || name == "keep-alive" ||
         name == "proxy-connection";
}

constexpr HeaderVerdict JudgePseudo(HeaderMapKind map, std::string_view name, std::string_view value) {
  bool good = false;
  if (map == HeaderMapKind::kRequestHeaders) {
    if (name == ":path") good = IsVisible(value) && (value[0] == '/' || value == "*");
    if (name == ":authority") good = IsVisible(value);
    if (name == ":scheme") good = value == "http" || value == "https";
    if (name == ":method") {
      good = !value.empty();
      for (unsigned char c : value) good = good && (IsTokenByte(c) || (c >= 'A' && c <= 'Z'));
    }
  } else if (map == HeaderMapKind::kResponseHeaders && name == ":status") {
    good = value.size() == 3 && value[0] >= '2' && value[0] <= '5';
    for (unsigned char c : value) good = good && c >= '0' && c <= '9';
  }
  return good ? HeaderVerdict::kWrite : HeaderVerdict::kBadPseudo;
}

/// For add, replace and each pair of a whole map. `name` is in lower case.
constexpr HeaderVerdict JudgeWrite(HeaderMapKind map, std::string_view name, std::string_view value) {
  if (name.starts_with(':')) return JudgePseudo(map, name, value);
  if (!IsName(name)) return HeaderVerdict::kBadName;
  if (!IsValue(value)) return HeaderVerdict::kBadValue;
  return IsFraming(name) ? HeaderVerdict::kIgnore : HeaderVerdict::kWrite;
}

constexpr HeaderVerdict JudgeRemove(std::string_view name) {
  if (name.starts_with(':')) return HeaderVerdict::kBadPseudo;
  if (!IsName(name)) return HeaderVerdict::kBadName;
  return IsFraming(name) && name != "content-length" ? HeaderVerdict::kIgnore : HeaderVerdict::kWrite;
}

}  // namespace weir::proxy_wasm
