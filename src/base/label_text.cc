#include "base/label_text.h"

#include <cstddef>
#include <cstdint>

namespace weir {
namespace {

/// Bytes of the character that `text` begins with; 0: that is no UTF-8 (too long, a surrogate, over U+10FFFF).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint32_t first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    const bool known = !(first == 0xe0 && second < 0xa0) && !(first == 0xed && second >= 0xa0);
    return known && follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    const bool known = !(first == 0xf0 && second < 0x90) && !(first == 0xf4 && second >= 0x90);
    return known && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

void AppendLabelValue(std::string_view value, std::string* out) {
  while (!value.empty()) {
    const size_t length = Utf8Length(value);
    switch (value[0]) {
      case '\\': *out += "\\\\"; break;
      case '"': *out += "\\\""; break;
      case '\n': *out += "\\n"; break;
      default:
        if (length == 0) {
          *out += "\xef\xbf\xbd";
        } else {
          out->append(value.substr(0, length));
        }
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace weir
