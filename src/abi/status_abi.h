// The family shape that Proxy-Wasm and WASI share: a status is returned, values go to trailing return pointers.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "abi/codecs.h"

namespace weir::abi {

/// A status, and with the good one (0) a value. `T` is what goes to return pointers; a tuple for several.
template <class Status, class T>
struct Answer {
  using value_type = T;
  Answer(Status failure) : status(failure), value() {}
  Answer(T answer) : status{}, value(std::move(answer)) {}
  Status status;
  T value;
};

template <class T>
struct AsTuple {
  using type = std::tuple<T>;
};
template <class... T>
struct AsTuple<std::tuple<T...>> {
  using type = std::tuple<T...>;
};

inline constexpr std::array kStatusResult{ValType::kI32};

/// What a method's return type adds to the row: Status, Answer<Status, T>, or void (no Wasm result; HostOutcome: may trap).
template <class Ret>
struct StatusReturns {
  static constexpr auto kResults = std::span<const ValType>(kStatusResult);
  using Values = std::tuple<>;
};
template <class Status, class T>
struct StatusReturns<Answer<Status, T>> {
  static constexpr auto kResults = std::span<const ValType>(kStatusResult);
  using Values = typename AsTuple<T>::type;
};
template <>
struct StatusReturns<HostOutcome> {  // e.g. proc_exit: it has called Instance::SetTrap and answers kTrap
  static constexpr auto kResults = std::span<const ValType>();
  using Values = std::tuple<>;
};

/// Writes the values of an answer to the return pointers. False: a pointer was bad.
template <class Abi, class C, class T>
bool StoreValues(C& calls, Frame& frame, const RawValue* next, const T& value) {
  if constexpr (requires { std::tuple_size<T>::value; }) {
    return std::apply(
        [&](const auto&... v) { return (Out<Abi, std::remove_cvref_t<decltype(v)>>::Store(calls, frame, next, v) && ...); },
        value);
  } else {
    return Out<Abi, T>::Store(calls, frame, next, value);
  }
}

}  // namespace weir::abi
