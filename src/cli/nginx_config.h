// RunConfig -> nginx.conf, as text. Nothing is touched here.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/run_config.h"

namespace weir::cli {

struct NginxPlaces {
  std::string prefix;      ///< the private directory of this run, absolute; pid, temporary files and sockets are in it
  std::string module;      ///< ngx_http_weir_module.so, for TCP ngx_stream_weir_module.so, absolute; empty: there are no plugins, nothing is loaded
  std::string stream;      ///< NGINX's own ngx_stream_module.so, for TCP; empty: it is built in, or not needed
  std::string access_log = "/dev/stdout";
};

struct NginxConfig {
  std::string text;
  /// Files to be written below the prefix first: path in it, content (configurations too long for a line of nginx.conf).
  std::vector<std::pair<std::string, std::string>> files;
};

/// Precondition: CheckRunConfig passed.
NginxConfig MakeNginxConfig(const RunConfig& config, const NginxPlaces& places);

/// `text` as one argument of a directive, whatever it holds (but NUL).
std::string NginxQuote(std::string_view text);

}  // namespace weir::cli
