#include "nginx/stream_conf.h"

namespace weir::nginx {
namespace {

/// The directive of http{} with that name, in the contexts of stream{}.
ngx_command_t Same(std::string_view name, ngx_uint_t contexts, ngx_uint_t offset) {
  constexpr ngx_uint_t kHttpContexts = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_HTTP_UPS_CONF |
                                       NGX_HTTP_SIF_CONF | NGX_HTTP_LIF_CONF | NGX_HTTP_LMT_CONF;
  for (ngx_command_t* row = kCommands; row->name.len != 0; row++) {
    if (View(row->name) == name) return {row->name, (row->type & ~kHttpContexts) | contexts, row->set, offset, 0, row->post};
  }
  return ngx_null_command;
}

/// weir_max_data SIZE;
char* TakeMaxData(ngx_conf_t* cf, ngx_command_t* command, void* raw) noexcept {
  char* const answer = ngx_conf_set_size_slot(cf, command, raw);
  if (answer != NGX_CONF_OK || static_cast<ServerConf*>(raw)->data_bytes != 0) return answer;
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "weir: weir_max_data: a plugin that pauses must be able to hold something; give at least 1");
  return static_cast<char*>(NGX_CONF_ERROR);
}

}  // namespace

ngx_module_t& ThisModule() { return ngx_stream_weir_module; }

MainConf* MainOf(ngx_conf_t* cf) {
  return static_cast<MainConf*>(ngx_stream_conf_get_module_main_conf(cf, ngx_stream_weir_module));
}

MainConf* MainOf(ngx_cycle_t* cycle) {
  if (cycle->conf_ctx == nullptr) return nullptr;
  return static_cast<MainConf*>(ngx_stream_cycle_get_module_main_conf(cycle, ngx_stream_weir_module));
}

void* CreateServer(ngx_conf_t* cf) noexcept {
  auto* conf = static_cast<ServerConf*>(ngx_pcalloc(cf->pool, sizeof(ServerConf)));
  if (conf == nullptr) return nullptr;
  conf->use.plugins = static_cast<PluginConf**>(NGX_CONF_UNSET_PTR);
  conf->data_bytes = NGX_CONF_UNSET_SIZE;
  return conf;
}

char* MergeServer(ngx_conf_t*, void* parent, void* child) noexcept {
  auto* above = static_cast<ServerConf*>(parent);
  auto* conf = static_cast<ServerConf*>(child);
  ngx_conf_merge_size_value(conf->data_bytes, above->data_bytes, size_t{Limits{}.body_bytes});
  if (conf->use.plugins != NGX_CONF_UNSET_PTR) return NGX_CONF_OK;
  const bool none = above->use.plugins == NGX_CONF_UNSET_PTR;
  conf->use.plugins = none ? nullptr : above->use.plugins;
  conf->use.count = none ? 0 : above->use.count;
  return NGX_CONF_OK;
}

bool WrapContent(ngx_conf_t* cf, ngx_stream_content_handler_pt content) {
  auto* core = static_cast<ngx_stream_core_main_conf_t*>(ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module));
  const auto conf_of = [](const ngx_stream_conf_ctx_t* ctx) {
    return static_cast<ServerConf*>(ctx->srv_conf[ngx_stream_weir_module.ctx_index]);
  };
  auto** servers = static_cast<ngx_stream_core_srv_conf_t**>(core->servers.elts);
  for (ngx_uint_t i = 0; i < core->servers.nelts; i++) {
    ServerConf* conf = conf_of(servers[i]->ctx);
    if (conf->use.count == 0) continue;
    conf->content = servers[i]->handler;
    servers[i]->handler = content;
  }
#if (nginx_version < 1025005)  // later ones keep their sockets elsewhere: there the first datagram is refused
  const auto* listens = static_cast<ngx_stream_listen_t*>(core->listen.elts);
  for (ngx_uint_t i = 0; i < core->listen.nelts; i++) {
    if (listens[i].type == SOCK_STREAM || conf_of(listens[i].ctx)->use.count == 0) continue;
    const auto* server = static_cast<ngx_stream_core_srv_conf_t*>(listens[i].ctx->srv_conf[ngx_stream_core_module.ctx_index]);
    Complain(cf, "weir: plugins see TCP, and this server listens to UDP (" + std::string(View(listens[i].addr_text)) +
                     "); write \"weir off;\" in it",
             std::string(reinterpret_cast<char*>(server->file_name)) + ":" + std::to_string(server->line));
    return false;
  }
#endif
  return true;
}

ngx_command_t kStreamCommands[] = {
    Same("weir_plugin", NGX_STREAM_MAIN_CONF, NGX_STREAM_MAIN_CONF_OFFSET),
    Same("weir", NGX_STREAM_MAIN_CONF | NGX_STREAM_SRV_CONF, NGX_STREAM_SRV_CONF_OFFSET),
    Same("weir_cache", NGX_STREAM_MAIN_CONF, NGX_STREAM_MAIN_CONF_OFFSET),
    Same("weir_cluster", NGX_STREAM_MAIN_CONF, NGX_STREAM_MAIN_CONF_OFFSET),
    Same("weir_allow_hosts", NGX_STREAM_MAIN_CONF, NGX_STREAM_MAIN_CONF_OFFSET),
    Same("weir_zone", NGX_STREAM_MAIN_CONF, NGX_STREAM_MAIN_CONF_OFFSET),
    Same("weir_node", NGX_STREAM_MAIN_CONF, NGX_STREAM_MAIN_CONF_OFFSET),
    {ngx_string("weir_max_data"), NGX_STREAM_MAIN_CONF | NGX_STREAM_SRV_CONF | NGX_CONF_TAKE1, TakeMaxData,
     NGX_STREAM_SRV_CONF_OFFSET, offsetof(ServerConf, data_bytes), nullptr},
    ngx_null_command,
};

}  // namespace weir::nginx
