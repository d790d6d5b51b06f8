#include "base/log_text.h"

#include <algorithm>
#include <cstdint>

namespace weir {
namespace {

/// Bytes of the UTF-8 character at the front; 0: none (overlong, surrogate, cut off, stray).
size_t Utf8Bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (lead == 0xe0 && byte(1) < 0xa0) return 0;
  if (lead == 0xed && byte(1) > 0x9f) return 0;
  if (lead == 0xf0 && byte(1) < 0x90) return 0;
  if (lead == 0xf4 && byte(1) > 0x8f) return 0;
  return size;
}

bool IsControl(std::string_view character) {
  const auto lead = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return (lead < 0x20 && lead != '\t') || lead == 0x7f;
  return lead == 0xc2 && static_cast<uint8_t>(character[1]) < 0xa0;
}

}  // namespace

std::string LogText(std::string_view line, size_t max_bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(std::min(line.size(), max_bytes));
  while (!line.empty()) {
    const size_t size = Utf8Bytes(line);
    if (size != 0 && !IsControl(line.substr(0, size))) {
      if (text.size() + size > max_bytes) return text;
      text.append(line.substr(0, size));
      line.remove_prefix(size);
      continue;
    }
    for (size_t i = 0; i < std::max<size_t>(size, 1); ++i) {
      if (text.size() + 4 > max_bytes) return text;
      const auto byte = static_cast<uint8_t>(line[0]);
      text.append({'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]});
      line.remove_prefix(1);
    }
  }
  return text;
}

}  // namespace weir
