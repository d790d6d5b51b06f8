#include "nginx/worker.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "nginx/module.h"

namespace weir::nginx {
namespace {

constexpr ngx_msec_t kRetryFirstMs = 1000, kRetryMaxMs = 60'000;

std::vector<std::string> NamesOf(const MainConf& conf) {
  std::vector<std::string> names;
  for (const auto& plugin : conf.plugins) names.push_back(plugin->spec.name);
  return names;
}

size_t CountSpaces(const MainConf& conf) {
  std::set<std::string_view> spaces;
  for (const auto& plugin : conf.plugins) spaces.insert(plugin->spec.vm_id.empty() ? plugin->spec.name : plugin->spec.vm_id);
  return spaces.size();
}

}  // namespace

Worker::Worker(ngx_cycle_t* cycle, MainConf& conf)
    : cycle_(cycle),
      conf_(conf),
      calls_(cycle, conf),
      zone_(cycle, conf.zone, NamesOf(conf), CountSpaces(conf)),
      host_{log_,     clock_, zone_.shared_data(), zone_.queues(), zone_.metrics(),
            timers_,  services_.foreign_functions(), calls_.calls(), &vms_},
      retry_ms_(kRetryFirstMs) {
  retry_connection_.fd = static_cast<ngx_socket_t>(-1);
  retry_connection_.data = this;
  retry_.data = &retry_connection_;
  retry_.handler = OnRetry;
  retry_.log = cycle->log;
  retry_.cancelable = 1;
  for (const auto& plugin : conf.plugins) {  // 0 until it has started
    zone_.metrics().Own(OwnMetric::kPluginUp, OwnLabels(OwnMetric::kPluginUp, {plugin->spec.name}));
  }
  if (!conf.records.empty()) {
    recorder_ = std::make_unique<trace::Recorder>(clock_, std::to_string(ngx_pid) + "." + std::to_string(ngx_time()), conf.records.front().get(), &record_log_);
  }
  g_module.streams_cell = zone_.metrics().Own(OwnMetric::kStreams, {});
  StartAll();
}

Worker::~Worker() {
  g_module.streams_cell = nullptr;
  if (retry_.timer_set) ngx_del_timer(&retry_);
  for (const auto& conf : conf_.plugins) conf->running = nullptr;
  timers_.Keep([](const Plugin*) { return false; });
}

void Worker::CountNote(std::string_view note, std::string_view plugin) {
  OwnCell*& cell = notes_[{std::string(plugin), note}];
  if (cell == nullptr) cell = zone_.metrics().Own(OwnMetric::kStreamNotes, OwnLabels(OwnMetric::kStreamNotes, {plugin, note}));
  if (cell != nullptr) cell->Add(1);
}

bool Worker::StartEngine() {
  if (engine_ != nullptr) return true;
  EngineOptions options;
  options.parallel_compilation = false;  // nothing is compiled here
  Result<std::unique_ptr<Engine>> engine = Engine::Create(options);
  if (!engine) {
    const ngx_str_t text = Borrow(engine.error().message);
    ngx_log_error(NGX_LOG_ALERT, cycle_->log, 0, "weir: %V", &text);
    return false;
  }
  engine_ = *std::move(engine);
  return true;
}

bool Worker::Start(PluginConf& conf) {
  if (!StartEngine()) return false;
  const auto start = [&]() -> Result<std::unique_ptr<Plugin>> {
    WEIR_TRY(auto module, engine_->Map("/proc/self/fd/" + std::to_string(conf.artefact_fd), conf.spec.path, conf.code_id));
    const auto load = [&](Host& host) { return LoadPlugin(*engine_, std::move(module), conf.spec, host); };
    return recorder_ ? recorder_->Load(conf.spec, conf.digest, host_, load) : load(host_);
  };
  Result<std::unique_ptr<Plugin>> plugin = start();
  if (!plugin) {
    timers_.Keep([&](const Plugin* one) {
      return std::any_of(plugins_.begin(), plugins_.end(), [&](const auto& kept) { return kept.get() == one; });
    });
    const ngx_str_t name = Borrow(conf.spec.name), text = Borrow(plugin.error().message);
    ngx_log_error(NGX_LOG_ERR, cycle_->log, 0, "weir: plugin \"%V\" is down in this worker: %V", &name, &text);
    return false;
  }
  conf.running = plugin->get();
  plugins_.push_back(*std::move(plugin));
  return true;
}

void Worker::StartAll() {
  bool all = true;
  for (const auto& conf : conf_.plugins) {
    if (conf->running == nullptr && !Start(*conf)) all = false;
  }
  if (all || ngx_exiting) return;
  ngx_add_timer(&retry_, retry_ms_);
  retry_ms_ = std::min(retry_ms_ * 2, kRetryMaxMs);
}

void Worker::OnRetry(ngx_event_t* event) noexcept {
  static_cast<Worker*>(static_cast<ngx_connection_t*>(event->data)->data)->StartAll();
}

}  // namespace weir::nginx
