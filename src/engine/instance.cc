#include "engine/instance.h"

#include <utility>

#include "base/check.h"
#include "engine/handover.h"
#include "engine/linked_impl.h"
#include "engine/trap_text.h"

namespace weir::engine {
namespace {

static_assert(sizeof(RawValue) == sizeof(wasmtime_val_raw_t) && alignof(RawValue) == alignof(wasmtime_val_raw_t));
static_assert(sizeof(Function::handle) == sizeof(wasmtime_func_t));

constexpr uint64_t kEndlessFuel = uint64_t{1} << 62;
constexpr uint64_t kEndlessTicks = uint64_t{1} << 40;
constexpr std::string_view kMemory = "memory";

class InstanceImpl : public Instance {
 public:
  InstanceImpl(LinkedImpl& linked, void* self, const InstanceLimits& limits);
  ~InstanceImpl() override {
    ticker_.Remove(&in_flight_);
    MemoryGivenBack();
  }
  Result<void> Start(uint32_t start_ms);

  uint64_t MemoryBytes() override;
  Result<Function> Find(std::string_view name, std::span<const ValType> params, std::span<const ValType> results) override;
  bool Exports(std::string_view name) const override;
  bool Call(const Function& function, RawValue* slots, size_t count, uint32_t budget_ms) override;
  bool CallNested(const Function& function, RawValue* slots, size_t count) override;
  uint32_t depth() const override { return depth_; }
  void SetFuel(uint64_t fuel) override;
  uint64_t fuel() const override;

  /// `call(import)` is import.thunk, or what is in its place.
  template <class Call>
  wasm_trap_t* HostCall(const HostImport& import, wasmtime_caller_t* caller, Call call);
  Observer* observer() const { return linked_.observer(); }

 private:
  static wasmtime_error_t* OnEpoch(wasmtime_context_t*, void* self, uint64_t* delta, wasmtime_update_deadline_kind_t* kind);
  [[gnu::always_inline]] inline void Begin(uint32_t budget_ms);
  /// Sets the epoch deadline of a call with a budget.
  [[gnu::noinline]] void Arm(uint64_t ticks);
  void End();
  /// Looks at the CPU clock; true: the budget is used, and trap_ says so.
  bool OverBudget();
  /// The common half of Call and CallNested.
  [[gnu::always_inline]] inline bool Enter(const Function& function, RawValue* slots, size_t count);
  /// Takes what a failed call gave (one of both); the first failure is the one that counts.
  void Fail(ErrorPtr error, TrapPtr trap);
  [[gnu::cold]] void Failed(wasmtime_error_t* error, wasm_trap_t* trap);
  /// Why a host call unwinds the guest.
  [[gnu::cold]] wasm_trap_t* Unwind(const HostImport& import);
  Error StartError(ErrorPtr error, TrapPtr trap);
  void TakeMemory(const wasmtime_extern_t& item);

