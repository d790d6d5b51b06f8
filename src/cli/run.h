// `weir run`: makes an nginx.conf, has NGINX check it, becomes NGINX.
#pragma once

#include <string>
#include <vector>

#include "cli/run_config.h"

namespace weir::cli {

struct RunRequest {
  RunConfig config;           ///< from flags; ignored when `yaml_file` is given
  std::string yaml_file;
  std::string workers, log_level;  ///< over the file's; empty: not given
  bool print_config = false;
  bool watch = false;
  std::vector<std::string> nginx_arguments;  ///< after "--"
};

/// The exit code when it comes back: 0 after --print-config, NGINX's own after --watch, 1 when NGINX was not started.
int Run(const RunRequest& request);

/// The configuration as it is in its files now, checked.
Result<RunConfig> LoadRunConfig(const RunRequest& request);

}  // namespace weir::cli
