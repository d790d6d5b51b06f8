#include "cclb/utf8.h"

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

namespace weir::cclb {

bool IsValidUtf8(std::string_view text) noexcept { return simdjson::validate_utf8(text.data(), text.size()); }

// The longest prefix of a sequence that could still become a character counts as the fault (Unicode, "maximal subpart").
std::string Utf8Fault(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  size_t i = 0;
  while (i < text.size()) {
    const uint8_t lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t more = lead >= 0xC2 && lead < 0xE0 ? 1 : (lead & 0xF0) == 0xE0 ? 2 : lead >= 0xF0 && lead < 0xF5 ? 3 : 0;
    size_t good = 0;
    for (; good < more && i + 1 + good < text.size(); ++good) {
      const uint8_t next = byte(i + 1 + good);
      uint8_t least = 0x80, most = 0xBF;
      if (good == 0) {
        if (lead == 0xE0) least = 0xA0;
        if (lead == 0xED) most = 0x9F;
        if (lead == 0xF0) least = 0x90;
        if (lead == 0xF4) most = 0x8F;
      }
      if (next < least || next > most) break;
    }
    if (more != 0 && good == more) {
      i += more + 1;
      continue;
    }
    if (more != 0 && i + 1 + good == text.size()) return "incomplete utf-8 byte sequence from index " + std::to_string(i);
    return "invalid utf-8 sequence of " + std::to_string(good + 1) + " bytes from index " + std::to_string(i);
  }
  return {};
}

}  // namespace weir::cclb
