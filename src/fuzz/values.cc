#include "fuzz/values.h"

#include <algorithm>

namespace weir::fuzz {
namespace {

struct Common {
  std::string_view name, value;
};
constexpr Common kHeaders[] = {
    {"authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"},
    {"authorization", "Basic dXNlcjpwYXNz"},
    {"cookie", "a=b; session=1; user=\"x\""},
    {"content-type", "application/json"},
    {"content-type", "application/x-www-form-urlencoded"},
    {"content-type", "multipart/form-data; boundary=x"},
    {"content-type", "application/grpc"},
    {"content-type", "text/html; charset=utf-8"},
    {"content-length", "10"},
    {"content-encoding", "gzip"},
    {"transfer-encoding", "chunked"},
    {"accept", "text/html, */*;q=0.8"},
    {"accept-language", "en-US,en;q=0.9,*;q=0"},
    {"accept-encoding", "gzip, br"},
    {"user-agent", "Mozilla/5.0 (compatible; bot/1.0)"},
    {"referer", "https://example.org/a?b=c"},
    {"origin", "https://example.org"},
    {"x-forwarded-for", "203.0.113.7, 10.0.0.1"},
    {"x-forwarded-proto", "https"},
    {"x-real-ip", "::1"},
    {"x-request-id", "0a1b2c3d-0000-4000-8000-000000000000"},
    {"host", "example.org"},
    {"range", "bytes=0-1,5-"},
    {"if-none-match", "W/\"1\""},
    {"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"},
    {"cache-control", "max-age=0, no-store"},
    {"set-cookie", "a=b; Path=/; Secure; HttpOnly"},
    {"location", "/elsewhere"},
    {"upgrade", "websocket"},
    {"te", "trailers"},
    {"expect", "100-continue"},
    {"grpc-status", "0"},
    {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"access-control-request-method", "PUT"},
};
constexpr std::string_view kNumbers[] = {"0", "1", "-1", "-0", "00", "1.5", "1e9", "0x10", "127", "255", "256", "65535", "65536", "2147483647", "-2147483648",
                                         "4294967295", "4294967296", "9223372036854775807", "-9223372036854775808", "18446744073709551616", "NaN", "inf", "+1", " 1"};
constexpr std::string_view kOdd[] = {"%", "%2", "%zz", "%00", "%2e%2e%2f", "%ff", "%u0041", "..", "../..", "//", "=", ";", ",", "\"", "'", "\\", "{", "}", "[", "]", "<", ">", "<script>", "${x}", "{}", "[]", "null",
                                     "true", "\xff", "\xc3", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xef\xbb\xbf", "\t", "a=", "=b", "a=b&a=c", "Bearer", "Bearer ", "Basic !", "a.b.c", "..", "eyJ9.e30."};
constexpr std::string_view kPieces[] = {"a", "b", "id", "name", "user", "admin", "token", "key", "value", "data", "items", "1", "x-", "test", "email", "a@b.example", "4111111111111111", "<b>", "</b>", "<html><head></head><body>", "</body></html>", "\n", "\r\n", " "};

}  // namespace

void MakeValue(std::string* value) {
  std::erase_if(*value, [](char c) { return c == '\0' || c == '\r' || c == '\n'; });
  if (value->size() > kValueBytesMax) value->resize(kValueBytesMax);
}

size_t Values::Length(size_t most) {
  // Near a limit that the code has, or a power of two; short ones most often.
  if (!known_.words.numbers.empty() && random_.Chance(40)) {
    const size_t near = random_.Pick(known_.words.numbers) + random_.Below(3);
    return std::min(near > 0 ? near - 1 : 0, most);
  }
  const size_t size = (size_t{1} << random_.Below(17)) + random_.Below(3);
  return std::min(size - 1, most);
}

std::string Values::Printable(size_t size) {
  std::string text;
  while (text.size() < size) text += char(random_.Between(0x20, 0x7e));
  return text;
}
std::string Values::Bytes(size_t size) {
  std::string text;
  while (text.size() < size) text += char(random_.Next());
  return text;
}

std::string Values::Word() {
  const auto& texts = known_.words.texts;
  if (texts.empty() || random_.Chance(10)) return std::string(random_.Pick(kPieces));
  const size_t whole = known_.words.whole;
  const std::string& word = whole > 0 && random_.Chance(70) ? texts[random_.Below(whole)] : random_.Pick(texts);
  // Of several texts without a sign between them, one.
  if (word.size() > 3 && random_.Chance(15)) {
    const size_t begin = random_.Below(word.size() - 1);
    return word.substr(begin, random_.Between(1, word.size() - begin));
  }
  return word;
}

std::string Values::Number() {
  if (random_.Chance(50)) return std::string(random_.Pick(kNumbers));
  if (!known_.words.numbers.empty() && random_.Chance(60)) return std::to_string(random_.Pick(known_.words.numbers) + random_.Below(3) - 1);
  return std::to_string(random_.Next() >> random_.Below(64));
}

std::string Values::Joined(std::string_view separators) {
  std::string text = Word();
  for (uint64_t i = random_.Between(1, 4); i > 0; --i) {
    text += random_.Pick(separators);
    text += random_.Chance(70) ? Word() : random_.Chance(50) ? Number() : std::string(random_.Pick(kOdd));
  }
  return text;
}

std::string Values::Long(std::string seed, size_t bytes_max) {
  if (seed.empty()) seed = "a";
  const size_t size = Length(bytes_max);
  std::string text;
  text.reserve(size);
  while (text.size() < size) text.append(seed, 0, size - text.size());
  return text;
}

std::string Values::Value() {
  std::string value;
  switch (random_.Below(12)) {
    case 0:
    case 1:
    case 2:
    case 3: value = Word(); break;
    case 4: value = Joined("=;:,. /&?|-_"); break;
    case 5: value = Number(); break;
    case 6: value = std::string(random_.Pick(kHeaders).value); break;
    case 7: value = std::string(random_.Pick(kOdd)); break;
    case 8: value = random_.Chance(50) ? Printable(random_.Below(17)) : Bytes(random_.Below(9)); break;
    case 9: value = random_.Chance(50) ? Long(Word(), kValueBytesMax) : ""; break;
    case 10: value = Joined("=;"); break;
    default: value = random_.Chance(30) ? Json(0) : Word() + std::string(random_.Pick(kOdd)); break;
  }
  MakeValue(&value);
  return value;
}

std::string Values::HeaderName(const std::set<std::string>& asked) {
  for (int tries = 0; tries < 4; ++tries) {
    const uint64_t kind = random_.Below(10);
    std::string name = kind < 6 && !asked.empty() ? random_.Pick(asked) : kind < 9 ? Word() : std::string(random_.Pick(kHeaders).name);
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (IsHeaderName(name) && !name.starts_with(':')) return name;
  }
  return std::string(random_.Pick(kHeaders).name);
}

std::string Values::ValueFor(const std::string& name) {
  if (random_.Chance(40)) {
    for (const Common& common : kHeaders)
      if (common.name == name && random_.Chance(60)) {
        std::string value(common.value);
        if (random_.Chance(40)) Change(&value);
        MakeValue(&value);
        return value;
      }
  }
  return Value();
}

std::string Values::Path() {
  std::string path = "/";
  if (random_.Chance(10)) path += Long(random_.Chance(50) ? "a" : Word() + "/", kValueBytesMax - 1);
  for (uint64_t i = random_.Below(4); i > 0; --i) {
    const std::string segment = random_.Chance(75) ? Word() : random_.Chance(50) ? Number() : std::string(random_.Pick(kOdd));
    path += segment.starts_with('/') ? segment.substr(1) : segment;
    if (i > 1 || random_.Chance(20)) path += '/';
  }
  if (random_.Chance(40)) {
    path += '?';
    for (uint64_t i = random_.Below(4); i > 0; --i) path += Word() + (random_.Chance(85) ? "=" + Value() : "") + (i > 1 ? "&" : "");
  }
  // What a proxy refuses in a request line.
  std::erase_if(path, [](char c) { return uint8_t(c) <= 0x20 || c == 0x7f; });
  if (path.size() > kValueBytesMax) path.resize(kValueBytesMax);
  return path;
}

std::string Values::Json(int depth) {
  if (depth > 2 || random_.Chance(40)) {
    switch (random_.Below(4)) {
      case 0: return Number();
      case 1: return std::string(random_.Chance(50) ? "null" : "true");
      default: return "\"" + Word() + "\"";
    }
  }
  const bool object = random_.Chance(70);
  std::string text(object ? "{" : "[");
  for (uint64_t i = random_.Below(4); i > 0; --i) text += (object ? "\"" + Word() + "\":" : "") + Json(depth + 1) + (i > 1 ? "," : "");
  return text + (object ? "}" : "]");
}

std::string Values::Body() {
  const size_t most = known_.body_bytes_max;
  std::string body;
  switch (random_.Below(8)) {
    case 0:
    case 1: body = Json(0); break;
    case 2: body = Joined("=&") + "&" + Joined("=&"); break;
    case 3:
    case 4:
      for (uint64_t i = random_.Between(1, 12); i > 0; --i) body += random_.Chance(70) ? Word() + " " : std::string(random_.Pick(kPieces));
      break;
    case 5: body = Bytes(random_.Below(64)); break;
    case 6: body = Long(random_.Chance(50) ? Word() : Json(1) + "\n", most); break;
    default: body = random_.Chance(20) ? "" : Word(); break;
  }
  if (random_.Chance(20)) Change(&body);
  if (body.size() > most) body.resize(most);
  return body;
}

void Values::Change(std::string* text) {
  const size_t at = random_.Below(text->size() + 1);
  const size_t size = random_.Below(std::min<size_t>(text->size() - at, 16) + 1);
  switch (random_.Below(7)) {
    case 0: text->insert(at, Word()); break;
    case 1: text->replace(at, size, Word()); break;
    case 2: text->erase(at, size); break;
    case 3: text->insert(at, text->substr(at, size)); break;
    case 4: text->insert(at, std::string(random_.Pick(kOdd))); break;
    case 5:
      if (at < text->size()) (*text)[at] = char(random_.Chance(50) ? random_.Next() : uint8_t((*text)[at]) ^ (1u << random_.Below(8)));
      break;
    default: text->replace(at, size, Number()); break;
  }
}

uint32_t Values::Milliseconds() {
  constexpr uint32_t kTimes[] = {1, 10, 100, 1000, 1001, 5000, 10'000, 60'000};
  return random_.Pick(kTimes);
}

}  // namespace weir::fuzz
