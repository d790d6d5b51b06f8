// `weir bench`: how fast a plugin is, where its time goes, and whether a version is faster than another.
#pragma once

#include <string>
#include <vector>

#include "cli/request.h"

namespace weir::cli {

struct BenchRequest {
  RequestOptions request;                       ///< its one plugin is the one that is measured
  std::string file;                             ///< of that plugin, and its options by row of PluginOptions(), as given
  std::vector<std::vector<std::string>> options;
  std::string against, against_config;          ///< another version; its configuration, where it is another
  double seconds = 3;
  std::string flame, folded;                    ///< files to write
  bool json = false;
};

/// The exit code: 1 when the plugin fails at the request, 2 when something that was given is wrong.
int Bench(const BenchRequest& request);

}  // namespace weir::cli
