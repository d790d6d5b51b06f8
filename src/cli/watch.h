// `weir run --watch`: stays beside NGINX and reloads it when a file changes and the new version is good.
#pragma once

#include <string>
#include <vector>

#include "cli/nginx.h"
#include "cli/nginx_config.h"
#include "cli/run.h"

namespace weir::cli {

struct WatchedRun {
  const RunRequest& request;
  const Nginx& nginx;
  NginxPlaces places;
};

/// Starts `argv` (NGINX in the foreground), forwards signals to it, and returns its exit code. A changed plugin, configuration,
/// certificate or YAML file is checked with `nginx -t`; good: SIGHUP; bad: printed, and the running version keeps serving.
int RunAndWatch(const WatchedRun& run, const std::vector<std::string>& argv);

/// Writes the configuration as `conf_name` in the prefix and has NGINX check it. The error is for people, without decoration.
Result<void> WriteAndTest(const RunConfig& config, const WatchedRun& run, const std::string& conf_name);

/// `nginx` with the prefix, errors to standard error, and the user's own arguments.
std::vector<std::string> NginxCommand(const WatchedRun& run, const std::string& conf_name);

}  // namespace weir::cli
