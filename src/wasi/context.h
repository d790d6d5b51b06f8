// What WASI calls need of the world. The family that runs the plugin fills it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "weir/host.h"

namespace weir::wasi {

/// References and views outlive the Preview1 that has them.
struct WasiContext {
  Log& log;
  Clock& clock;
  std::string_view plugin;  ///< name, for the log
  std::span<const std::pair<std::string, std::string>> environment;  ///< all that the plugin sees; never the process's own
  LogLevel stdout_level = LogLevel::kInfo;
  LogLevel stderr_level = LogLevel::kError;
  uint32_t line_bytes_max = 8192;             ///< Limits::log_line_bytes
  uint64_t random_bytes_max = 64ull << 10;    ///< Limits::random_bytes
  RandomSource* random = nullptr;             ///< Host::random
};

}  // namespace weir::wasi
