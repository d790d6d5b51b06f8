// How Proxy-Wasm values cross: a status is returned, values go to trailing return pointers, a bad pointer is status 6.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "abi/status_abi.h"
#include "proxy_wasm/statuses.h"
#include "proxy_wasm/types.h"

namespace weir::proxy_wasm {

class HostCalls;

template <class T>
using Answer = abi::Answer<Status, T>;

/// The parts of HostCalls that the codecs need; HostCalls derives from it, so that this header need not know more.
class CallState {
 public:
  /// Guest memory for `size` bytes by the plugin's allocator. 0: it has none, refused, or trapped (then trapped()).
  uint32_t Allocate(abi::Frame& frame, uint32_t size) noexcept;
  bool in_allocator() const { return in_allocator_; }
  bool trapped() const { return trapped_; }
  bool has_allocator() const { return bool(allocator_); }
  void set_allocator(const engine::Function& function) { allocator_ = function; }
  /// What is answered to the guest for `status` of the row that `thunk` is of; logs and counts what leniency swallows.
  Status Settle(Status status, uint32_t extra, engine::HostThunk thunk) noexcept;
  /// What is answered to the guest for a call of the row that `thunk` is of, which `allow=` leaves out; says so once and counts it.
  Status NotAllowed(uint32_t extra, engine::HostThunk thunk) noexcept;
  /// Records why the call in progress does not answer OK. `reason` is a constant; `detail` lives as long as the call: which
  /// path, which name.
  Status Refuse(Status status, std::string_view reason, std::string_view detail = {}) {
    reason_ = reason;
    detail_ = detail;
    return status;
  }
  /// What a Witness hears of a call that was not answered OK, or was only told so. Kept while there is one.
  struct Told {
    Status specified = Status::kOk;  ///< what statuses=strict says
    std::string reason, detail;
  };
  /// Of the call that has just returned; nullopt: it was good.
  std::optional<Told> TakeTold();

 protected:
  ~CallState() = default;
  engine::Function allocator_;
  std::string_view reason_, detail_;
  std::optional<Told> told_;
  bool in_allocator_ = false;
  bool trapped_ = false;
};

struct ProxyAbi {
  static constexpr bool kPointers32 = true;
  static HostCalls& Self(void* self) { return *static_cast<HostCalls*>(static_cast<abi::Selves*>(self)->family); }

  template <class Row>
  static bool Enter(CallState& calls, engine::RawValue* slots) {
    if (!calls.in_allocator() || (Row::kExtra & kFromAllocator) != 0) [[likely]] return true;
    if constexpr (!Row::Returns::kResults.empty()) slots[0].i32 = uint32_t(Status::kInternalFailure);
    return false;
  }
  static abi::HostOutcome Fault(CallState& calls, engine::RawValue* slots) {
    slots[0].i32 = uint32_t(calls.Settle(
        calls.Refuse(Status::kInvalidMemoryAccess, "a pointer argument is outside of the memory"), 0, nullptr));
    return abi::HostOutcome::kReturn;
  }

  template <class Ret>
  using Returns = abi::StatusReturns<Ret>;

  template <class Row>
  static abi::HostOutcome Finish(CallState& calls, abi::Frame&, const engine::RawValue*, engine::RawValue* slots,
                                 Status status) {
    if (status != Status::kOk) [[unlikely]] status = calls.Settle(status, Row::kExtra, &Row::Call);
    slots[0].i32 = uint32_t(status);
    return abi::HostOutcome::kReturn;
  }
  template <class Row>
  static abi::HostOutcome Finish(CallState&, abi::Frame&, const engine::RawValue*, engine::RawValue*,
                                 abi::HostOutcome outcome) {
    return outcome;
  }
  template <class Row, class T>
  static abi::HostOutcome Finish(CallState& calls, abi::Frame& frame, const engine::RawValue* next, engine::RawValue* slots,
                                 const Answer<T>& answer) {
    Status status = answer.status;
    if (status != Status::kOk) [[unlikely]] {
      status = calls.Settle(status, Row::kExtra, &Row::Call);
      if (status == Status::kOk) abi::StoreValues<ProxyAbi>(calls, frame, next, T());  // swallowed: zeros
    } else if (!abi::StoreValues<ProxyAbi>(calls, frame, next, answer.value)) {
      if (calls.trapped()) return abi::HostOutcome::kTrap;
      status = calls.Refuse(Status::kInvalidMemoryAccess, "the plugin's allocator gave no memory");
    }
    slots[0].i32 = uint32_t(status);
    return abi::HostOutcome::kReturn;
  }

  template <class Row>
  static abi::HostOutcome NotAllowed(CallState& calls, abi::Frame& frame, const engine::RawValue* next, engine::RawValue* slots) {
    const Status status = calls.NotAllowed(Row::kExtra, &Row::Call);
    if constexpr (Row::Returns::kResults.empty()) return abi::HostOutcome::kReturn;
    if (status == Status::kOk) abi::StoreValues<ProxyAbi>(calls, frame, next, typename Row::Returns::Values());  // swallowed: zeros
    slots[0].i32 = uint32_t(status);
    return abi::HostOutcome::kReturn;
  }
};

}  // namespace weir::proxy_wasm

namespace weir::abi {

/// Bytes: copied into memory that the plugin's allocator gives; no bytes are pointer 0 and size 0.
template <>
struct Out<proxy_wasm::ProxyAbi, std::string_view> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kReturn, 4}, Param{ValType::kI32, Role::kReturn, 4}};
  static bool Check(const GuestMemory& memory, const RawValue*& next) {
    const uint64_t data = TakeI32(next), size = TakeI32(next);
    return memory.View(data, 4) && memory.View(size, 4);
  }
  static bool Store(proxy_wasm::CallState& calls, Frame& frame, const RawValue*& next, std::string_view value) {
    uint32_t at = 0;
    if (!value.empty()) {
      if (value.size() > UINT32_MAX) return false;
      at = calls.Allocate(frame, uint32_t(value.size()));
      auto bytes = frame.memory.Slice(at, value.size());  // the allocator may have grown the memory
      if (at == 0 || !bytes) return false;
      std::memcpy(bytes->data(), value.data(), value.size());
    }
    const uint64_t data = TakeI32(next), size = TakeI32(next);
    return frame.memory.Store(data, at) && frame.memory.Store(size, uint32_t(value.size()));
  }
};

}  // namespace weir::abi
