#include "proxy_wasm/plugin.h"

#include <algorithm>
#include <utility>

#include "proxy_wasm/link.h"
#include "proxy_wasm/witnessed.h"

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
    : core_{*this, std::move(spec), host, *this, version, nullptr, {}, 0, {}}, restarts_(core_.spec.limits) {}

Result<std::unique_ptr<Plugin>> ProxyWasmPlugin::Load(Engine& engine, std::shared_ptr<const Module> module, Version version,
                                                      PluginSpec spec, Host& host, const Dialect* dialect) {
  std::unique_ptr<ProxyWasmPlugin> plugin(new ProxyWasmPlugin(std::move(spec), host, version));
  plugin->core_.dialect = dialect;
  auto groups = GroupsOf(plugin->core_.spec.allow);
  if (!groups) return Error{groups.error().code, plugin->core_.prefix() + "allow: " + groups.error().message};
  plugin->core_.groups = *groups;
  const std::span<const abi::HostFunction> instead = dialect != nullptr ? dialect->rows : std::span<const abi::HostFunction>();
  const std::vector<engine::HostImport> imports = ImportsFor(*module, version, *groups, instead);
  auto linked = engine::Linked::Create(engine, std::move(module), imports, MakeObserver(host.witness));
  if (!linked) return Error{linked.error().code, plugin->core_.prefix() + linked.error().message};
  plugin->core_.linked = std::move(*linked);
  WEIR_TRY_VOID(plugin->Spawn());
  return std::unique_ptr<Plugin>(std::move(plugin));
}

ProxyWasmPlugin::~ProxyWasmPlugin() {
  const uint64_t until_ns = core_.host.clock.MonotonicNs() + uint64_t(core_.spec.limits.start_ms) * 1'000'000;
  while (Context* context = vm_ ? vm_->first_pending() : nullptr) {  // nobody waits any longer
    if (core_.host.clock.MonotonicNs() < until_ns && !context->Finalize()) break;
    context->Free();
  }
  if (vm_) vm_->Shutdown();
  core_.host.timers.SetTick(*this, 0);  // after the guest's last words, which may ask for either
  core_.host.queues.Forget(*this);
}

Result<void> ProxyWasmPlugin::Shutdown() {
  const std::unique_ptr<Vm> vm = std::move(vm_);
  if (!vm) return {};
  vm->Shutdown();
  if (vm->alive()) return {};
  return Error{ErrorCode::kTrapped, core_.prefix() + "at the end of the plugin context: " + vm->trap().message};
}

Result<void> ProxyWasmPlugin::Spawn() {
  const uint32_t tick_ms = std::exchange(core_.tick_ms, 0);
  auto vm = std::make_unique<Vm>(core_);
  ++core_.stats.instances;
  auto started = vm->Start();
  if (!started) {
    core_.host.timers.SetTick(*this, 0);
    core_.tick_ms = tick_ms;
    return started;
  }
  vm_ = std::move(vm);
  core_.stats.up = true;
  if (tick_ms != 0 && core_.tick_ms == 0) core_.host.timers.SetTick(*this, 0);  // the dead one's; this one asked for none
  return started;
}

