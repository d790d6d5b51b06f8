#include "proxy_wasm/witnessed.h"

#include <time.h>

#include <deque>
#include <string>
#include <vector>

#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/context.h"
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/host_functions.h"
#include "wasi/host_functions.h"
#include "wasi/types.h"

namespace weir::proxy_wasm {
namespace {

using abi::Param;
using abi::Role;
using engine::GuestMemory;
using engine::HostOutcome;
using engine::RawValue;

constexpr size_t kGatheredMax = 64 << 10;  // bytes of one fd_write that are told

// ---- what numbers stand for, by the name of the argument ---------------------------------------------------------------
constexpr std::string_view kMaps[] = {"request_headers", "request_trailers", "response_headers", "response_trailers", "grpc_call_initial_metadata",
                                      "grpc_call_trailing_metadata", "http_call_response_headers", "http_call_response_trailers"};
constexpr std::string_view kBuffers[] = {"request_body", "response_body", "downstream_data", "upstream_data", "http_call_response_body", "grpc_call_message",
                                         "vm_configuration", "plugin_configuration", "foreign_function_arguments"};
constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "critical"};
constexpr std::string_view kStreams[] = {"request", "response", "downstream", "upstream"};
constexpr std::string_view kMetrics[] = {"counter", "gauge", "histogram"};
constexpr std::string_view kPeers[] = {"unknown", "local", "remote"};
static_assert(std::size(kMaps) == kMapTypes && std::size(kBuffers) == kBufferTypes && std::size(kLevels) == kLogLevels);
static_assert(std::size(kStreams) == kStreamTypes && std::size(kMetrics) == kMetricTypes);

struct Symbols {
  std::string_view argument;
  std::span<const std::string_view> names;
};
constexpr Symbols kSymbols[] = {{"map_id", kMaps}, {"buffer_id", kBuffers}, {"log_level", kLevels}, {"stream_type", kStreams}, {"metric_type", kMetrics}, {"peer_type", kPeers}};

std::string_view SymbolOf(std::string_view argument, int64_t number) {
  for (const Symbols& row : kSymbols)
    if (row.argument == argument && number >= 0 && uint64_t(number) < row.names.size()) return row.names[size_t(number)];
  return {};
}

CrossedValue Number(std::string_view name, int64_t number) { return {name, number, SymbolOf(name, number)}; }

std::string_view Without(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  return name;
}

uint64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

const abi::HostFunction* RowOf(const engine::HostImport& import) {
  const auto rows = import.module == kModule ? HostFunctions() : wasi::HostFunctions(import.module);
  for (const abi::HostFunction& row : rows)
    if (row.name == import.name && (row.thunk == import.thunk || row.refused == import.thunk)) return &row;
  return nullptr;
}

/// The values of one call. Bytes are copied: the call may write over them.
class Values {
 public:
  Values(const abi::HostFunction& row, const GuestMemory& memory, const RawValue* slots)
      : row_(row), memory_(memory), slots_(slots, slots + row.params.size()) {}

  std::vector<CrossedValue> Arguments() {
    std::vector<CrossedValue> values;
    for (size_t i = 0; i < row_.params.size(); ++i) {
      const Param& param = row_.params[i];
      if (param.role == Role::kReturn) continue;
      if (param.role == Role::kData) {
        values.push_back(Data(param, i));
        ++i;
      } else if (param.role != Role::kBuffer) {  // of a buffer its size, which follows, is what is asked for
        values.push_back(Number(row_.args[i], Plain(i)));
      }
    }
    return values;
  }

  std::vector<CrossedValue> Outputs() {
    std::vector<CrossedValue> values;
    for (size_t i = 0; i < row_.params.size(); ++i) {
      if (row_.params[i].role != Role::kReturn) continue;
      const std::string_view name = Without(row_.args[i], "return_", "_data");
      const bool bytes = row_.args[i].ends_with("_data") && i + 1 < row_.params.size();
      uint32_t at = 0, size = 0;
      uint64_t wide = 0;
      if (bytes && memory_.Load(slots_[i].i32, &at) && memory_.Load(slots_[i + 1].i32, &size)) {
        ++i;
        values.push_back({name, Kept(memory_.View(at, size).value_or(std::string_view())), {}});
      } else if (row_.params[i].bytes == sizeof wide && memory_.Load(slots_[i].i32, &wide)) {
        values.push_back(Number(name, int64_t(wide)));
      } else if (row_.params[i].bytes == sizeof size && memory_.Load(slots_[i].i32, &size)) {
        values.push_back(Number(name, size));
      }
    }
    return values;
  }

