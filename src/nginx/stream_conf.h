// What the stream{} block says. Its weir_plugin, weir_cache and the like are the directives of http{}, with the same code behind them.
#pragma once

#include "nginx/config.h"
#include "nginx/ngx_stream_api.h"

namespace weir::nginx {

/// Of a server{}; the first member is what the `weir` directive fills.
struct ServerConf {
  LocationConf use;
  size_t data_bytes;  ///< weir_max_data
  ngx_stream_content_handler_pt content;  ///< proxy_pass, return …: runs when the plugins let the connection pass
};

inline ServerConf* ServerOf(ngx_stream_session_t* s) {
  return static_cast<ServerConf*>(ngx_stream_get_module_srv_conf(s, ngx_stream_weir_module));
}

void* CreateServer(ngx_conf_t* cf) noexcept;
char* MergeServer(ngx_conf_t* cf, void* parent, void* child) noexcept;
/// Puts `content` before the content handler of every server that has plugins. False: said why.
bool WrapContent(ngx_conf_t* cf, ngx_stream_content_handler_pt content);
extern ngx_command_t kStreamCommands[];

}  // namespace weir::nginx
