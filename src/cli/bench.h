// `weir bench`: how fast a plugin is, where its time goes, and whether a version is faster than another.
#pragma once

#include <string>
#include <vector>

#include "weir/result.h"

namespace weir::cli {

struct BenchRequest {
  std::string file, config;                  ///< the plugin, and a file with its configuration
  std::string against, against_config;       ///< another version; its configuration, when it is another
  std::string method, path = "/", data;      ///< the request; `data` "@FILE": a file's bytes
  std::vector<std::string> headers;          ///< "name: value"
  uint32_t response_status = 200;
  std::vector<std::string> response_headers;
  std::string response_body = "hello\n";     ///< "@FILE": a file's bytes
  double seconds = 3;
  std::string flame, folded;                 ///< files to write
  bool json = false;
};

/// The exit code: 1 when the plugin fails at the request, 2 when something that was given is wrong.
int Bench(const BenchRequest& request);

}  // namespace weir::cli
