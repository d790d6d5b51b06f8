// Logging, clock, timer; and what every call shares: allocation, and the settling of a status.
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/host_functions.h"

namespace weir::proxy_wasm {
namespace {
constexpr size_t kDetailMax = 256;  // bytes of a detail in a log line

std::string_view NameOf(engine::HostThunk thunk) {
  for (const abi::HostFunction& row : HostFunctions())
    if (row.thunk == thunk) return row.name;
  return "?";
}
}  // namespace

uint32_t CallState::Allocate(abi::Frame& frame, uint32_t size) noexcept {
  if (!allocator_) return 0;
  engine::RawValue slots[1];
  slots[0].i32 = size;
  in_allocator_ = true;
  trapped_ = !frame.instance.CallNested(allocator_, slots, 1);
  in_allocator_ = false;
  if (trapped_) return 0;
  return slots[0].i32;
}

Status CallState::Settle(Status status, uint32_t extra, engine::HostThunk thunk) noexcept {
  Core& core = static_cast<HostCalls*>(this)->core();
  const std::string_view reason = std::exchange(reason_, {}), detail = std::exchange(detail_, {});
  if (core.host.witness != nullptr) told_ = Told{status, std::string(reason), std::string(detail)};
  const bool lenient = core.spec.statuses == Statuses::kLenient;
  const bool swallowed = lenient && !Tolerated(extra, status);
  if (!swallowed && (thunk == nullptr || core.host.log.level() > LogLevel::kTrace)) return status;
  const std::string_view call = NameOf(thunk);
  std::string line = std::string(call) + " answers " + std::string(Name(status)) + ": " + std::string(reason);
  const std::string about = detail.empty() ? "" : ": \"" + std::string(detail.substr(0, kDetailMax)) + "\"";
  if (!swallowed) {
    core.Log(LogLevel::kTrace, line + about);
    return status;
  }
  core.LogOnce(line, LogLevel::kWarn, line + about + " (swallowed, without effect: statuses lenient; said once)");
  core.Rejected(call, Name(status));
  return Status::kOk;
}

// As Envoy: INTERNAL_FAILURE. Where no SDK survives that, NOT_FOUND rather than a success that is none.
Status CallState::NotAllowed(uint32_t extra, engine::HostThunk thunk) noexcept {
  Core& core = static_cast<HostCalls*>(this)->core();
  const std::string_view call = NameOf(thunk);
  core.LogOnce(LogLevel::kWarn, std::string(call) + " is refused: allow= of this plugin does not name " +
                                    std::string(Name(GroupOf(extra))) + " (said once)");
  core.Rejected(call, kNotAllowed);
  if (core.host.witness != nullptr)
    told_ = Told{Status::kInternalFailure, "allow= of this plugin does not name " + std::string(Name(GroupOf(extra))), {}};
  if (core.spec.statuses == Statuses::kStrict || Tolerated(extra, Status::kInternalFailure)) return Status::kInternalFailure;
  return Tolerated(extra, Status::kNotFound) ? Status::kNotFound : Status::kOk;
}

std::optional<CallState::Told> CallState::TakeTold() {
  std::optional<Told> told = std::exchange(told_, std::nullopt);
  if (!told && !reason_.empty()) told = Told{Status::kOk, std::string(reason_), std::string(detail_)};  // e.g. no memory for the answer
  reason_ = detail_ = {};
  return told;
}

Status HostCalls::Log(uint32_t level, std::string_view message) {
  if (level >= kLogLevels) return Refuse(Status::kBadArgument, "no such log level");
  core_->Log(LogLevel(level), message);
  return Status::kOk;
}

Answer<uint32_t> HostCalls::GetLogLevel() { return uint32_t(core_->host.log.level()); }

Answer<uint64_t> HostCalls::GetCurrentTime() { return core_->host.for_guests().RealtimeNs(); }

Status HostCalls::SetTickPeriod(uint32_t period_ms) {
  core_->tick_ms = period_ms;
  core_->host.timers.SetTick(core_->plugin, period_ms);
  return Status::kOk;
}

HostCalls::Nothing HostCalls::NotifyMemoryGrowth(uint32_t) { return Nothing::kReturn; }

}  // namespace weir::proxy_wasm
