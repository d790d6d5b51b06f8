// The stream module as nginx sees it: hooks, processes, and the three symbols that its loader looks for.
#include "nginx/stream_module.h"

#include <array>

#include "nginx/canary.h"
#include "nginx/module.h"
#include "nginx/stream_conf.h"
#include "nginx/tcp.h"
#include "nginx/worker.h"

namespace weir::nginx {

ModuleState g_module;
ngx_stream_filter_pt g_next_stream_filter = nullptr;

namespace {

bool IsWorker() { return ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE; }

/// Once a second, however many connections come.
void SayDown(const ngx_stream_session_t* s, PluginConf& plugin) {
  if (plugin.said_down == ngx_time()) return;
  plugin.said_down = ngx_time();
  const ngx_str_t name = Borrow(plugin.spec.name);
  ngx_log_error(NGX_LOG_ERR, s->connection->log, 0, "weir: plugin \"%V\" is down: %s", &name,
                plugin.spec.on_error == OnError::kOpen ? "connections go on without it" : "connections are closed");
}

/// In place of the content handler of a server that has plugins.
void OnContent(ngx_stream_session_t* s) noexcept {
  ServerConf* conf = ServerOf(s);
  if (s->connection->type != SOCK_STREAM) {
    ngx_log_error(NGX_LOG_ERR, s->connection->log, 0, "weir: plugins see TCP, and this is a datagram; write \"weir off;\"");
    return ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
  }
  std::array<Plugin*, kChainPluginsMax> plugins;
  size_t count = 0;
  for (ngx_uint_t i = 0; i < conf->use.count; i++) {
    PluginConf& plugin = *conf->use.plugins[i];
    if (plugin.running != nullptr) {
      plugins[count++] = plugin.running;
      continue;
    }
    SayDown(s, plugin);
    if (plugin.spec.on_error == OnError::kClosed) return ngx_stream_finalize_session(s, NGX_STREAM_SERVICE_UNAVAILABLE);
  }
  if (count == 0) return conf->content(s);
  const LogScope scope(s->connection->log);
  NgxTcp* tcp = NgxTcp::Create(s, {plugins.data(), count}, conf->data_bytes);
  if (tcp == nullptr) return ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
  tcp->Content();
}

ngx_int_t OnData(ngx_stream_session_t* s, ngx_chain_t* in, ngx_uint_t from_upstream) noexcept {
  NgxTcp* tcp = NgxTcp::Find(s);
  if (tcp == nullptr) return g_next_stream_filter(s, in, from_upstream);
  const LogScope scope(s->connection->log);
  return tcp->Filter(in, from_upstream != 0 ? TcpSide::kUpstream : TcpSide::kDownstream);
}

ngx_int_t OnLog(ngx_stream_session_t* s) noexcept {
  NgxTcp* tcp = NgxTcp::Find(s);
  if (tcp == nullptr) return NGX_OK;
  const LogScope scope(s->connection->log);
  tcp->Finish();
  return NGX_OK;
}

// ---- configuration

/// The last moment at which a bad configuration only means that the old one goes on.
char* InitMain(ngx_conf_t* cf, void* raw) noexcept {
  auto& conf = *static_cast<MainConf*>(raw);
  for (const auto& plugin : conf.plugins) plugin->spec.node = conf.node;
  if (!ResolveUses(cf, conf)) return static_cast<char*>(NGX_CONF_ERROR);
  for (const ClusterConf& one : conf.clusters) conf.upstreams.push_back(one.cluster);
  if (!conf.plugins.empty() && !AddZone(cf, conf.zone)) return static_cast<char*>(NGX_CONF_ERROR);
  // `nginx -s reload` reads the configuration too, only to find the pid.
  if (conf.plugins.empty() || ngx_process == NGX_PROCESS_SIGNALLER) return NGX_CONF_OK;
  return CheckPlugins(cf, conf) ? NGX_CONF_OK : static_cast<char*>(NGX_CONF_ERROR);
}

ngx_int_t Postconfiguration(ngx_conf_t* cf) noexcept {
  if (MainOf(cf)->plugins.empty()) return NGX_OK;  // loaded but not used costs nothing
  if (!WrapContent(cf, OnContent)) return NGX_ERROR;
  auto* core = static_cast<ngx_stream_core_main_conf_t*>(ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module));
  auto* slot = static_cast<ngx_stream_handler_pt*>(ngx_array_push(&core->phases[NGX_STREAM_LOG_PHASE].handlers));
  if (slot == nullptr) return NGX_ERROR;
  *slot = OnLog;
  g_next_stream_filter = ngx_stream_top_filter;
  ngx_stream_top_filter = OnData;
  return NGX_OK;
}

// ---- processes. The cache manager and loader come here too: they are no workers.

ngx_int_t InitModule(ngx_cycle_t* cycle) noexcept {
  const MainConf* conf = MainOf(cycle);
  if (conf != nullptr && !conf->plugins.empty()) MakeWakeFds(cycle);
  return NGX_OK;  // an error would end nginx, even at a reload
}

ngx_int_t InitProcess(ngx_cycle_t* cycle) noexcept {
  MainConf* conf = IsWorker() ? MainOf(cycle) : nullptr;
  if (conf != nullptr && !conf->plugins.empty()) g_module.worker = new Worker(cycle, *conf);
  return NGX_OK;  // an error would kill the worker, and the next one
}

void ExitProcess(ngx_cycle_t*) noexcept {
  if (g_module.worker != nullptr) g_module.worker->StopCalls();  // no thread runs into the process's last moments
  if (g_module.worker != nullptr) g_module.worker->StopWaking();
  if (g_module.streams != 0) return;  // nginx ends in the middle of connections: their plugins stay until the process is gone
  delete g_module.worker;
  g_module.worker = nullptr;
}

ngx_stream_module_t kContext = {nullptr, Postconfiguration, CreateMain, InitMain, CreateServer, MergeServer};

}  // namespace
}  // namespace weir::nginx

#define WEIR_EXPORT __attribute__((visibility("default")))

extern "C" {
ngx_module_t ngx_stream_weir_module = {
    NGX_MODULE_V1,
    &weir::nginx::kContext,
    weir::nginx::kStreamCommands,
    NGX_STREAM_MODULE,
    nullptr,                    // init master
    weir::nginx::InitModule,
    weir::nginx::InitProcess,
    nullptr,                    // init thread
    nullptr,                    // exit thread
    weir::nginx::ExitProcess,
    nullptr,                    // exit master
    NGX_MODULE_V1_PADDING,
};

WEIR_EXPORT ngx_module_t* ngx_modules[] = {&ngx_stream_weir_module, nullptr};
WEIR_EXPORT char* ngx_module_names[] = {const_cast<char*>("ngx_stream_weir_module"), nullptr};
WEIR_EXPORT char* ngx_module_order[] = {nullptr};
}