  LinkedImpl& linked_;
  Ticker& ticker_;
  const InstanceLimits limits_;
  StorePtr store_;
  wasmtime_context_t* context_;
  wasmtime_instance_t instance_{};
  wasmtime_memory_t wasm_memory_{};
  bool has_memory_ = false;    ///< memory_ is of wasm_memory_; its base never moves (SetMemory in engine.cc)
  bool instantiated_ = false;  ///< before, exports are only known to the caller of a host function
  uint32_t depth_ = 0;
  uint32_t budget_ms_ = 0;   ///< of the call in progress; 0: none
  uint64_t began_ns_ = 0;    ///< CPU time at the first look at the clock, never before the call began; 0: none yet
  uint64_t seen_ticks_ = 0;  ///< of the ticker, at the last look at the clock
  bool armed_ = false;       ///< the epoch deadline is one tick after seen_ticks_, or is past
  InFlight in_flight_;
};

InstanceImpl::InstanceImpl(LinkedImpl& linked, void* self, const InstanceLimits& limits)
    : linked_(linked), ticker_(linked.engine().ticker()), limits_(limits),
      store_(wasmtime_store_new(linked.engine().get(), this, nullptr)), context_(wasmtime_store_context(store_.get())) {
  self_ = self;
  wasmtime_store_limiter(store_.get(), static_cast<int64_t>(limits.memory_bytes), static_cast<int64_t>(limits.table_elements),
                         /*instances=*/1, /*tables=*/-1, /*memories=*/1);
  wasmtime_store_epoch_deadline_callback(store_.get(), &OnEpoch, this, nullptr);
  if (linked.engine().options().fuel) SetFuel(kEndlessFuel);
  ticker_.Add(&in_flight_);
}

Result<void> InstanceImpl::Start(uint32_t start_ms) {
  wasm_trap_t* trap = nullptr;
  Begin(start_ms);
  depth_ = 1;
  wasmtime_error_t* error = wasmtime_instance_pre_instantiate(linked_.get(), context_, &instance_, &trap);
  depth_ = 0;
  End();
  if (error != nullptr || trap != nullptr) return StartError(ErrorPtr(error), TrapPtr(trap));
  instantiated_ = true;
  wasmtime_extern_t memory;
  if (wasmtime_instance_export_get(context_, &instance_, kMemory.data(), kMemory.size(), &memory)) TakeMemory(memory);
  return {};
}

uint64_t InstanceImpl::MemoryBytes() { return wasmtime_memory_data_size(context_, &wasm_memory_); }

void InstanceImpl::TakeMemory(const wasmtime_extern_t& item) {
  if (item.kind != WASMTIME_EXTERN_MEMORY) return;
  MemoryTaken();
  wasm_memory_ = item.of.memory;
  memory_ = GuestMemory(wasmtime_memory_data(context_, &wasm_memory_), MemoryBytes(), this);
  has_memory_ = true;
}

Result<Function> InstanceImpl::Find(std::string_view name, std::span<const ValType> params, std::span<const ValType> results) {
  wasmtime_extern_t item;
  Function function;
  if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &item)) return function;
  if (item.kind != WASMTIME_EXTERN_FUNC) {
    return Error{ErrorCode::kLinkFailed, linked_.module().name() + ": export " + std::string(name) + ": is no function"};
  }
  const FuncTypePtr type(wasmtime_func_type(context_, &item.of.func));
  if (!SameType(*type, params, results)) {
    return Error{ErrorCode::kLinkFailed, linked_.module().name() + ": export " + std::string(name) + ": is " + Signature(*type) +
                                             ", must be " + Signature(params, results)};
  }
  std::memcpy(function.handle, &item.of.func, sizeof function.handle);
  function.exists = true;
  return function;
}

bool InstanceImpl::Exports(std::string_view name) const { return linked_.module().exports_function(name); }

void InstanceImpl::Begin(uint32_t budget_ms) {
  budget_ms_ = budget_ms;
  if (budget_ms == 0) {
    wasmtime_context_set_epoch_deadline(context_, kEndlessTicks);
    armed_ = false;
    return;
  }
  began_ns_ = 0;
  // Between two ticks the deadline that the call before had set is still the next one.
  if (const uint64_t ticks = ticker_.ticks(); !armed_ || ticks != seen_ticks_) {
    Arm(ticks);
  }
  ticker_.Begin(in_flight_, budget_ms);
}

void InstanceImpl::Arm(uint64_t ticks) {
  seen_ticks_ = ticks;
  wasmtime_context_set_epoch_deadline(context_, 1);
  armed_ = true;
}

void InstanceImpl::End() {
  if (budget_ms_ != 0) ticker_.End(in_flight_);
}

bool InstanceImpl::OverBudget() {
  seen_ticks_ = ticker_.ticks();
  if (budget_ms_ == 0) return false;
  const uint64_t now_ns = ThreadCpuNs();
  if (began_ns_ == 0) {
    // The ticker noted the clock when it first saw this call: earlier than now if a host function ran since.
    const bool sampled = ticker_.ClockIsOurs(in_flight_) && in_flight_.sample_serial.load(std::memory_order_acquire) ==
                                                                in_flight_.serial.load(std::memory_order_relaxed);
    began_ns_ = sampled ? in_flight_.sample_ns.load(std::memory_order_relaxed) : now_ns;
  }
  if (now_ns < began_ns_ + budget_ms_ * uint64_t{1'000'000}) return false;
  trap_ = {.kind = Trap::Kind::kDeadline, .message = "used its " + std::to_string(budget_ms_) + " ms of CPU time"};
  return true;
}

