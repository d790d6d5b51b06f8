#include "cclb/debug_text.h"

#include <cstdint>
#include <cstdio>

namespace weir::cclb {
namespace {

// Controls, formats, spaces and private use, and the common combining marks. Rust also escapes what its version of Unicode leaves
// unassigned, and all other combining marks.
struct Range {
  uint32_t first, last;
};
constexpr Range kEscaped[] = {
    {0x7F, 0xA0}, {0xAD, 0xAD}, {0x300, 0x36F}, {0x600, 0x605}, {0x61C, 0x61C}, {0x6DD, 0x6DD}, {0x70F, 0x70F}, {0x890, 0x891},
    {0x8E2, 0x8E2}, {0x1680, 0x1680}, {0x180E, 0x180E}, {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x2064}, {0x2066, 0x206F},
    {0x3000, 0x3000}, {0xE000, 0xF8FF}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
    {0x13430, 0x13438}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F}, {0xF0000, 0xFFFFD}, {0x100000,
    0x10FFFD}};

// `text` is UTF-8.
uint32_t Next(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const uint32_t lead = byte(*at);
  const size_t more = lead < 0xC0 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  uint32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
  for (size_t i = 1; i <= more; ++i) code = code << 6 | (byte(*at + i) & 0x3F);
  *at += more + 1;
  return code;
}

bool IsEscaped(uint32_t code) {
  if (code < 0x20) return true;
  for (const Range& range : kEscaped) {
    if (code >= range.first && code <= range.last) return true;
  }
  return false;
}

}  // namespace

std::string DebugText(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const uint32_t code = Next(text, &at);
    switch (code) {
      case 0: out += "\\0"; continue;
      case '\t': out += "\\t"; continue;
      case '\n': out += "\\n"; continue;
      case '\r': out += "\\r"; continue;
      case '"': out += "\\\""; continue;
      case '\\': out += "\\\\"; continue;
      default: break;
    }
    if (!IsEscaped(code)) {
      out.append(text.substr(start, at - start));
      continue;
    }
    char escape[16];
    std::snprintf(escape, sizeof escape, "\\u{%x}", code);
    out += escape;
  }
  return out + "\"";
}

}  // namespace weir::cclb
