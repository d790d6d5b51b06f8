#include "proxy_wasm/vm.h"

namespace weir::proxy_wasm {
namespace {
constexpr engine::ValType kI32s[2] = {engine::ValType::kI32, engine::ValType::kI32};

wasi::WasiContext WasiContextOf(const PluginSpec& spec, Host& host) {
  return {.log = host.log,
          .clock = host.for_guests(),
          .plugin = spec.name,
          .environment = spec.environment,
          .stderr_level = spec.stderr_level,
          .line_bytes_max = spec.limits.log_line_bytes,
          .random_bytes_max = spec.limits.random_bytes,
          .random = host.random};
}
}  // namespace

Vm::Vm(engine::Linked& linked, Core& first, const PluginSpec& spec)
    : linked_(linked),
      spec_(spec),
      own_calls_(first, *this),
      other_calls_(first.dialect != nullptr ? first.dialect->make_calls(*first.dialect, first, *this) : OwnedCalls(nullptr, nullptr)),
      calls_(other_calls_ ? *other_calls_ : own_calls_),
      wasi_(WasiContextOf(spec, first.host)),
      selves_{&calls_, &wasi_},
      budget_ms_(spec.limits.start_ms) {}

void Vm::SwitchTo(Core* core) {
  core_ = core;
  calls_.set_core(core);
  if (core != nullptr) wasi_.set_plugin(core->spec.name);
}

Error Vm::Trapped(const Core& core, std::string_view where, std::string_view remedy) const {
  const engine::Trap& trap = instance_->trap();
  std::string message = core.prefix() + std::string(where) + ": " + trap.message + std::string(remedy);
  if (!trap.backtrace.empty()) message += "\n" + trap.backtrace;
  return {ErrorCode::kTrapped, std::move(message)};
}

Result<void> Vm::Start(Core& first) {
  SwitchTo(&first);
  const Limits& limits = spec_.limits;
  auto instance = engine::Instance::Create(linked_, &selves_, {limits.memory_bytes, limits.table_elements}, limits.start_ms);
  if (!instance) return Error{instance.error().code, first.prefix() + instance.error().message};
  instance_ = std::move(*instance);
  auto callbacks = Callbacks::Find(*instance_);
  if (!callbacks) return Error{callbacks.error().code, first.prefix() + callbacks.error().message};
  callbacks_ = *callbacks;
  if (first.dialect != nullptr && first.dialect->ends_without_log) callbacks_.Leave(Callback::kOnLog);
  WEIR_TRY_VOID(FindAllocator());
  return RunStartFunctions();
}

Result<void> Vm::Add(Core& core) {
  for (const CallbackRow& row : kCallbackRows)
    if (has(row.id)) core.statistics.Has(row.id);
  budget_ms_ = spec_.limits.start_ms;
  auto configured = Configure(core);
  budget_ms_ = spec_.limits.callback_ms;
  calls_.set_in_vm_start(false);
  if (configured) core.statistics.InstanceStarted(instance_->MemoryBytes());
  return configured;
}

Result<void> Vm::FindAllocator() {
  for (std::string_view name : {"proxy_on_memory_allocate", "malloc"}) {
    if (!instance_->Exports(name)) continue;
    auto function = instance_->Find(name, {kI32s, 1}, {kI32s, 1});
    if (!function) return Error{function.error().code, core_->prefix() + function.error().message};
    calls_.set_allocator(*function);
    return {};
  }
  return {};
}

// `_initialize` if exported, then `main(0, 0)` or `__main_void` if exported; else `_start`.
Result<void> Vm::RunStartFunctions() {
  struct Step {
    std::string_view name;
    size_t params, results;
  };
  static constexpr Step kReactor[] = {{"_initialize", 0, 0}, {"main", 2, 1}, {"__main_void", 0, 1}};
  static constexpr Step kCommand[] = {{"_start", 0, 0}};
  const bool reactor = instance_->Exports("_initialize");
  bool main_ran = false;
  for (const Step& step : reactor ? std::span<const Step>(kReactor) : std::span<const Step>(kCommand)) {
    if (!instance_->Exports(step.name) || main_ran) continue;
    auto function = instance_->Find(step.name, {kI32s, step.params}, {kI32s, step.results});
    if (!function) {
      if (step.name == "_initialize" || step.name == "_start")
        return Error{function.error().code, core_->prefix() + function.error().message};
      continue;  // a main of another shape is not the specification's
    }
    main_ran = step.name == "main";
    engine::RawValue slots[2] = {};
    calls_.Enter(nullptr);
    const bool alive = instance_->Call(*function, slots, std::max(step.params, step.results), budget_ms_);
    calls_.Leave();
    wasi_.Flush();
    if (!alive) return Trapped(*core_, step.name);
  }
  return {};
}

// Each plugin context gets its own on_vm_start, as on Envoy: SDKs pass it on to the plugin's root object, where many set their tick.
Result<void> Vm::Configure(Core& core) {
  const PluginSpec& spec = core.spec;
  const uint32_t id = TakeContextId();
  if (id == 0) return Error{ErrorCode::kLimit, core.prefix() + "the instance that it shares has used all context ids"};
  core.root_context = id;
  if (!Call(core, Callback::kOnContextCreate, nullptr, nullptr, id, 0)) {
    // The AssemblyScript SDK aborts here when nothing was registered under the root id.
    return Trapped(core, Name(Callback::kOnContextCreate),
                   spec.root_id.empty() ? "; its log lines above may say why. A plugin that is registered under a name needs that name: root_id=, --root-id"
                                        : "; its log lines above may say why: is there a plugin of this root_id=?");
  }
  struct Step {
    Callback callback;
    size_t bytes;
    std::string_view remedy;
  };
  const Step steps[] = {
      {Callback::kOnVmStart, spec.vm_configuration.size(), "it refuses its VM configuration; its log lines above say why"},
      {Callback::kOnConfigure, spec.configuration.size(), "it refuses its configuration; its log lines above say why"}};
  for (const Step& step : steps) {
    uint32_t accepted = 1;
    calls_.set_in_vm_start(step.callback == Callback::kOnVmStart);
    if (!Call(core, step.callback, nullptr, &accepted, id, step.bytes)) return Trapped(core, Name(step.callback));
    if (accepted == 0) {
      return Error{ErrorCode::kRefused,
                   core.prefix() + std::string(Name(step.callback)) + " returned false: " + std::string(step.remedy)};
    }
  }
  return {};
}

bool Vm::Remove(Core& core) {
  const uint32_t id = core.root_context;
  if (id == 0) return true;
  uint32_t done = 1;
  // No on_log: Envoy calls it for streams alone, and the AssemblyScript SDK aborts on it for any other context.
  const bool alive = Call(core, Callback::kOnDone, nullptr, &done, id) && Call(core, Callback::kOnDelete, nullptr, nullptr, id);
  callouts_.CancelOf(core);
  SwitchTo(nullptr);
  return alive;
}

}  // namespace weir::proxy_wasm
