#include "extism/plugin.h"

#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "extism/utf8.h"

namespace weir::extism {
namespace {

constexpr int32_t kAborted = 134;  // as a shell shows SIGABRT: a trap of the guest
constexpr const char* kReentrant = "cannot make reentrant calls into plugin";
constexpr std::string_view kStart = "_start";

std::array<uint8_t, 16> NewId() {
  std::array<uint8_t, 16> id{};
  // Cannot be interrupted for so few bytes.
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) id.fill(0);
  id[6] = static_cast<uint8_t>((id[6] & 0x0f) | 0x40);  // version 4 [RFC 9562, 5.4]
  id[8] = static_cast<uint8_t>((id[8] & 0x3f) | 0x80);
  return id;
}

std::string Arguments(size_t count) { return "expected " + std::to_string(count) + " arguments, got 0"; }

}  // namespace

/// The world changes when a plugin is reset; the handle stays.
class PluginImpl::CancelCell final : public CancelHandle {
 public:
  void Set(std::shared_ptr<engine::Interrupter> interrupter) {
    std::lock_guard lock(mutex_);
    interrupter_ = std::move(interrupter);
  }
  void Cancel() override {
    std::lock_guard lock(mutex_);
    if (interrupter_ != nullptr) interrupter_->Interrupt();
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<engine::Interrupter> interrupter_;
};

PluginImpl::PluginImpl(std::shared_ptr<CompiledImpl> compiled) : compiled_(std::move(compiled)), id_(NewId()), cancel_(std::make_shared<CancelCell>()) {
  for (const auto& [key, value] : manifest().config) config.insert_or_assign(key, value);
  if (options().http_response_headers) http_headers_.emplace();
}

std::optional<Failure> PluginImpl::NewWorld() {
  auto world = engine::World::Create(compiled_->plan(), this, compiled_->preopens());
  if (!world) return Failure(world.error().message);
  world_ = *std::move(world);
  alloc_ = world_->Kernel("alloc");
  free_ = world_->Kernel("free");
  length_ = world_->Kernel("length");
  if (options().fuel) world_->SetFuel(*options().fuel);
  return std::nullopt;
}

std::optional<Failure> PluginImpl::Link() {
  functions_.clear();
  instantiated_ = false;
  if (auto failure = NewWorld()) return failure;
  // The reference's kernel cannot even be instantiated.
  if (options().fuel == uint64_t{0}) return Failure("error while executing at wasm backtrace:", "wasm trap: all fuel consumed by WebAssembly");
  if (auto failure = compiled_->UnknownEnvImport()) return failure;
  if (compiled_->quiet()) {
    if (auto failure = compiled_->QuietLink(this)) return failure;
  } else {
    if (const auto fault = world_->LinkModules()) return Failure::Of(*fault);
    // Main's first instance has done its part, and where no other module shares it nobody sees it again: a new world has its room.
    if (compiled_->alone()) {
      world_.reset();
      if (auto failure = NewWorld()) return failure;
    }
  }
  static_cast<CancelCell*>(cancel_.get())->Set(world_->interrupter());
  if (const auto budget = compiled_->memory_budget_bytes()) world_->SetMemoryBudget(*budget);
  return std::nullopt;
}

// ---- a call

Outcome PluginImpl::CallRaw(std::string_view function, const Input& input, const CallOptions& options) {
  Outcome outcome;
  if (calling_) {
    outcome.failed = true;
    outcome.error = outcome.cause = kReentrant;
    return outcome;
  }
  calling_ = true;
  auto stop = Prepare();
  host_context_ = options.host_context;
  if (!stop) stop = SetInput(input);
  if (!stop) stop = Run(function, &outcome.code);
  host_context_ = nullptr;
  calling_ = false;
  if (stop) {
    outcome.failed = true;
    outcome.code = stop->code;
    outcome.input_error = stop->input_error;
    outcome.error = std::move(stop->failure.message);
    outcome.cause = std::move(stop->failure.cause);
  }
  if (const auto bytes = memory_view().Bytes(output_.offset, output_.length)) {
    outcome.output = {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
  }
  return outcome;
}

Result<void> PluginImpl::Instantiate() {
  if (calling_) return Error{ErrorCode::kInvalidArgument, kReentrant};
  calling_ = true;
  const auto stop = Prepare();
  calling_ = false;
  return stop ? Result<void>(Error{ErrorCode::kTrapped, stop->failure.message}) : Result<void>();
}

std::optional<PluginImpl::Stop> PluginImpl::Prepare() {
  if (options().fuel) world_->SetFuel(*options().fuel);
  if (store_is_stale_) {
    // All state goes, but for the configuration.
    vars.clear();
    http_status = 0;
    if (http_headers_) http_headers_->clear();
    if (auto failure = Link()) return Stop{*std::move(failure)};
    store_is_stale_ = broken_ = false;
  }
  return instantiated_ ? std::nullopt : NewInstance();
}

std::optional<PluginImpl::Stop> PluginImpl::NewInstance() {
  broken_ = true;  // until it is done
  // Copying a module's data takes fuel where Wasmtime cannot map it; nobody's call pays for that.
  const bool runs_nothing = options().fuel && !compiled_->main_starts();
  const uint64_t fuel = runs_nothing ? world_->fuel() : 0;
  if (runs_nothing) world_->SetFuel(UINT64_MAX / 2);
  const auto fault = world_->Instantiate();
  if (runs_nothing) world_->SetFuel(fuel);
  if (fault) {
    if (fault->kind == engine::Fault::Kind::kMemoryLimit) return Stop{Failure("oom")};
    return Stop{Failure::Of(*fault)};
  }
  instantiated_ = true;
  if (const auto budget = compiled_->memory_budget_bytes()) world_->SetMemoryBudget(*budget);
  if (auto failure = InitializeRuntime()) return Stop{*std::move(failure)};
  broken_ = false;
  return std::nullopt;
}

std::optional<Failure> PluginImpl::InitializeRuntime() {
  const auto initialize = world_->Find("_initialize");
  const auto plain = [](const auto& function) { return function && function->params == 0 && function->results == 0; };
  if (const auto init = world_->Find("hs_init")) {
    if (plain(initialize)) {
      if (auto failure = Initialize(*initialize, "failed to initialize Haskell reactor runtime")) return failure;
    }
    return Initialize(*init, "failed to initialize Haskell using hs_init");
  }
  if (const auto constructors = world_->Find("__wasm_call_ctors")) {
    return plain(constructors) ? Initialize(*constructors, "failed to initialize wasi runtime") : std::nullopt;
  }
  return plain(initialize) ? Initialize(*initialize, "failed to initialize wasi runtime") : std::nullopt;
}

std::optional<Failure> PluginImpl::Initialize(const engine::WorldFunctionRef& function, const char* context) {
  constexpr size_t kHsInitParams = 2;
  const bool hs_init = function.params != 0;
  if (hs_init && (function.params != kHsInitParams || !function.all_params_i32)) {
    return Failure(context, function.params != kHsInitParams ? "expected " + std::to_string(function.params) + " arguments, got 2" : "argument type mismatch");
  }
  std::vector<engine::RawValue> slots(std::max<size_t>({kHsInitParams, function.results, 1}));
  const auto fault = world_->Call(function, slots);
  if (!fault) return std::nullopt;
  if (OutOfFuel()) return Failure(kNoFuel);
  return Failure(context, fault->cause);
}

std::optional<PluginImpl::Stop> PluginImpl::Run(std::string_view name, int32_t* code) {
  auto found = functions_.find(name);
  if (found == functions_.end()) {
    const auto function = world_->Find(name);
    if (!function) return Stop{Failure("Function not found: " + std::string(name))};
    found = functions_.emplace(std::string(name), *function).first;
  }
  const engine::WorldFunctionRef& function = found->second;
  if (function.results > 1) {
    return Stop{Failure("Function " + std::string(name) + " has " + std::to_string(function.results) + " results, expected 0 or 1")};
  }
  engine::RawValue slot{};
  std::optional<engine::Fault> fault;
  if (function.params != 0) {
    const std::string text = Arguments(function.params);
    fault = engine::Fault{.message = text, .cause = text};
  } else {
    if (manifest().limits.timeout_ms) started_ = std::chrono::steady_clock::now();
    world_->BeginTimed(manifest().limits.timeout_ms);
    fault = world_->Call(function, {&slot, 1});
    world_->EndTimed();
    broken_ |= fault || OutOfFuel();
  }
  store_is_stale_ = name == kStart;
  const bool ran = !fault;
  auto stop = Judge(std::move(fault));
  // A guest that set an error may still have returned 0.
  *code = !ran ? -1 : function.results == 0 ? 0 : function.first_result_i32 ? static_cast<int32_t>(slot.i32) : -1;
  if (stop && ran && stop->code == 0) stop->code = *code;
  if (!ran && !stop) *code = 0;  // proc_exit(0)
  return stop;
}

std::optional<PluginImpl::Stop> PluginImpl::Judge(std::optional<engine::Fault> fault) {
  using Kind = engine::Fault::Kind;
  if (OutOfFuel()) return Stop{Failure(kNoFuel)};
  const KernelMemory kernel = memory_view();
  output_ = kernel.output();
  if (!kernel.Bytes(output_.offset, output_.length)) output_ = {};
  error_ = kernel.error();
  const uint64_t error_length = error_ == 0 ? 0 : Length(error_);
  if (error_ != 0 && error_length != 0) {
    const auto text = Text(error_);
    const auto bad = text ? Utf8Fault(*text) : std::optional<std::string>("it is outside of memory");
    const int32_t code = fault ? -1 : 0;  // 0: what the function returned
    if (bad) return Stop{Failure("unable to load error message from memory: " + *bad), code};
    if (fault) return Stop{Failure(fault->message, std::string(*text)), code};
    return Stop{Failure(std::string(*text)), code};
  }
  if (!fault) return std::nullopt;
  switch (fault->kind) {
    case Kind::kExit:
      if (fault->exit_code == 0) return std::nullopt;
      return Stop{Failure::Of(*fault), fault->exit_code};
    case Kind::kInterrupted: return Stop{Failure("timeout"), kAborted};
    case Kind::kMemoryLimit: return Stop{Failure("oom")};
    case Kind::kTrap: return Stop{Failure::Of(*fault), kAborted};
    case Kind::kHost: break;
  }
  if (fault->cause == "oom") return Stop{Failure("oom")};
  return Stop{Failure::Of(*fault)};
}

// ---- what it tells

std::optional<std::string> PluginImpl::GuestError() {
  if (error_ == 0) return std::nullopt;
  const auto text = Text(error_);
  return text ? std::string(*text) : std::string();
}

void PluginImpl::SetConfig(std::string_view key, std::optional<std::string_view> value) {
  if (value) {
    config.insert_or_assign(std::string(key), std::string(*value));
  } else if (const auto row = config.find(key); row != config.end()) {
    config.erase(row);
  }
}

std::optional<uint64_t> PluginImpl::fuel_consumed() const {
  if (!options().fuel) return std::nullopt;
  const uint64_t left = world_->fuel();
  return *options().fuel > left ? *options().fuel - left : 0;
}

std::string PluginImpl::id_text() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < id_.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[id_[i] >> 4];
    text += kDigits[id_[i] & 0xf];
  }
  return text;
}

std::optional<uint64_t> PluginImpl::time_left_ms() const {
  const auto& timeout = manifest().limits.timeout_ms;
  if (!timeout) return std::nullopt;
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_).count();
  return static_cast<uint64_t>(passed) >= *timeout ? 0 : *timeout - static_cast<uint64_t>(passed);
}

// ---- the kernel, for host functions

uint64_t PluginImpl::CallKernel(const engine::WorldFunctionRef& function, uint64_t argument) {
  engine::RawValue slot{.i64 = argument};
  const auto fault = world_->Call(function, {&slot, 1});
  kernel_fault_ = fault ? fault->cause : "";
  return fault ? 0 : slot.i64;
}

uint64_t PluginImpl::Alloc(uint64_t bytes) { return CallKernel(alloc_, bytes); }
void PluginImpl::Free(uint64_t handle) { CallKernel(free_, handle); }
uint64_t PluginImpl::Length(uint64_t handle) { return CallKernel(length_, handle); }

std::optional<std::span<uint8_t>> PluginImpl::Block(uint64_t handle) {
  if (handle == 0) return std::span<uint8_t>();
  const uint64_t length = Length(handle);
  return length == 0 ? std::nullopt : memory_view().Bytes(handle, length);
}

}  // namespace weir::extism
