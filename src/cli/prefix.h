// The private directory of one `weir run`, and the checks before NGINX starts in it.
#pragma once

#include <string>

#include "cli/nginx_config.h"

namespace weir::cli {

/// A new directory that only its owner writes, with tmp/ in it: below /run for root, else $XDG_RUNTIME_DIR, $TMPDIR or /tmp.
/// It is locked by a descriptor that stays open over exec, so as long as NGINX lives; directories that ended runs of the same
/// user left there are removed.
Result<std::string> MakePrefix();

/// Writes `config` and what it needs: DIRECTORY/`conf_name`.
Result<void> WriteNginxConfig(const NginxConfig& config, const std::string& prefix, const std::string& conf_name);

/// kInvalidArgument when an address cannot be listened on now: in use, below 1024 without the right, not of this machine.
Result<void> CheckCanListen(const std::string& address);

/// "/dev/stdout" when nginx can open it (not a socket, not another user's file), else a file in the prefix. nginx opens it
/// anew: where standard output and error are one file (`> log 2>&1`), they are made to append, or lines would be overwritten.
std::string AccessLogFor(const std::string& prefix);

}  // namespace weir::cli
