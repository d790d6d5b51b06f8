#include "proxy_wasm/vm.h"

namespace weir::proxy_wasm {
namespace {
constexpr engine::ValType kI32s[2] = {engine::ValType::kI32, engine::ValType::kI32};

wasi::WasiContext WasiContextOf(Core& core) {
  return {.log = core.host.log,
          .clock = core.host.for_guests(),
          .random = core.host.random,
          .plugin = core.spec.name,
          .environment = core.spec.environment,
          .stderr_level = core.spec.stderr_level,
          .line_bytes_max = core.spec.limits.log_line_bytes,
          .random_bytes_max = core.spec.limits.random_bytes};
}
}

Vm::Vm(Core& core)
    : core_(core),
      own_calls_(core, *this),
      other_calls_(core.dialect != nullptr ? core.dialect->make_calls(*core.dialect, core, *this) : OwnedCalls(nullptr, nullptr)),
      calls_(other_calls_ ? *other_calls_ : own_calls_),
      wasi_(WasiContextOf(core)),
      selves_{&calls_, &wasi_},
      callouts_(core),
      budget_ms_(core.spec.limits.start_ms) {}

Error Vm::Trapped(std::string_view where) const {
  const engine::Trap& trap = instance_->trap();
  std::string message = core_.prefix() + std::string(where) + ": " + trap.message;
  if (!trap.backtrace.empty()) message += "\n" + trap.backtrace;
  return {ErrorCode::kTrapped, std::move(message)};
}

Result<void> Vm::Start() {
  const Limits& limits = core_.spec.limits;
  auto instance = engine::Instance::Create(*core_.linked, &selves_, {limits.memory_bytes, limits.table_elements}, limits.start_ms);
  if (!instance) return Error{instance.error().code, core_.prefix() + instance.error().message};
  instance_ = std::move(*instance);
  auto callbacks = Callbacks::Find(*instance_);
  if (!callbacks) return Error{callbacks.error().code, core_.prefix() + callbacks.error().message};
  callbacks_ = *callbacks;
  if (core_.dialect != nullptr && core_.dialect->ends_without_log) callbacks_.Leave(Callback::kOnLog);
  for (const CallbackRow& row : kCallbackRows)
    if (has(row.id)) core_.statistics.Has(row.id);
  WEIR_TRY_VOID(FindAllocator());
  WEIR_TRY_VOID(RunStartFunctions());
  WEIR_TRY_VOID(Configure());
  budget_ms_ = limits.callback_ms;
  core_.statistics.InstanceStarted(instance_->MemoryBytes());
  return {};
}

Result<void> Vm::FindAllocator() {
  for (std::string_view name : {"proxy_on_memory_allocate", "malloc"}) {
    if (!instance_->Exports(name)) continue;
    auto function = instance_->Find(name, {kI32s, 1}, {kI32s, 1});
    if (!function) return Error{function.error().code, core_.prefix() + function.error().message};
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
        return Error{function.error().code, core_.prefix() + function.error().message};
      continue;  // a main of another shape is not the specification's
    }
    main_ran = step.name == "main";
    engine::RawValue slots[2] = {};
    calls_.Enter(nullptr);
    const bool alive = instance_->Call(*function, slots, std::max(step.params, step.results), budget_ms_);
    calls_.Leave();
    wasi_.Flush();
    if (!alive) return Trapped(step.name);
  }
  return {};
}

Result<void> Vm::Configure() {
  const PluginSpec& spec = core_.spec;
  calls_.set_plugin_context_exists();
  if (!Call(Callback::kOnContextCreate, nullptr, nullptr, kRootContextId, 0)) return Trapped(Name(Callback::kOnContextCreate));
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
    if (!Call(step.callback, nullptr, &accepted, kRootContextId, step.bytes)) return Trapped(Name(step.callback));
    if (accepted == 0) {
      return Error{ErrorCode::kRefused,
                   core_.prefix() + std::string(Name(step.callback)) + " returned false: " + std::string(step.remedy)};
    }
  }
  calls_.set_in_vm_start(false);
  return {};
}

void Vm::Shutdown() {
  uint32_t done = 1;
  if (Call(Callback::kOnDone, nullptr, &done, kRootContextId) && Call(Callback::kOnLog, nullptr, nullptr, kRootContextId))
    (void)Call(Callback::kOnDelete, nullptr, nullptr, kRootContextId);
}

}  // namespace weir::proxy_wasm
