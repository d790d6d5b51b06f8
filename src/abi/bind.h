// "The C++ signature is the ABI": Fn<&Class::Method>(…) makes a row whose Wasm types come from the method.
//
//   Answer<std::string_view> GetHeaderMapValue(MapType map, std::string_view key);
//                            ▲ Out: two return    ▲ In: i32    ▲ In: address, size
//                              pointers
//
// A family says how values cross: `struct Abi` of the class (below), and In<Abi, T>, Out<Abi, T> for types beyond codecs.h.
//
//   struct Abi {
//     static Class& Self(void* self);                    // from Instance::self()
//     template <class Row> static bool Enter(Class&, RawValue* slots);  // false: refused, slots hold the answer
//     static HostOutcome Fault(Class&, RawValue* slots); // a pointer argument was bad
//     template <class Ret> using Returns = …;            // kResults: Wasm results; Values: tuple of what goes to return pointers
//     template <class Row, class Ret> static HostOutcome Finish(Class&, Frame&, const RawValue* next, RawValue* slots, Ret&&);
//   };
//   // `Row` is the Binding: Row::kExtra, &Row::Call. Where the family refuses functions, what one that is refused answers:
//     template <class Row> static HostOutcome NotAllowed(Class&, Frame&, const RawValue* next, RawValue* slots);
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <tuple>
#include <type_traits>
#include <utility>

#include "abi/host_function.h"

namespace weir::abi {

using engine::GuestMemory;
using engine::HostOutcome;
using engine::Instance;
using engine::RawValue;
using engine::ValType;

/// One host call in progress.
struct Frame {
  Instance& instance;
  const GuestMemory& memory;
  bool ok = true;      ///< false: a pointer argument was outside
};

/// Guest values -> one C++ argument. `kParams`; `static T Load(Frame&, const RawValue*& next)`, which clears Frame::ok on a fault.
template <class Abi, class T>
struct In;
/// One C++ result -> trailing return pointers. `kParams`; `static bool Check(const GuestMemory&, const RawValue*& next)` before
/// the method runs, so that it has no effect when its answer could not be written; `static bool Store(Class&, Frame&,
/// const RawValue*& next, const T&)`, false on a fault.
template <class Abi, class T>
struct Out;

template <size_t... N>
constexpr auto Concat(const std::array<Param, N>&... parts) {
  std::array<Param, (N + ... + 0)> all{};
  [[maybe_unused]] size_t i = 0;
  (
      [&] {
        for (const Param& p : parts) all[i++] = p;
      }(),
      ...);
  return all;
}

template <size_t N>
constexpr auto TypesOf(const std::array<Param, N>& params) {
  std::array<ValType, N> types{};
  for (size_t i = 0; i < N; ++i) types[i] = params[i].type;
  return types;
}

/// Reads of the guest's slots, by type.
inline uint32_t TakeI32(const RawValue*& next) { return (next++)->i32; }
inline uint64_t TakeI64(const RawValue*& next) { return (next++)->i64; }

template <auto Method, auto Extra>
struct Binding;
template <class C, class Ret, class... A, Ret (C::*Method)(A...), auto Extra>
struct Binding<Method, Extra> {
  using Abi = typename C::Abi;
  using Returns = typename Abi::template Returns<Ret>;
  static constexpr auto kExtra = Extra;

  template <class... T>
  static constexpr auto OutParams(std::tuple<T...>*) {
    return Concat(Out<Abi, T>::kParams...);
  }
  template <class... T>
  static bool CheckOuts(std::tuple<T...>*, const GuestMemory& memory, [[maybe_unused]] const RawValue* next) {
    return (Out<Abi, T>::Check(memory, next) && ...);
  }
  static constexpr typename Returns::Values* kOuts = nullptr;
  static constexpr auto kParams = Concat(In<Abi, A>::kParams..., OutParams(kOuts));
  static constexpr auto kTypes = TypesOf(kParams);

  static HostOutcome Call(Instance& instance, void* self, RawValue* slots) noexcept {
    C& calls = Abi::Self(self);
    Frame frame{instance, instance.memory()};
    if (!Abi::template Enter<Binding>(calls, slots)) return HostOutcome::kReturn;
    const RawValue* next = slots;
    std::tuple<A...> args{In<Abi, A>::Load(frame, next)...};  // braces evaluate left to right
    if (!frame.ok || !CheckOuts(kOuts, frame.memory, next)) return Abi::Fault(calls, slots);
    return std::apply(
        [&](auto&... arg) -> HostOutcome {
          return Abi::template Finish<Binding>(calls, frame, next, slots, (calls.*Method)(static_cast<A&&>(arg)...));
        },
        args);
  }
  /// The same without the method, for an instance that may not call it.
  static HostOutcome CallRefused(Instance& instance, void* self, RawValue* slots) noexcept {
    C& calls = Abi::Self(self);
    Frame frame{instance, instance.memory()};
    if (!Abi::template Enter<Binding>(calls, slots)) return HostOutcome::kReturn;
    const RawValue* next = slots;
    [[maybe_unused]] std::tuple<A...> args{In<Abi, A>::Load(frame, next)...};
    if (!frame.ok || !CheckOuts(kOuts, frame.memory, next)) return Abi::Fault(calls, slots);
    return Abi::template NotAllowed<Binding>(calls, frame, next, slots);
  }
  static consteval engine::HostThunk Refused() {
    if constexpr (requires(C& c, Frame& f, RawValue* s) { Abi::template NotAllowed<Binding>(c, f, s, s); }) return &CallRefused;
    return nullptr;
  }
};

/// A row. Does not compile when `args` does not name each Wasm parameter.
template <auto Method, auto Extra = 0u>
consteval HostFunction Fn(std::string_view name, std::string_view section, Versions versions,
                          std::initializer_list<std::string_view> args) {
  using B = Binding<Method, Extra>;
  if (args.size() != B::kParams.size()) std::abort();  // not a constant expression: the arguments named are not those of the method
  HostFunction row{name, section, versions, {}, B::kParams, B::kTypes, B::Returns::kResults, &B::Call, B::Refused(), Extra};
  size_t i = 0;
  for (std::string_view arg : args) row.args[i++] = arg;
  return row;
}

}  // namespace weir::abi
