// The NGINX of this machine: which it is, which module fits, what it says of a configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/result.h"

namespace weir::cli {

struct Nginx {
  std::string path;     ///< of the program
  std::string version;  ///< "1.22.1"
};
/// $WEIR_NGINX, else PATH, else /usr/sbin/nginx. kNotFound says how to get one.
Result<Nginx> FindNginx();

/// Our two modules.
inline constexpr std::string_view kHttpModule = "ngx_http_weir_module.so", kStreamModule = "ngx_stream_weir_module.so";
/// `file`: in $WEIR_MODULES, or beside this program (../lib/weir/nginx/VERSION, ../lib), or /usr/lib/nginx/modules. kNotFound lists
/// where it was looked for.
Result<std::string> FindModule(const Nginx& nginx, std::string_view file);
/// NGINX's ngx_stream_module.so, with which ours is loaded. Empty: there is none, it may be built in.
std::string FindStream();

/// What `nginx -t` printed, without its decoration: the errors, one a line, or when there are none the whole text.
/// `prefix` is cut out of it. A module for another NGINX is explained.
std::string ReadableErrors(std::string_view output, const Nginx& nginx, std::string_view prefix);
/// Lines of level "warn" in what `nginx -t` printed.
std::vector<std::string> Warnings(std::string_view output, std::string_view prefix);

/// 1022001 -> "1.22.1", the number that nginx prints for a module's version.
std::string VersionOfNumber(std::string_view number);

}  // namespace weir::cli
