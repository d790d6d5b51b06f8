#include "wasi/line_buffer.h"

#include <algorithm>

#include "base/log_text.h"

namespace weir::wasi {

size_t LineBuffer::Write(std::string_view bytes) {
  size_t taken = 0;
  for (uint32_t lines = 0; taken < bytes.size() && lines < kLinesMax; ++lines) {
    const std::string_view rest = bytes.substr(taken);
    const size_t end = std::min(rest.find('\n'), rest.size());
    const size_t room = context_.line_bytes_max - std::min<size_t>(line_.size(), context_.line_bytes_max);
    line_.append(rest.substr(0, std::min(end, room)));
    cut_ = cut_ || end > room;
    if (end == rest.size()) return bytes.size();
    Emit();
    taken += end + 1;
  }
  return taken;
}

void LineBuffer::Flush() {
  if (!empty()) Emit();
}

void LineBuffer::Emit() {
  constexpr std::string_view kCut = " [cut]";
  std::string_view line = line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!line.empty() && level_ >= context_.log.level()) {
    std::string text = LogText(line, context_.line_bytes_max);
    if (cut_ && context_.line_bytes_max > kCut.size()) {
      text = LogText(line, context_.line_bytes_max - kCut.size());
      text += kCut;
    }
    context_.log.Write(level_, context_.plugin, text);
  }
  line_.clear();
  cut_ = false;
}

}  // namespace weir::wasi
