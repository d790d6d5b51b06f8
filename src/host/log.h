// A log to a stream: one line "level plugin: text" a write.
#pragma once

#include <cstdio>

#include "weir/host.h"

namespace weir {

std::string_view LogLevelName(LogLevel level);
std::optional<LogLevel> LogLevelOf(std::string_view name);

class StreamLog final : public Log {
 public:
  /// `out` is borrowed and outlives the log.
  StreamLog(std::FILE* out, LogLevel level) : out_(out), level_(level) {}
  void Write(LogLevel level, std::string_view plugin, std::string_view line) override;
  LogLevel level() const override { return level_; }

 private:
  std::FILE* out_;
  LogLevel level_;
};

}  // namespace weir
