#include "host/log.h"

namespace weir {
namespace {
constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error", "critical"};
}

std::string_view LogLevelName(LogLevel level) { return kNames[static_cast<size_t>(level)]; }

std::optional<LogLevel> LogLevelOf(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

void StreamLog::Write(LogLevel level, std::string_view plugin, std::string_view line) {
  if (level < level_) return;
  std::string text;  // one fwrite: lines of several threads do not mix
  text.append(LogLevelName(level)).append(" ").append(plugin).append(": ").append(line).append("\n");
  std::fwrite(text.data(), 1, text.size(), out_);
}

}  // namespace weir
