// The codecs that every family with 32-bit pointers shares. A family opts in with `static constexpr bool kPointers32 = true`.
#pragma once

#include <span>
#include <string_view>
#include <type_traits>

#include "abi/bind.h"

namespace weir::abi {

template <class Abi>
concept Pointers32 = Abi::kPointers32;
template <class T>
concept Small = (std::is_integral_v<T> || std::is_enum_v<T>) && sizeof(T) <= 4;
template <class T>
concept Wide = std::is_integral_v<T> && sizeof(T) == 8;

/// Numbers and enums by value. An enum may hold any number afterwards: the method looks.
template <Pointers32 Abi, Small T>
struct In<Abi, T> {
  static constexpr std::array kParams{Param{ValType::kI32}};
  static T Load(Frame&, const RawValue*& next) { return static_cast<T>(TakeI32(next)); }
};
template <Pointers32 Abi, Wide T>
struct In<Abi, T> {
  static constexpr std::array kParams{Param{ValType::kI64}};
  static T Load(Frame&, const RawValue*& next) { return static_cast<T>(TakeI64(next)); }
};

/// (address, size): bytes the host reads. Dies at the next call into the guest.
template <Pointers32 Abi>
struct In<Abi, std::string_view> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kData, 1}, Param{ValType::kI32, Role::kSize, 1}};
  static std::string_view Load(Frame& frame, const RawValue*& next) {
    const uint64_t at = TakeI32(next), size = TakeI32(next);
    auto bytes = frame.memory.View(at, size);
    if (!bytes) frame.ok = false;
    return bytes.value_or(std::string_view());
  }
};

/// (address, size): bytes the host writes.
template <Pointers32 Abi>
struct In<Abi, std::span<uint8_t>> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kBuffer, 1}, Param{ValType::kI32, Role::kSize, 1}};
  static std::span<uint8_t> Load(Frame& frame, const RawValue*& next) {
    const uint64_t at = TakeI32(next), size = TakeI32(next);
    auto bytes = frame.memory.Slice(at, size);
    if (!bytes) frame.ok = false;
    return bytes.value_or(std::span<uint8_t>());
  }
};

/// A number of its own size to one return pointer, little-endian as the host is (checked in codecs_test.cc).
template <Pointers32 Abi, class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>)
struct Out<Abi, T> {
  static constexpr std::array kParams{Param{ValType::kI32, Role::kReturn, sizeof(T)}};
  static bool Check(const GuestMemory& memory, const RawValue*& next) {
    return memory.View(TakeI32(next), sizeof(T)).has_value();
  }
  template <class C>
  static bool Store(C&, Frame& frame, const RawValue*& next, T value) {
    return frame.memory.Store(TakeI32(next), value);
  }
};

}  // namespace weir::abi
