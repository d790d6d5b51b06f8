#include "proxy_wasm/plugin.h"

#include <algorithm>
#include <utility>


namespace weir::proxy_wasm {

uint64_t RestartBudget::Refilled(uint64_t now_ns) const {
  if (interval_ns_ == 0) return burst_;
  return std::min(burst_, left_ + (now_ns - since_ns_) / interval_ns_);
}

bool RestartBudget::available(uint64_t now_ns) const { return interval_ns_ == 0 || Refilled(now_ns) > 0; }

void RestartBudget::Take(uint64_t now_ns) {
  const uint64_t refilled = Refilled(now_ns);
  // A full bucket starts its clock with this taking; otherwise the part of an interval that has passed is kept.
  since_ns_ = refilled >= burst_ || interval_ns_ == 0 ? now_ns : since_ns_ + (refilled - left_) * interval_ns_;
  left_ = refilled > 0 ? refilled - 1 : 0;
}

ProxyWasmPlugin::ProxyWasmPlugin(PluginSpec spec, Host& host, Version version)
    : core_{*this, std::move(spec), host, *this, version, {}, 0, 0, {}}, restarts_(core_.spec.limits) {}

Result<std::unique_ptr<Plugin>> ProxyWasmPlugin::Load(Engine& engine, std::shared_ptr<const Module> module, Version version,
                                                      PluginSpec spec, Host& host, const Dialect* dialect) {
  std::unique_ptr<ProxyWasmPlugin> plugin(new ProxyWasmPlugin(std::move(spec), host, version));
  plugin->core_.dialect = dialect;
  Core& core = plugin->core_;
  WEIR_TRY(plugin->vm_, SharedVm::Of(engine, std::move(module), version, core));
  core.groups = plugin->vm_->groups();
  plugin->vm_->Join(*plugin);
  WEIR_TRY_VOID(plugin->vm_->Start(*plugin));
  if (!plugin->up()) return Error{ErrorCode::kTrapped, core.prefix() + "the VM that it shares ended with the start of another plugin"};
  return std::unique_ptr<Plugin>(std::move(plugin));
}

ProxyWasmPlugin::~ProxyWasmPlugin() {
  (void)Shutdown();  // a failure of the last words is nobody's any more
  core_.host.timers.SetTick(*this, 0);  // after them: they may ask for either
  core_.host.queues.Forget(*this);
}

Result<void> ProxyWasmPlugin::Shutdown() {
  if (vm_ == nullptr) return {};
  const uint64_t until_ns = core_.host.clock.MonotonicNs() + uint64_t(core_.spec.limits.start_ms) * 1'000'000;
  while (Context* context = first_pending()) {  // nobody waits any longer
    if (core_.host.clock.MonotonicNs() < until_ns && !context->Finalize()) break;
    context->Free();
  }
  auto left = vm_->Leave(*this);
  vm_.reset();
  return left;
}

Result<void> ProxyWasmPlugin::StartIn(Vm& vm) {
  const uint32_t tick_ms = std::exchange(core_.tick_ms, 0);
  ++core_.stats.instances;
  auto started = vm.Add(core_);
  if (!started) {
    core_.host.timers.SetTick(*this, 0);
    core_.tick_ms = tick_ms;
    return started;
  }
  failed_ = false;
  core_.stats.up = !down_said_;
  if (tick_ms != 0 && core_.tick_ms == 0) core_.host.timers.SetTick(*this, 0);  // the dead one's; this one asked for none
  if (down_said_) {
    probing_ = true;
    probe_context_ = 0;
    probe_until_ns_ = core_.host.clock.MonotonicNs() + uint64_t(core_.spec.limits.restart_interval_ms) * 1'000'000;
  }
  return started;
}

bool ProxyWasmPlugin::MayStart() {
  if (!failed_) return true;
  const uint64_t now_ns = core_.host.clock.MonotonicNs();
  if (restarts_.available(now_ns)) {
    restarts_.Take(now_ns);
    return true;
  }
  core_.stats.up = false;
  core_.statistics.Down();
  if (!down_said_) {
    core_.Log(LogLevel::kCritical,
              core_.prefix() + "down after " + std::to_string(core_.stats.failures) + " failures; one restart each " +
                  std::to_string(core_.spec.limits.restart_interval_ms) + " ms is tried and has to serve one stream well; the others get on_error=" +
                  (core_.spec.on_error == OnError::kClosed ? "closed" : "open"));
  }
  down_said_ = true;
  return false;
}

bool ProxyWasmPlugin::EnsureUp() {
  if (up()) [[likely]] return true;
  if (vm_ == nullptr || !MayStart()) return false;
  if (auto started = vm_->Start(*this); !started) StartFailed(started.error().message);
  return up();
}

void ProxyWasmPlugin::StartFailed(const std::string& message) {
  core_.statistics.StartFailed();
  Failed("restart", message);
}

bool ProxyWasmPlugin::Admit() {
  bool admitted = EnsureUp();
  if (admitted && pending()) [[unlikely]] {
    FinalizeReady();
    admitted = EnsureUp();
  }
  if (admitted && probing_) [[unlikely]] {
    if (core_.host.clock.MonotonicNs() >= probe_until_ns_) Proved();
    admitted = !probing_ || probe_context_ == 0;
  }
  if (!admitted) ++core_.stats.streams_refused;
  return admitted;
}

void ProxyWasmPlugin::Proved() {
  probing_ = down_said_ = false;
  core_.stats.up = true;
  core_.Log(LogLevel::kWarn, core_.prefix() + "up again");
}

void ProxyWasmPlugin::Failed(std::string_view what, const std::string& message) {
  ++core_.stats.failures;
  failed_ = true;
  probing_ = false;
  core_.stats.last_error = message;
  core_.stats.up = restarts_.available(core_.host.clock.MonotonicNs());
  core_.Log(LogLevel::kError, std::string(what) + " failed: " + message);
  // A plugin that lives by its ticks is restarted by the next one.
  if (core_.tick_ms != 0) core_.host.timers.SetTick(*this, std::max(core_.tick_ms, core_.spec.limits.restart_interval_ms));
}

void ProxyWasmPlugin::Lost(std::string_view culprit) {
  core_.statistics.InstanceLost();
  core_.stats.last_error = core_.prefix() + "its VM ended with a failure of plugin \"" + std::string(culprit) + "\", which shares it (vm_id=" +
                           core_.spec.vm_id + ")";
  core_.Log(LogLevel::kError, core_.stats.last_error);
  Ended();
}

void ProxyWasmPlugin::Ended() {
  core_.root_context = 0;
  waiting_ = done_ = ContextList();
  probing_ = false;
}

std::unique_ptr<HttpFilter> ProxyWasmPlugin::NewHttpFilter(HttpStream& stream) { return NewContext(stream); }
std::unique_ptr<TcpFilter> ProxyWasmPlugin::NewTcpFilter(TcpStream& stream) { return NewContext(stream); }

void ProxyWasmPlugin::UseStreamId(uint32_t id) {
  if (up()) vm_->vm()->UseContextId(id);
}

template <class AnyStream>
std::unique_ptr<Context> ProxyWasmPlugin::NewContext(AnyStream& stream) {
  if (!Admit()) return nullptr;
  Vm& vm = *vm_->vm();
  if (vm.contexts().size() >= core_.spec.limits.contexts) [[unlikely]] {
    core_.LogOnce(LogLevel::kError, core_.prefix() + "the limit of contexts is reached: " + std::to_string(core_.spec.limits.contexts));
    return nullptr;
  }
  const uint32_t id = vm.TakeContextId();
  if (id == 0) [[unlikely]] {
    core_.LogOnce(LogLevel::kError, core_.prefix() + "this instance has used all context ids");
    return nullptr;
  }
  if (probing_) probe_context_ = id;
  std::unique_ptr<Context> context(new (pool_) Context(*this, vm, stream, id));
  if (!context->Create()) {
    OnDeath(context.get(), Name(Callback::kOnContextCreate));
    return nullptr;
  }
  ++core_.stats.streams;
  core_.statistics.Stream();
  return context;
}

void ProxyWasmPlugin::OnTick() {
  if (!up() && (!EnsureUp() || core_.tick_ms == 0)) return;
  if (probing_ && core_.host.clock.MonotonicNs() >= probe_until_ns_) Proved();
  if (!vm_->vm()->Call(core_, Callback::kOnTick, nullptr, nullptr, core_.root_context)) return OnDeath(nullptr, Name(Callback::kOnTick));
  FinalizeReady();
}

void ProxyWasmPlugin::OnQueueReady(uint32_t queue_id) {
  if (!EnsureUp()) return;
  if (!vm_->vm()->Call(core_, Callback::kOnQueueReady, nullptr, nullptr, core_.root_context, queue_id))
    return OnDeath(nullptr, Name(Callback::kOnQueueReady));
  FinalizeReady();
}

// At most one callback's time for all of them: the rest is done after the next event.
void ProxyWasmPlugin::FinalizeReady() {
  if (!pending()) return;
  const uint32_t budget_ms = core_.spec.limits.callback_ms;
  const uint64_t begin_ns = core_.host.clock.MonotonicNs();
  for (uint64_t now_ns = begin_ns; up() && (budget_ms == 0 || now_ns - begin_ns < uint64_t(budget_ms) * 1'000'000);
       now_ns = core_.host.clock.MonotonicNs()) {
    Context* context = first_pending();
    if (context == nullptr || (context == waiting_.first() && now_ns < context->deadline_ns())) return;
    const bool orphan = context->orphan();
    if (!context->Finalize()) return;
    if (orphan) context->Free();
  }
}

uint64_t ProxyWasmPlugin::done_deadline_ns() {
  return core_.host.clock.MonotonicNs() + uint64_t(core_.spec.limits.done_ms) * 1'000'000;
}

}  // namespace weir::proxy_wasm
