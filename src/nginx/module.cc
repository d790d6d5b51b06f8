// The module as nginx sees it: hooks, processes, and the three symbols that its loader looks for.
#include "nginx/module.h"

#include <array>

#include "base/sha256.h"
#include "nginx/canary.h"
#include "nginx/config.h"
#include "nginx/stream.h"
#include "nginx/upstream_watch.h"
#include "nginx/worker.h"

namespace weir::nginx {

ModuleState g_module;

namespace {

bool IsWorker() { return ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE; }

// ---- hooks of a request; plugins run for the client's request, not for subrequests

/// Once a second, however many requests come.
void SayDown(const ngx_http_request_t* r, PluginConf& plugin) {
  if (plugin.said_down == ngx_time()) return;
  plugin.said_down = ngx_time();
  const ngx_str_t name = Borrow(plugin.spec.name);
  ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "weir: plugin \"%V\" is down: %s", &name,
                plugin.spec.on_error == OnError::kOpen ? "requests go on without it" : "503");
}

/// 503 for a plugin that is down and fails closed.
ngx_int_t OnPhase(ngx_http_request_t* r, Phase phase) {
  const LocationConf* conf = LocationOf(r);
  if (r != r->main) return NGX_DECLINED;
  NgxStream* stream = NgxStream::Find(r);
  if (stream == nullptr) {
    if (conf->count == 0 || conf->phase != static_cast<ngx_uint_t>(phase)) return NGX_DECLINED;
    std::array<Plugin*, kChainPluginsMax> plugins;
    size_t count = 0;
    for (ngx_uint_t i = 0; i < conf->count; i++) {
      PluginConf& plugin = *conf->plugins[i];
      if (plugin.running != nullptr) {
        plugins[count++] = plugin.running;
        continue;
      }
      SayDown(r, plugin);
      if (plugin.spec.on_error == OnError::kClosed) return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
    if (count == 0) return NGX_DECLINED;
    stream = NgxStream::Create(r, {plugins.data(), count}, static_cast<uint64_t>(conf->body_bytes));
    if (stream == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  const LogScope scope(r);
  return stream->Access();
}

ngx_int_t OnAccess(ngx_http_request_t* r) noexcept { return OnPhase(r, Phase::kAccess); }

/// In this phase NGX_AGAIN would end the request; NGX_DONE leaves it alone.
ngx_int_t OnRewrite(ngx_http_request_t* r) noexcept {
  const ngx_int_t rc = OnPhase(r, Phase::kRewrite);
  return rc == NGX_AGAIN ? NGX_DONE : rc;
}

ngx_int_t OnRequestBody(ngx_http_request_t* r, ngx_chain_t* in) noexcept {
  NgxStream* stream = r == r->main ? NgxStream::Find(r) : nullptr;
  if (stream == nullptr) return g_module.next_request_body_filter(r, in);
  const LogScope scope(r);
  return stream->RequestBody(in);
}

ngx_int_t OnResponseHead(ngx_http_request_t* r) noexcept {
  NgxStream* stream = r == r->main ? NgxStream::Find(r) : nullptr;
  if (stream == nullptr) return g_module.next_header_filter(r);
  const LogScope scope(r);
  return stream->ResponseHead();
}

ngx_int_t OnResponseBody(ngx_http_request_t* r, ngx_chain_t* in) noexcept {
  NgxStream* stream = r == r->main ? NgxStream::Find(r) : nullptr;
  if (stream == nullptr) return g_module.next_body_filter(r, in);
  const LogScope scope(r);
  return stream->ResponseBody(in);
}

ngx_int_t OnLog(ngx_http_request_t* r) noexcept {
  NgxStream* stream = r == r->main ? NgxStream::Find(r) : nullptr;
  if (stream == nullptr) return NGX_OK;
  const LogScope scope(r);
  stream->Finish();
  return NGX_OK;
}

// ---- configuration

/// The last moment at which a bad configuration only means that the old one goes on.
char* InitMain(ngx_conf_t* cf, void* raw) noexcept {
  auto& conf = *static_cast<MainConf*>(raw);
  for (const auto& plugin : conf.plugins) plugin->spec.node = conf.node;
  if (!ResolveUses(cf, conf)) return static_cast<char*>(NGX_CONF_ERROR);
  if (!conf.plugins.empty()) conf.upstreams = ClustersOf(cf, conf);
  if (!conf.plugins.empty() && !AddZone(cf, conf.zone)) return static_cast<char*>(NGX_CONF_ERROR);
  // `nginx -s reload` reads the configuration too, only to find the pid.
  if (conf.plugins.empty() || ngx_process == NGX_PROCESS_SIGNALLER) return NGX_CONF_OK;
  if (!CheckPlugins(cf, conf)) return static_cast<char*>(NGX_CONF_ERROR);
  for (const auto& plugin : conf.plugins) {
    if (conf.records.empty()) break;
    const Result<std::string> module = ReadFile(plugin->spec.path);
    if (module) plugin->digest = Hex(Sha256({*module}));
  }
  return NGX_CONF_OK;
}

bool PushHandler(ngx_http_core_main_conf_t* core, ngx_http_phases phase, ngx_http_handler_pt handler) {
  auto* slot = static_cast<ngx_http_handler_pt*>(ngx_array_push(&core->phases[phase].handlers));
  if (slot != nullptr) *slot = handler;
  return slot != nullptr;
}

ngx_int_t Postconfiguration(ngx_conf_t* cf) noexcept {
  if (MainOf(cf)->uses.empty()) return NGX_OK;  // loaded but not used costs nothing
  auto* core = static_cast<ngx_http_core_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  if (!PushHandler(core, NGX_HTTP_ACCESS_PHASE, OnAccess) || !PushHandler(core, NGX_HTTP_LOG_PHASE, OnLog)) {
    return NGX_ERROR;
  }
  // Handlers of a phase run from the last to the first: this one before those of `return` and `rewrite`.
  if (MainOf(cf)->rewrite_phase && !PushHandler(core, NGX_HTTP_REWRITE_PHASE, OnRewrite)) return NGX_ERROR;
  // An indexed variable is made once a request; else each look at $request_id would give another one.
  ngx_str_t request_id = ngx_string("request_id");
  if (ngx_http_get_variable_index(cf, &request_id) == NGX_ERROR) return NGX_ERROR;
  WatchUpstreams(cf, *MainOf(cf));
  g_module.next_header_filter = ngx_http_top_header_filter;
  ngx_http_top_header_filter = OnResponseHead;
  g_module.next_body_filter = ngx_http_top_body_filter;
  ngx_http_top_body_filter = OnResponseBody;
  g_module.next_request_body_filter = ngx_http_top_request_body_filter;
  ngx_http_top_request_body_filter = OnRequestBody;
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
  if (g_module.worker != nullptr) g_module.worker->StopWaking();
  if (g_module.streams != 0) {  // nginx ends in the middle of requests: their plugins stay until the process is gone
    if (g_module.worker != nullptr) g_module.worker->StopCalls();  // no thread runs into the process's last moments
    return;
  }
  delete g_module.worker;  // plugins before the client: they cancel what they have in flight
  g_module.worker = nullptr;
}

ngx_http_module_t kContext = {
    nullptr, Postconfiguration, CreateMain, InitMain, nullptr, nullptr, CreateLocation, MergeLocation,
};

}  // namespace
}  // namespace weir::nginx

#define WEIR_EXPORT __attribute__((visibility("default")))

extern "C" {
ngx_module_t ngx_http_weir_module = {
    NGX_MODULE_V1,
    &weir::nginx::kContext,
    weir::nginx::kCommands,
    NGX_HTTP_MODULE,
    nullptr,                    // init master
    weir::nginx::InitModule,
    weir::nginx::InitProcess,
    nullptr,                    // init thread
    nullptr,                    // exit thread
    weir::nginx::ExitProcess,
    nullptr,                    // exit master
    NGX_MODULE_V1_PADDING,
};

WEIR_EXPORT ngx_module_t* ngx_modules[] = {&ngx_http_weir_module, nullptr};
WEIR_EXPORT char* ngx_module_names[] = {const_cast<char*>("ngx_http_weir_module"), nullptr};
// Before the copy filter: response bodies come in memory, and before gzip, SSI and headers; after not_modified and ranges.
WEIR_EXPORT char* ngx_module_order[] = {const_cast<char*>("ngx_http_weir_module"),
                                        const_cast<char*>("ngx_http_copy_filter_module"), nullptr};
}