bool ProxyWasmPlugin::EnsureUp() {
  if (vm_) [[likely]] return true;
  const uint64_t now_ns = core_.host.clock.MonotonicNs();
  if (!restarts_.available(now_ns)) {
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
  restarts_.Take(now_ns);
  if (auto started = Spawn(); !started) {
    core_.statistics.StartFailed();
    Failed("restart", started.error().message);
    return false;
  }
  if (down_said_) {
    probing_ = true;
    probe_context_ = 0;
    probe_until_ns_ = now_ns + uint64_t(core_.spec.limits.restart_interval_ms) * 1'000'000;
    core_.stats.up = false;
  }
  return true;
}

bool ProxyWasmPlugin::Admit() {
  bool admitted = EnsureUp();
  if (admitted && vm_->pending()) [[unlikely]] {
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
  probing_ = false;
  core_.stats.last_error = message;
  core_.stats.up = restarts_.available(core_.host.clock.MonotonicNs());
  core_.Log(LogLevel::kError, std::string(what) + " failed: " + message);
  // A plugin that lives by its ticks is restarted by the next one.
  if (core_.tick_ms != 0) core_.host.timers.SetTick(*this, std::max(core_.tick_ms, core_.spec.limits.restart_interval_ms));
}

void ProxyWasmPlugin::OnDeath(Context* trigger, std::string_view where) {
  const std::unique_ptr<Vm> dead = std::move(vm_);  // nothing of it is entered again
  const engine::Trap& trap = dead->trap();
  core_.statistics.InstanceGone(trap.kind);
  std::string message = core_.prefix() + std::string(where);
  if (trigger != nullptr) message += " (context " + std::to_string(trigger->id()) + ")";
  message += ": " + trap.message;
  if (!trap.backtrace.empty()) message += "\n" + trap.backtrace;
  Failed("callback", message);
  while (Context* context = dead->contexts().TakeAny()) {
    context->Detach();
    if (context->orphan()) {
      context->Free();
    } else if (context != trigger && context->any_stream() != nullptr) {
      context->any_stream()->Fail();
    }
  }
}

std::unique_ptr<HttpFilter> ProxyWasmPlugin::NewHttpFilter(HttpStream& stream) { return NewContext(stream); }
std::unique_ptr<TcpFilter> ProxyWasmPlugin::NewTcpFilter(TcpStream& stream) { return NewContext(stream); }

void ProxyWasmPlugin::UseStreamId(uint32_t id) {
  if (vm_) vm_->UseContextId(id);
}

template <class AnyStream>
std::unique_ptr<Context> ProxyWasmPlugin::NewContext(AnyStream& stream) {
  if (!Admit()) return nullptr;
  if (vm_->contexts().size() >= core_.spec.limits.contexts) [[unlikely]] {
    core_.LogOnce(LogLevel::kError, core_.prefix() + "the limit of contexts is reached: " + std::to_string(core_.spec.limits.contexts));
    return nullptr;
  }
  const uint32_t id = vm_->TakeContextId();
  if (id == 0) [[unlikely]] {
    core_.LogOnce(LogLevel::kError, core_.prefix() + "this instance has used all context ids");
    return nullptr;
  }
  if (probing_) probe_context_ = id;
  std::unique_ptr<Context> context(new (pool_) Context(*this, *vm_, stream, id));
  if (!context->Create()) {
    OnDeath(context.get(), Name(Callback::kOnContextCreate));
    return nullptr;
  }
  ++core_.stats.streams;
  core_.statistics.Stream();
  return context;
}

void ProxyWasmPlugin::OnTick() {
  if (!vm_ && (!EnsureUp() || core_.tick_ms == 0)) return;
  if (probing_ && core_.host.clock.MonotonicNs() >= probe_until_ns_) Proved();
  if (!vm_->Call(Callback::kOnTick, nullptr, nullptr, kRootContextId)) return OnDeath(nullptr, Name(Callback::kOnTick));
  FinalizeReady();
}

void ProxyWasmPlugin::OnQueueReady(uint32_t queue_id) {
  if (!EnsureUp()) return;
  if (!vm_->Call(Callback::kOnQueueReady, nullptr, nullptr, kRootContextId, queue_id))
    return OnDeath(nullptr, Name(Callback::kOnQueueReady));
  FinalizeReady();
}

// At most one callback's time for all of them: the rest is done after the next event.
void ProxyWasmPlugin::FinalizeReady() {
  if (!vm_->pending()) return;
  const uint32_t budget_ms = core_.spec.limits.callback_ms;
  const uint64_t begin_ns = core_.host.clock.MonotonicNs();
  for (uint64_t now_ns = begin_ns; vm_ && (budget_ms == 0 || now_ns - begin_ns < uint64_t(budget_ms) * 1'000'000);
       now_ns = core_.host.clock.MonotonicNs()) {
    Context* context = vm_->first_pending();
    if (context == nullptr || (context == vm_->waiting().first() && now_ns < context->deadline_ns())) return;
    const bool orphan = context->orphan();
    if (!context->Finalize()) return;
    if (orphan) context->Free();
  }
}

uint64_t ProxyWasmPlugin::done_deadline_ns() {
  return core_.host.clock.MonotonicNs() + uint64_t(core_.spec.limits.done_ms) * 1'000'000;
}

}  // namespace weir::proxy_wasm
