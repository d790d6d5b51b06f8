// The log of all plugins of the process, as extism_log_file and extism_log_custom set it.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/extism.h"

namespace weir::capi {

/// What a filter says of messages of plugins (target "extism::pdk"): a level, or directives "target=level,…".
extism::LogLevel LevelOf(std::string_view filter);

class Log {
 public:
  /// False: one is open already, or the file cannot be opened.
  bool OpenFile(const std::string& name, std::string_view filter);
  bool OpenBuffer(std::string_view filter);
  void Drain(void (*handler)(const char*, uint64_t));
  void Write(extism::LogLevel level, std::string_view plugin_id, std::string_view message);
  const std::atomic<extism::LogLevel>& level() const { return level_; }

 private:
  std::mutex mutex_;
  bool open_ = false, buffered_ = false, color_ = false;
  int fd_ = -1;
  std::vector<std::string> lines_;
  std::atomic<extism::LogLevel> level_{extism::LogLevel::kOff};
};

}  // namespace weir::capi