 private:
  int64_t Plain(size_t i) const {
    if (row_.params[i].type == engine::ValType::kI64) return int64_t(slots_[i].i64);
    return row_.args[i] == "grpc_status" ? int64_t(int32_t(slots_[i].i32)) : int64_t(slots_[i].i32);
  }
  CrossedValue Data(const Param& param, size_t i) {
    const std::string_view name = Without(row_.args[i], "", "_data");
    const uint64_t at = slots_[i].i32, count = slots_[i + 1].i32;
    if (param.bytes == 8) return {name, Kept(Gathered(at, count)), {}};
    const auto bytes = memory_.View(at, count * param.bytes);
    if (!bytes) return {name, int64_t(at), "outside of the memory"};
    return {name, Kept(*bytes), {}};
  }
  /// What `count` pairs of address and size point to.
  std::string Gathered(uint64_t at, uint64_t count) const {
    std::string all;
    for (uint64_t k = 0; k < count && all.size() < kGatheredMax; ++k) {
      uint32_t from = 0, size = 0;
      if (!memory_.Load(at + 8 * k, &from) || !memory_.Load(at + 8 * k + 4, &size)) break;
      all += memory_.View(from, size).value_or(std::string_view()).substr(0, kGatheredMax - all.size());
    }
    return all;
  }
  std::string_view Kept(std::string_view bytes) { return kept_.emplace_back(bytes); }

  const abi::HostFunction& row_;
  const GuestMemory& memory_;
  std::vector<RawValue> slots_;  ///< the result takes the first one
  std::deque<std::string> kept_;
};

class VmObserver final : public engine::Observer {
 public:
  explicit VmObserver(Witness& witness) : witness_(witness) {}
  bool wants_host_calls() const override { return witness_.hears_host_calls(); }

  void OnCall(engine::Instance& instance, std::string_view function, std::span<const RawValue> slots) noexcept override {
    row_ = nullptr;
    for (const CallbackRow& row : kCallbackRows)
      if (row.name == function) row_ = &row;
    arguments_.clear();
    for (size_t i = 0; row_ != nullptr && i < slots.size() && i < row_->count(); ++i) arguments_.push_back(Number(row_->params[i], slots[i].i32));
    plugin_ = CallsOf(instance).core().spec.name;
    name_ = function;
    context_ = arguments_.empty() ? 0 : slots[0].i32;  // the first argument of every callback
    witness_.OnCallback(Event());
    begun_ns_ = NowNs();
  }

  void OnReturn(engine::Instance& instance, std::string_view, const RawValue& result, bool alive) noexcept override {
    CallbackEnd end{.ns = NowNs() - begun_ns_, .alive = alive, .memory_bytes = instance.MemoryBytes()};
    if (!alive) end.trap = instance.trap().message;
    end.has_result = alive && row_ != nullptr && row_->result;
    if (end.has_result) {
      const bool truth = row_->id == Callback::kOnVmStart || row_->id == Callback::kOnConfigure || row_->id == Callback::kOnDone;
      const bool zero = result.i32 == 0;
      end.result = {"result", int64_t(result.i32), truth ? (zero ? "false" : "true") : (zero ? "CONTINUE" : "PAUSE")};
    }
    witness_.OnCallbackEnd(Event(), end);
  }

  HostOutcome OnHostCall(const engine::HostImport& import, engine::Instance& instance, RawValue* slots) noexcept override {
    const abi::HostFunction* row = RowOf(import);
    if (row == nullptr) return import.thunk(instance, instance.self(), slots);
    HostCalls& calls = CallsOf(instance);
    const bool in_allocator = calls.in_allocator();
    Values values(*row, instance.memory(), slots);
    const std::vector<CrossedValue> arguments = values.Arguments();
    const uint32_t context = calls.effective() != nullptr ? calls.effective()->id() : context_;
    const HostOutcome outcome = import.thunk(instance, instance.self(), slots);
    const auto told = calls.TakeTold();
    HostCallEvent event{.plugin = calls.core().spec.name, .module = import.module, .name = import.name, .context = context, .arguments = arguments,
                        .trapped = outcome == HostOutcome::kTrap};
    std::vector<CrossedValue> outputs;
    if (!row->results.empty() && !event.trapped) {
      const bool ours = import.module == kModule;
      const uint32_t status = slots[0].i32;
      event.status = ours ? Name(Status(status)) : wasi::Name(wasi::Errno(status));
      if (status == 0) outputs = values.Outputs();
      if (told && (status != 0 || told->specified != Status::kOk)) {
        event.reason = told->reason;
        event.detail = told->detail;
        if (told->specified != Status::kOk && told->specified != Status(status)) event.specified = Name(told->specified);
      } else if (ours && status != 0 && in_allocator) {
        event.reason = "it is called from inside of the allocator";
      }
    }
    event.outputs = outputs;
    witness_.OnHostCall(event);
    return outcome;
  }

 private:
  static HostCalls& CallsOf(engine::Instance& instance) { return ProxyAbi::Self(instance.self()); }
  CallbackEvent Event() const { return {plugin_, name_, context_, arguments_}; }

  Witness& witness_;
  // Of the callback in progress; callbacks are not nested.
  const CallbackRow* row_ = nullptr;
  std::string plugin_, name_;
  uint32_t context_ = 0;
  std::vector<CrossedValue> arguments_;
  uint64_t begun_ns_ = 0;
};

}  // namespace

std::unique_ptr<engine::Observer> MakeObserver(Witness* witness) {
  if (witness == nullptr) return nullptr;
  return std::make_unique<VmObserver>(*witness);
}

}  // namespace weir::proxy_wasm
