// `weir call`: one function of a plugin of Extism.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace weir::cli {

struct CallRequest {
  std::string file, function;
  std::optional<std::string> input, input_file;  ///< of the file, "-" is standard input
  std::vector<std::string> config;               ///< KEY=VALUE
  std::vector<std::string> allow_hosts, allow_paths;
  bool wasi = false, json = false, times = false;
  std::string timeout, memory, log_level, cache;
  std::optional<uint64_t> fuel;
  uint32_t count = 1;
};

/// The exit code: 1 when the plugin failed or does not load, 2 when something that was given is wrong.
int Call(const CallRequest& request);

}  // namespace weir::cli
