#include "extism/utf8.h"

#include <cstdint>

namespace weir::extism {
namespace {

/// What may follow a first byte: how many bytes, and the range of the second.
struct Lead {
  uint8_t first, last, count, second_min, second_max;
};
constexpr Lead kLeads[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf}, {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f},
    {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

const Lead* FindLead(uint8_t byte) {
  for (const Lead& lead : kLeads) {
    if (byte >= lead.first && byte <= lead.last) return &lead;
  }
  return nullptr;
}

}  // namespace

std::optional<std::string> Utf8Fault(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte < 0x80) {
      ++at;
      continue;
    }
    const Lead* lead = FindLead(byte);
    size_t good = 1;  // bytes that could begin a character
    for (size_t i = 1; lead != nullptr && i <= lead->count; ++i, ++good) {
      if (at + i >= text.size()) return "incomplete utf-8 byte sequence from index " + std::to_string(at);
      const auto next = static_cast<uint8_t>(text[at + i]);
      const bool fits = i == 1 ? next >= lead->second_min && next <= lead->second_max : (next & 0xc0) == 0x80;
      if (!fits) break;
    }
    if (lead == nullptr || good <= lead->count) {
      return "invalid utf-8 sequence of " + std::to_string(good) + " bytes from index " + std::to_string(at);
    }
    at += good;
  }
  return std::nullopt;
}

}  // namespace weir::extism