wasmtime_error_t* InstanceImpl::OnEpoch(wasmtime_context_t*, void* self, uint64_t* delta, wasmtime_update_deadline_kind_t* kind) {
  if (static_cast<InstanceImpl*>(self)->OverBudget()) return wasmtime_error_new("deadline");
  *delta = 1;
  *kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
  return nullptr;
}

bool InstanceImpl::Enter(const Function& function, RawValue* slots, size_t count) {
  wasm_trap_t* trap = nullptr;
  ++depth_;
  wasmtime_error_t* error =
      wasmtime_func_call_unchecked(context_, reinterpret_cast<const wasmtime_func_t*>(function.handle),
                                   reinterpret_cast<wasmtime_val_raw_t*>(slots), count, &trap);
  --depth_;
  if (error == nullptr && trap == nullptr) [[likely]] return true;
  Failed(error, trap);
  return false;
}

void InstanceImpl::Failed(wasmtime_error_t* error, wasm_trap_t* trap) { Fail(ErrorPtr(error), TrapPtr(trap)); }

bool InstanceImpl::Call(const Function& function, RawValue* slots, size_t count, uint32_t budget_ms) {
  WEIR_CHECK(depth_ == 0 && function.exists);
  if (!alive_) return false;
  Begin(budget_ms);
  const bool ok = Enter(function, slots, count);
  End();
  return ok;
}

bool InstanceImpl::CallNested(const Function& function, RawValue* slots, size_t count) {
  WEIR_CHECK(depth_ > 0 && function.exists);
  return alive_ && Enter(function, slots, count);
}

template <class ThunkCall>
wasm_trap_t* InstanceImpl::HostCall(const HostImport& import, wasmtime_caller_t* caller, ThunkCall call) {
  if (!instantiated_ && !has_memory_) [[unlikely]] {  // a start function calls
    wasmtime_extern_t memory;
    if (wasmtime_caller_export_get(caller, kMemory.data(), kMemory.size(), &memory)) TakeMemory(memory);
  }
  const HostOutcome outcome = call(import);
  if (outcome == HostOutcome::kReturn && alive_ && (ticker_.ticks() == seen_ticks_ || !OverBudget())) [[likely]] return nullptr;
  return Unwind(import);
}

wasm_trap_t* InstanceImpl::Unwind(const HostImport& import) {
  // What the guest's failure is stands in trap_; this one only unwinds it.
  if (trap_.message.empty()) trap_ = {.kind = Trap::Kind::kHost, .message = std::string(import.name) + " failed"};
  return wasmtime_trap_new_code(WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED);
}

void InstanceImpl::Fail(ErrorPtr error, TrapPtr trap) {
  if (!alive_) return;  // the outer call of one that failed
  alive_ = false;
  if (!trap_.message.empty()) {  // said by a host function or the deadline
    if (trap_.backtrace.empty()) trap_.backtrace = BacktraceOf(trap != nullptr ? Message(*trap) : Message(*error));
  } else if (trap != nullptr) {
    trap_ = DecodeTrap(*trap);
  } else {
    trap_ = {.kind = Trap::Kind::kHost, .message = OneLine(Message(*error))};
  }
  // A guest without memory panics, exits or collects garbage until its time is up.
  const bool may_be_memory = trap_.kind == Trap::Kind::kGuest || trap_.kind == Trap::Kind::kDeadline ||
                             (trap_.kind == Trap::Kind::kExit && trap_.exit_code != 0);
  if (may_be_memory) trap_.message += MemoryNote(memory().size(), limits_.memory_bytes);
}

