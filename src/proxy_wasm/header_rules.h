// What a plugin may write into a header map: the one place for names, values, pseudo headers and framing.
// Pure, and free of exceptions to the rule "never forwarded, never a crash".
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
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

/// What a byte may be part of; one look for each byte of every header written.
enum ByteClass : uint8_t { kTokenByte = 1, kControl = 2, kUpper = 4 };
inline constexpr std::array<uint8_t, 256> kByteClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    if ((c < 0x20 && c != '\t') || c == 0x7f) classes[c] |= kControl;
    if (c >= 'A' && c <= 'Z') classes[c] |= kUpper;
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) classes[c] |= kTokenByte;
  }
  for (unsigned char c : std::string_view("!#$%&'*+-.^_`|~")) classes[c] |= kTokenByte;
  return classes;
}();
/// Classes that any byte of `bytes` is of, and those that all are of.
constexpr uint8_t AnyClass(std::string_view bytes) {
  uint8_t classes = 0;
  for (unsigned char c : bytes) classes |= kByteClasses[c];
  return classes;
}
constexpr uint8_t AllClasses(std::string_view bytes) {
  uint8_t classes = 0xff;
  for (unsigned char c : bytes) classes &= kByteClasses[c];
  return classes;
}

/// Eight bytes at once, each judged by its top bit; exact, since no sum leaves its byte.
namespace word {
constexpr uint64_t All(uint8_t byte) { return 0x0101010101010101u * byte; }
inline constexpr uint64_t kTop = All(0x80);
/// Bytes that are over `limit` (below 0x80), as top bits; a byte with its own top bit is left to the caller.
constexpr uint64_t Over(uint64_t word, uint8_t limit) { return (word & ~kTop) + All(uint8_t(0x7f - limit)); }
constexpr uint64_t Upper(uint64_t word) { return Over(word, 'A' - 1) & ~Over(word, 'Z') & ~word & kTop; }
/// Below 0x20, or 0x7f: all controls, and the tab, which is none here.
constexpr uint64_t MaybeControl(uint64_t word) { return (~Over(word, 0x1f) | Over(word, 0x7e)) & ~word & kTop; }
}  // namespace word
template <class T>
inline uint64_t LoadAs(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
/// Whether `Test` (of word; false for 'a') holds for any of `bytes`. Loads overlap rather than go byte by byte.
template <uint64_t (*Test)(uint64_t)>
inline bool AnyWord(std::string_view bytes) {
  const char* const begin = bytes.data();
  const size_t size = bytes.size();
  if (size >= 8) {
    uint64_t hit = Test(LoadAs<uint64_t>(begin + size - 8));
    for (size_t at = 0; at + 8 < size; at += 8) hit |= Test(LoadAs<uint64_t>(begin + at));
    return hit != 0;
  }
  if (size >= 4) return Test(LoadAs<uint32_t>(begin) | LoadAs<uint32_t>(begin + size - 4) << 32) != 0;
  if (size == 0) return false;
  return Test((word::All('a') & ~uint64_t{0xffffff}) | LoadAs<uint8_t>(begin) | LoadAs<uint8_t>(begin + size / 2) << 8 |
              LoadAs<uint8_t>(begin + size - 1) << 16) != 0;
}
inline bool HasUpper(std::string_view bytes) { return AnyWord<word::Upper>(bytes); }

/// RFC 9110 §5.6.2, lower case only (names are lowered before they are judged).
constexpr bool IsName(std::string_view name) { return !name.empty() && (AllClasses(name) & kTokenByte) != 0; }
inline bool IsValue(std::string_view value) {
  return !AnyWord<word::MaybeControl>(value) || (AnyClass(value) & kControl) == 0;
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
  if (name.size() < 10) return false;  // the shortest of them
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
      for (unsigned char c : value) good = good && (kByteClasses[c] & (kTokenByte | kUpper)) != 0;
    }
  } else if (map == HeaderMapKind::kResponseHeaders && name == ":status") {
    good = value.size() == 3 && value[0] >= '2' && value[0] <= '5';
    for (unsigned char c : value) good = good && c >= '0' && c <= '9';
  }
  return good ? HeaderVerdict::kWrite : HeaderVerdict::kBadPseudo;
}

/// For add, replace and each pair of a whole map. `name` is in lower case.
inline HeaderVerdict JudgeWrite(HeaderMapKind map, std::string_view name, std::string_view value) {
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
