#include "engine/world.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "engine/engine_impl.h"

namespace weir::engine {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::string_view kMemory = "memory";
constexpr uint64_t kFarFuel = uint64_t{1} << 62;

/// As wasmtime prints chains of errors.
constexpr std::string_view kCausedBy = "\n\nCaused by:\n", kStack = "\n\nStack backtrace:\n";

/// The last of "    0: first\n    1: last", or the one of "    only"; lines below the first of a cause are indented further.
std::string Innermost(std::string_view causes) {
  size_t start = 0;
  for (size_t at = 0; at < causes.size();) {
    const size_t end = std::min(causes.find('\n', at), causes.size());
    const std::string_view line = causes.substr(at, end - at);
    const size_t digit = line.find_first_not_of(' ');
    const size_t colon = digit == line.npos ? line.npos : line.find_first_not_of("0123456789", digit);
    if (digit != line.npos && digit <= 5 && colon != line.npos && colon > digit && line.substr(colon, 2) == ": ") start = at + colon + 2;
    at = end + 1;
  }
  std::string text;
  for (std::string_view rest = causes.substr(start); !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (text.empty() && start == 0) {
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    } else if (!text.empty()) {
      constexpr size_t kIndent = 7;
      line.remove_prefix(std::min(kIndent, std::min(line.find_first_not_of(' '), line.size())));
      text += '\n';
    }
    text += line;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return text;
}

class InterrupterImpl final : public Interrupter {
 public:
  explicit InterrupterImpl(wasm_engine_t* engine) : engine_(wasmtime_engine_clone(engine)) {}
  void Interrupt() override {
    uint32_t running = kRunning;
    if (state_.compare_exchange_strong(running, kInterrupted)) wasmtime_engine_increment_epoch(engine_.get());
  }
  void Begin() { state_.store(kRunning, std::memory_order_relaxed); }
  void End() { state_.store(kIdle, std::memory_order_relaxed); }
  bool interrupted() const { return state_.load(std::memory_order_relaxed) == kInterrupted; }

 private:
  static constexpr uint32_t kIdle = 0, kRunning = 1, kInterrupted = 2;
  const EnginePtr engine_;  ///< a reference of its own
  std::atomic<uint32_t> state_{kIdle};
};

class WorldImpl final : public World {
 public:
  WorldImpl(const WorldPlan& plan, void* self)
      : plan_(plan), engine_(static_cast<EngineImpl&>(*plan.engine)), store_(wasmtime_store_new(engine_.get(), this, nullptr)),
        context_(wasmtime_store_context(store_.get())), interrupter_(std::make_shared<InterrupterImpl>(engine_.get())) {
    self_ = self;
    budget_.engine = engine_.get();
    wasmtime_store_epoch_deadline_callback(store_.get(), &OnEpoch, this, nullptr);
    wasmtime_context_set_epoch_deadline(context_, 1);
    if (engine_.options().fuel) SetFuel(kFarFuel);
    engine_.ticker().Add(&in_flight_);
  }
  ~WorldImpl() override { engine_.ticker().Remove(&in_flight_); }
  Result<void> Start(std::span<const Preopen> preopens);

  std::optional<Fault> LinkModules() override;
  std::optional<Fault> Instantiate() override;
  std::optional<WorldFunctionRef> Find(std::string_view name) override { return Find(main_, name); }
  WorldFunctionRef Kernel(std::string_view name) override {
    auto function = Find(kernel_, name);
    WEIR_CHECK(function.has_value());
    return *function;
  }
  std::optional<Fault> Call(const WorldFunctionRef& function, std::span<RawValue> slots) override;
  void BeginTimed(std::optional<uint64_t> timeout_ms) override;
  void EndTimed() override;
  std::shared_ptr<Interrupter> interrupter() override { return interrupter_; }
  void SetMemoryBudget(uint64_t bytes) override {
    budget_.limited = true;
    budget_.left_bytes = bytes;
  }
  void SetFuel(uint64_t fuel) override { ErrorPtr(wasmtime_context_set_fuel(context_, fuel)); }
  uint64_t fuel() const override {
    uint64_t fuel = 0;
    ErrorPtr(wasmtime_context_get_fuel(context_, &fuel));
    return fuel;
  }
  std::span<uint8_t> kernel_memory() override {
    return {wasmtime_memory_data(context_, &kernel_memory_), wasmtime_memory_data_size(context_, &kernel_memory_)};
  }

 private:
  static wasmtime_error_t* OnEpoch(wasmtime_context_t*, void* self, uint64_t* delta, wasmtime_update_deadline_kind_t* kind);
  static wasm_trap_t* OnHostCall(void* function, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t) noexcept;
  /// While it lives, memories that the engine makes on this thread are this world's.
  class Making {
   public:
    explicit Making(WorldImpl& world) : maker_(world.engine_.memories()) {
      if (maker_ != nullptr) maker_->SetBudget(&world.budget_);
    }
    ~Making() {
      if (maker_ != nullptr) maker_->SetBudget(nullptr);
    }

   private:
    MemoryMaker* const maker_;
  };
  const wasmtime_module_t* Main() const { return static_cast<const ModuleImpl*>(plan_.modules[plan_.main].module.get())->get(); }
  Result<void> SetWasi(std::span<const Preopen> preopens);
  LinkerPtr NewLinker();
  std::optional<Fault> Define(wasmtime_linker_t* linker, const WorldFunction& function);
  std::optional<Fault> LinkModule(size_t index, std::vector<bool>* linked);
  /// What main imports, found without a linker's maps.
  bool Resolve(const ExternInfo& import, wasmtime_extern_t* item);
  std::optional<WorldFunctionRef> Find(const wasmtime_instance_t& instance, std::string_view name);
  std::optional<Fault> FaultOf(wasmtime_error_t* error, wasm_trap_t* trap);

  const WorldPlan& plan_;
  EngineImpl& engine_;
  const StorePtr store_;
  wasmtime_context_t* const context_;
  const std::shared_ptr<InterrupterImpl> interrupter_;
  MemoryBudget budget_;
  InFlight in_flight_;
  wasmtime_instance_t kernel_{}, main_{};
  wasmtime_memory_t kernel_memory_{};
  LinkerPtr linker_;  ///< made by LinkModules; null: Resolve
  bool timed_ = false, ticking_ = false;
  bool interrupted_ = false;  ///< the callback stopped it
  Clock::time_point deadline_{};
};

Result<void> WorldImpl::Start(std::span<const Preopen> preopens) {
  const Making making(*this);
  wasm_trap_t* trap = nullptr;
  const auto* kernel = static_cast<const ModuleImpl*>(plan_.kernel.get())->get();
  if (auto fault = FaultOf(wasmtime_instance_new(context_, kernel, nullptr, 0, &kernel_, &trap), trap)) {
    return Error{ErrorCode::kLimit, fault->cause};
  }
  wasmtime_extern_t memory;
  WEIR_CHECK(wasmtime_instance_export_get(context_, &kernel_, kMemory.data(), kMemory.size(), &memory));
  kernel_memory_ = memory.of.memory;
  return plan_.wasi ? SetWasi(preopens) : Result<void>();
}

Result<void> WorldImpl::SetWasi(std::span<const Preopen> preopens) {
  wasi_config_t* config = wasi_config_new();
  if (plan_.wasi_output) {
    wasi_config_inherit_stdout(config);
    wasi_config_inherit_stderr(config);
  }
  for (const Preopen& it : preopens) {
    if (wasi_config_preopen_dir(config, it.host_path.c_str(), it.guest_path.c_str(), !it.read_only)) continue;
    wasi_config_delete(config);
    const int fd = open(it.host_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int why = fd < 0 ? errno : EINVAL;
    if (fd >= 0) close(fd);
    return Error{ErrorCode::kIo, std::string(std::strerror(why)) + " (os error " + std::to_string(why) + ")"};
  }
  if (ErrorPtr error{wasmtime_context_set_wasi(context_, config)}) return Error{ErrorCode::kInternal, Message(*error)};
  return {};
}

wasmtime_error_t* WorldImpl::OnEpoch(wasmtime_context_t*, void* self, uint64_t* delta, wasmtime_update_deadline_kind_t* kind) {
  auto& world = *static_cast<WorldImpl*>(self);
  const bool late = world.timed_ && (world.interrupter_->interrupted() || (world.ticking_ && Clock::now() >= world.deadline_));
  if (late) world.interrupted_ = true;
  if (late || world.budget_.exceeded) return wasmtime_error_new(late ? "timeout" : "oom");
  *delta = 1;
  *kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
  return nullptr;
}

void WorldImpl::BeginTimed(std::optional<uint64_t> timeout_ms) {
  constexpr uint64_t kLongest_ms = uint64_t{1} << 40;
  timed_ = true;
  interrupted_ = false;
  interrupter_->Begin();
  ticking_ = timeout_ms.has_value() && *timeout_ms < kLongest_ms;
  if (ticking_) {
    deadline_ = Clock::now() + std::chrono::milliseconds(*timeout_ms);
    engine_.ticker().Begin(in_flight_, static_cast<uint32_t>(std::min<uint64_t>(*timeout_ms, UINT32_MAX)));
  }
  // The callback looks at the clock: at once where there is no time at all.
  wasmtime_context_set_epoch_deadline(context_, ticking_ && *timeout_ms == 0 ? 0 : 1);
}

void WorldImpl::EndTimed() {
  if (ticking_) engine_.ticker().End(in_flight_);
  interrupter_->End();
  timed_ = ticking_ = false;
}

wasm_trap_t* WorldImpl::OnHostCall(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t) noexcept {
  const auto& function = *static_cast<const WorldFunction*>(env);
  auto& world = *static_cast<WorldImpl*>(wasmtime_context_get_data(wasmtime_caller_context(caller)));
  if (function.thunk(world, function.env, reinterpret_cast<RawValue*>(slots))) [[likely]] return nullptr;
  const std::string message = world.TakeHostError();
  return wasmtime_trap_new(message.data(), message.size());
}

std::optional<Fault> WorldImpl::FaultOf(wasmtime_error_t* error, wasm_trap_t* trap) {
  if (error == nullptr && trap == nullptr) [[likely]] return std::nullopt;
  const ErrorPtr error_owner(error);
  const TrapPtr trap_owner(trap);
  Fault fault = SplitMessage(trap != nullptr ? Message(*trap) : Message(*error));
  // Without a code it is an exception that nobody caught.
  wasmtime_trap_code_t code;
  fault.kind = trap != nullptr && wasmtime_trap_code(trap, &code) ? Fault::Kind::kTrap : Fault::Kind::kHost;
  if (error != nullptr && wasmtime_error_exit_status(error, &fault.exit_code)) fault.kind = Fault::Kind::kExit;
  if (interrupted_) fault.kind = Fault::Kind::kInterrupted;
  if (std::exchange(budget_.exceeded, false)) {
    fault.kind = Fault::Kind::kMemoryLimit;
    fault.cause = "oom";
  }
  return fault;
}

std::optional<Fault> WorldImpl::Call(const WorldFunctionRef& function, std::span<RawValue> slots) {
  wasm_trap_t* trap = nullptr;
  wasmtime_error_t* error = wasmtime_func_call_unchecked(context_, reinterpret_cast<const wasmtime_func_t*>(function.handle),
                                                         reinterpret_cast<wasmtime_val_raw_t*>(slots.data()), slots.size(), &trap);
  if (error == nullptr && trap == nullptr && !budget_.exceeded) [[likely]] return std::nullopt;
  // Growing was refused, and the guest came to its end before it was stopped.
  if (error == nullptr && trap == nullptr) error = wasmtime_error_new("oom");
  return FaultOf(error, trap);
}

std::optional<WorldFunctionRef> WorldImpl::Find(const wasmtime_instance_t& instance, std::string_view name) {
  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(context_, &instance, name.data(), name.size(), &item)) return std::nullopt;
  if (item.kind != WASMTIME_EXTERN_FUNC) return std::nullopt;
  const FuncTypePtr type(wasmtime_func_type(context_, &item.of.func));
  WorldFunctionRef function;
  std::memcpy(function.handle, &item.of.func, sizeof function.handle);
  const wasm_valtype_vec_t *params = wasm_functype_params(type.get()), *results = wasm_functype_results(type.get());
  function.params = params->size;
  function.results = results->size;
  function.first_result_i32 = results->size > 0 && wasm_valtype_kind(results->data[0]) == WASM_I32;
  function.all_params_i32 = true;
  for (size_t i = 0; i < params->size; ++i) function.all_params_i32 &= wasm_valtype_kind(params->data[i]) == WASM_I32;
  return function;
}

std::optional<Fault> WorldImpl::Define(wasmtime_linker_t* linker, const WorldFunction& function) {
  const FuncTypePtr type = NewFuncType(function.params, function.results);
  return FaultOf(wasmtime_linker_define_func_unchecked(linker, function.module.data(), function.module.size(), function.name.data(), function.name.size(),
                                                       type.get(), &OnHostCall, const_cast<WorldFunction*>(&function), nullptr),
                 nullptr);
}

std::optional<Fault> WorldImpl::LinkModules() {
  const Making making(*this);
  LinkerPtr linker(wasmtime_linker_new(engine_.get()));
  wasmtime_linker_allow_shadowing(linker.get(), true);
  for (const WorldFunction& function : plan_.env) {
    if (auto fault = Define(linker.get(), function)) return fault;
  }
  wasmtime_error_t* error = wasmtime_linker_define_instance(linker.get(), context_, plan_.kernel_name.data(), plan_.kernel_name.size(), &kernel_);
  if (auto fault = FaultOf(error, nullptr)) return fault;
  if (const std::string& name = plan_.kernel_memory_name; !name.empty()) {
    const wasmtime_extern_t memory{.kind = WASMTIME_EXTERN_MEMORY, .of = {.memory = kernel_memory_}};
    error = wasmtime_linker_define(linker.get(), context_, name.data(), name.size(), kMemory.data(), kMemory.size(), &memory);
    if (auto fault = FaultOf(error, nullptr)) return fault;
  }
  if (plan_.wasi) {
    if (auto fault = FaultOf(wasmtime_linker_define_wasi(linker.get()), nullptr)) return fault;
  }
  for (const WorldFunction& function : plan_.functions) {
    if (auto fault = Define(linker.get(), function)) return fault;
  }
  linker_ = std::move(linker);
  std::vector<bool> linked(plan_.modules.size());
  for (size_t i = 0; i < plan_.modules.size(); ++i) {
    if (auto fault = LinkModule(i, &linked)) return fault;
  }
  return std::nullopt;
}

std::optional<Fault> WorldImpl::LinkModule(size_t index, std::vector<bool>* linked) {
  // Marked first: modules that import from each other end with an unknown import, not with an endless recursion.
  if ((*linked)[index]) return std::nullopt;
  (*linked)[index] = true;
  const WorldPlan::Linked& row = plan_.modules[index];
  for (const ExternInfo& import : row.module->imports()) {
    for (size_t i = 0; i < plan_.modules.size(); ++i) {
      if (plan_.modules[i].name != import.module) continue;
      if (auto fault = LinkModule(i, linked)) return fault;
    }
  }
  return FaultOf(wasmtime_linker_module(linker_.get(), context_, row.name.data(), row.name.size(), static_cast<const ModuleImpl*>(row.module.get())->get()),
                 nullptr);
}

bool WorldImpl::Resolve(const ExternInfo& import, wasmtime_extern_t* item) {
  const auto define = [&](const std::vector<WorldFunction>& rows) {
    for (size_t i = rows.size(); i-- > 0;) {  // the last of a name counts
      const WorldFunction& row = rows[i];
      if (row.name != import.name || row.module != import.module) continue;
      const FuncTypePtr type = NewFuncType(row.params, row.results);
      item->kind = WASMTIME_EXTERN_FUNC;
      wasmtime_func_new_unchecked(context_, type.get(), &OnHostCall, const_cast<WorldFunction*>(&row), nullptr, &item->of.func);
      return true;
    }
    return false;
  };
  if (define(plan_.functions)) return true;
  if (!plan_.kernel_memory_name.empty() && import.module == plan_.kernel_memory_name && import.name == kMemory) {
    *item = {.kind = WASMTIME_EXTERN_MEMORY, .of = {.memory = kernel_memory_}};
    return true;
  }
  if (import.module != plan_.kernel_name) return false;
  return wasmtime_instance_export_get(context_, &kernel_, import.name.data(), import.name.size(), item) || define(plan_.env);
}

std::optional<Fault> WorldImpl::Instantiate() {
  const Making making(*this);
  wasm_trap_t* trap = nullptr;
  if (linker_ != nullptr) return FaultOf(wasmtime_linker_instantiate(linker_.get(), context_, Main(), &main_, &trap), trap);
  const auto imports = plan_.modules[plan_.main].module->imports();
  std::vector<wasmtime_extern_t> items(imports.size());
  LinkerPtr wasi;
  for (size_t i = 0; i < imports.size(); ++i) {
    if (Resolve(imports[i], &items[i])) continue;
    if (plan_.wasi && wasi == nullptr) {
      wasi.reset(wasmtime_linker_new(engine_.get()));
      if (auto fault = FaultOf(wasmtime_linker_define_wasi(wasi.get()), nullptr)) return fault;
    }
    const ExternInfo& it = imports[i];
    if (wasi == nullptr || !wasmtime_linker_get(wasi.get(), context_, it.module.data(), it.module.size(), it.name.data(), it.name.size(), &items[i])) {
      const std::string text = "unknown import: `" + it.module + "::" + it.name + "` has not been defined";
      return Fault{.message = text, .cause = text};
    }
  }
  return FaultOf(wasmtime_instance_new(context_, Main(), items.data(), items.size(), &main_, &trap), trap);
}

}  // namespace

Result<std::unique_ptr<World>> World::Create(const WorldPlan& plan, void* self, std::span<const Preopen> preopens) {
  auto world = std::make_unique<WorldImpl>(plan, self);
  WEIR_TRY_VOID(world->Start(preopens));
  return std::unique_ptr<World>(std::move(world));
}

Fault SplitMessage(std::string_view text) {
  text = text.substr(0, text.find(kStack));
  const size_t at = text.find(kCausedBy);
  Fault fault;
  fault.message = text.substr(0, at);
  fault.cause = at == text.npos ? fault.message : Innermost(text.substr(at + kCausedBy.size()));
  return fault;
}

Result<Engine::Loaded> LoadRewritten(Engine& engine, std::string_view wasm, std::string_view name, const CodeCache& cache, std::string_view rewrite_id,
                                     const std::function<std::optional<std::string>(std::string_view wasm)>& rewrite) {
  return static_cast<EngineImpl&>(engine).Load(wasm, name, cache, {rewrite_id, rewrite});
}

std::optional<Fault> CompileFault(Engine& engine, std::string_view wasm) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(wasm.data());
  wasmtime_module_t* module = nullptr;
  if (ErrorPtr error{wasmtime_module_new(static_cast<EngineImpl&>(engine).get(), bytes, wasm.size(), &module)}) return SplitMessage(Message(*error));
  ModulePtr{module};
  return std::nullopt;
}

}  // namespace weir::engine