Error InstanceImpl::StartError(ErrorPtr error, TrapPtr trap) {
  const std::string name = linked_.module().name();
  const bool ran = trap != nullptr || !trap_.message.empty();
  if (!ran) {
    // Not the guest's code: no slot, or more memory or table wanted than it may have.
    const std::string why = OneLine(Message(*error));
    constexpr std::string_view kTooLarge = "memory minimum size of ";
    if (const size_t at = why.find(kTooLarge); at != why.npos) {
      const std::string pages = why.substr(at + kTooLarge.size(), why.find(' ', at + kTooLarge.size()) - at - kTooLarge.size());
      return {ErrorCode::kLimit, name + ": its memory begins with " + pages + " pages of 64 KiB, more than its limit of " +
                                     Bytes(limits_.memory_bytes) + "; raise the limit"};
    }
    const bool no_space = why.find("mmap failed") != why.npos;
    return {ErrorCode::kLimit, name + ": no instance: " + why +
                                   (no_space ? "; an instance reserves 4 GiB of address space (ulimit -v)" : "")};
  }
  Fail(std::move(error), std::move(trap));
  return {ErrorCode::kTrapped, name + ": its start function failed: " + trap_.message +
                                   (trap_.backtrace.empty() ? "" : "\n" + trap_.backtrace)};
}

void InstanceImpl::SetFuel(uint64_t fuel) { ErrorPtr(wasmtime_context_set_fuel(context_, fuel)); }

uint64_t InstanceImpl::fuel() const {
  uint64_t fuel = 0;
  ErrorPtr(wasmtime_context_get_fuel(context_, &fuel));
  return fuel;
}

/// Tells the observer of calls from the host.
class ObservedInstance final : public InstanceImpl {
 public:
  using InstanceImpl::InstanceImpl;
  Result<Function> Find(std::string_view name, std::span<const ValType> params, std::span<const ValType> results) override {
    auto function = InstanceImpl::Find(name, params, results);
    if (function && function->exists) {
      function->observed = static_cast<uint32_t>(names_.size());
      names_.emplace_back(name);
    }
    return function;
  }
  bool Call(const Function& function, RawValue* slots, size_t count, uint32_t budget_ms) override {
    const std::string& name = names_[function.observed];
    observer()->OnCall(*this, name, {slots, count});
    const bool ok = InstanceImpl::Call(function, slots, count, budget_ms);
    observer()->OnReturn(*this, name, slots[0], ok);
    return ok;
  }

 private:
  std::vector<std::string> names_;  ///< that were found
};

InstanceImpl& InstanceOf(wasmtime_caller_t* caller) {
  return *static_cast<InstanceImpl*>(wasmtime_context_get_data(wasmtime_caller_context(caller)));
}

}  // namespace

wasm_trap_t* OnHostCall(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t) noexcept {
  InstanceImpl& instance = InstanceOf(caller);
  auto* values = reinterpret_cast<RawValue*>(slots);
  return instance.HostCall(*static_cast<const HostImport*>(env), caller,
                           [&](const HostImport& import) { return import.thunk(instance, instance.self(), values); });
}

wasm_trap_t* OnObservedHostCall(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t) noexcept {
  InstanceImpl& instance = InstanceOf(caller);
  auto* values = reinterpret_cast<RawValue*>(slots);
  return instance.HostCall(*static_cast<const HostImport*>(env), caller,
                           [&](const HostImport& import) { return instance.observer()->OnHostCall(import, instance, values); });
}

Result<std::unique_ptr<Instance>> Instance::Create(Linked& linked, void* self, const InstanceLimits& limits, uint32_t start_ms) {
  auto& impl = static_cast<LinkedImpl&>(linked);
  std::unique_ptr<InstanceImpl> instance;
  if (impl.observer() != nullptr) {
    instance = std::make_unique<ObservedInstance>(impl, self, limits);
  } else {
    instance = std::make_unique<InstanceImpl>(impl, self, limits);
  }
  WEIR_TRY_VOID(instance->Start(start_ms));
  return std::unique_ptr<Instance>(std::move(instance));
}

Result<std::string> WatToWasm(std::string_view wat) {
  wasm_byte_vec_t bytes;
  if (ErrorPtr error{wasmtime_wat2wasm(wat.data(), wat.size(), &bytes)}) {
    return Error{ErrorCode::kInvalidModule, Message(*error)};
  }
  return Take(&bytes);
}

}  // namespace weir::engine
