// Where the HTTP module finds itself and its configuration; ngx_stream_weir_module.so has the same in stream_conf.cc.
#include "nginx/config.h"

namespace weir::nginx {

ngx_module_t& ThisModule() { return ngx_http_weir_module; }

MainConf* MainOf(ngx_conf_t* cf) {
  return static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module));
}

MainConf* MainOf(ngx_cycle_t* cycle) {
  if (cycle->conf_ctx == nullptr || cycle->conf_ctx[ngx_http_module.index] == nullptr) return nullptr;
  return static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_weir_module));
}

}  // namespace weir::nginx
