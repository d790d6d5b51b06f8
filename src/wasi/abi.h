// How WASI values cross: an errno is returned, values go to trailing return pointers, a bad pointer is EFAULT.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "wasi/types.h"

namespace weir::wasi {

class Preview1;

/// proc_exit's answer: the trap that it is.
struct Exit {
  uint32_t code;
};

/// (address, count) of iovecs that were all inside of the memory.
class IoVectors {
 public:
  IoVectors() = default;
  IoVectors(const abi::GuestMemory& memory, uint64_t at, uint32_t count) : memory_(memory), at_(at), count_(count) {}
  uint32_t size() const { return count_; }
  std::string_view operator[](uint32_t i) const {
    uint32_t row[2] = {0, 0};
    memory_.Load(at_ + uint64_t{i} * kIovecBytes, &row);
    return memory_.View(row[0], row[1]).value_or(std::string_view());
  }

 private:
  abi::GuestMemory memory_;
  uint64_t at_ = 0;
  uint32_t count_ = 0;
};

/// poll_oneoff's two arrays.
template <uint32_t kStride>
struct Poll {
  std::string_view subscriptions;
  std::span<uint8_t> events;
  uint32_t count = 0;
};

/// A list of strings as WASI hands it out: an array of addresses, and the strings with their NULs.
struct StringList {
  std::span<const std::pair<std::string, std::string>> pairs;  ///< each "first=second"
};

struct WasiAbi {
  static constexpr bool kPointers32 = true;
  static Preview1& Self(void* self) { return *static_cast<Preview1*>(static_cast<abi::Selves*>(self)->wasi); }

  template <class Row>
  static bool Enter(Preview1&, engine::RawValue*) {
    return true;
  }
  static abi::HostOutcome Fault(Preview1&, engine::RawValue* slots) { return Return(slots, Errno::kFault); }

  template <class Ret>
  struct ReturnsOf : abi::StatusReturns<Ret> {};
  template <class Ret>
  using Returns = ReturnsOf<Ret>;

  template <class Row>
  static abi::HostOutcome Finish(Preview1&, abi::Frame&, const engine::RawValue*, engine::RawValue* slots, Errno error) {
    return Return(slots, error);
  }
  template <class Row, class T>
  static abi::HostOutcome Finish(Preview1& calls, abi::Frame& frame, const engine::RawValue* next, engine::RawValue* slots,
                                 const Answer<T>& answer) {
    Errno error = answer.status;
    if (error == Errno::kSuccess && !abi::StoreValues<WasiAbi>(calls, frame, next, answer.value)) error = Errno::kFault;
    return Return(slots, error);
  }
  template <class Row>
  static abi::HostOutcome Finish(Preview1&, abi::Frame& frame, const engine::RawValue*, engine::RawValue*, Exit exit) {
    frame.instance.SetTrap({.kind = engine::Trap::Kind::kExit,
                            .message = "proc_exit(" + std::to_string(exit.code) + ")",
                            .exit_code = static_cast<int32_t>(exit.code)});
    return abi::HostOutcome::kTrap;
  }

 private:
  static abi::HostOutcome Return(engine::RawValue* slots, Errno error) {
    slots[0].i32 = static_cast<uint32_t>(error);
    return abi::HostOutcome::kReturn;
  }
};

template <>
struct WasiAbi::ReturnsOf<Exit> : abi::StatusReturns<abi::HostOutcome> {};

}  // namespace weir::wasi

namespace weir::abi {

template <>
struct In<wasi::WasiAbi, wasi::IoVectors> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kData, wasi::kIovecBytes},
                                      Param{ValType::kI32, Role::kSize, wasi::kIovecBytes}};
  static wasi::IoVectors Load(Frame& frame, const RawValue*& next) {
    const uint64_t at = TakeI32(next);
    const uint32_t count = TakeI32(next);
    if (!frame.memory.View(at, uint64_t{count} * wasi::kIovecBytes)) {
      frame.ok = false;
      return {};
    }
    for (uint64_t i = 0; i < count && frame.ok; ++i) {
      uint32_t row[2];
      frame.ok = frame.memory.Load(at + i * wasi::kIovecBytes, &row) && frame.memory.View(row[0], row[1]);
    }
    return {frame.memory, at, count};
  }
};

template <uint32_t kStride>
struct In<wasi::WasiAbi, wasi::Poll<kStride>> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kData, kStride},
                                      Param{ValType::kI32, Role::kBuffer, wasi::kEventBytes},
                                      Param{ValType::kI32, Role::kSize, kStride}};
  static wasi::Poll<kStride> Load(Frame& frame, const RawValue*& next) {
    const uint64_t in = TakeI32(next), out = TakeI32(next);
    const uint32_t count = TakeI32(next);
    const auto subscriptions = frame.memory.View(in, uint64_t{count} * kStride);
    const auto events = frame.memory.Slice(out, uint64_t{count} * wasi::kEventBytes);
    frame.ok = frame.ok && subscriptions && events;
    if (!frame.ok) return {};
    return {*subscriptions, *events, count};
  }
};

/// How much is written depends on the list, so it is checked when it is stored: all of it or nothing.
template <>
struct Out<wasi::WasiAbi, wasi::StringList> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kReturn, 0}, Param{ValType::kI32, Role::kReturn, 0}};
  static bool Check(const GuestMemory&, const RawValue*& next) {
    next += 2;
    return true;
  }
  static bool Store(wasi::Preview1&, Frame& frame, const RawValue*& next, const wasi::StringList& list);
};

template <>
struct Out<wasi::WasiAbi, wasi::Fdstat> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kReturn, sizeof(wasi::Fdstat)}};
  static bool Check(const GuestMemory& memory, const RawValue*& next) {
    return memory.View(TakeI32(next), sizeof(wasi::Fdstat)).has_value();
  }
  static bool Store(wasi::Preview1&, Frame& frame, const RawValue*& next, const wasi::Fdstat& value) {
    return frame.memory.Store(TakeI32(next), value);
  }
};

template <>
struct Out<wasi::WasiAbi, wasi::Filestat> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kReturn, sizeof(wasi::Filestat)}};
  static bool Check(const GuestMemory& memory, const RawValue*& next) {
    return memory.View(TakeI32(next), sizeof(wasi::Filestat)).has_value();
  }
  static bool Store(wasi::Preview1&, Frame& frame, const RawValue*& next, const wasi::Filestat& value) {
    return frame.memory.Store(TakeI32(next), value);
  }
};

}  // namespace weir::abi
