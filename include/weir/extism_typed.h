// How a C++ function becomes a host function of Extism: what `Typed` (weir/extism.h) is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "weir/extism.h"

namespace weir::extism {

namespace detail {

/// How a C++ type crosses. Numbers as they are; text and bytes as a block.
template <class T>
struct Crossing;
template <class T, ValType kType, auto kField>
struct NumberCrossing {
  static constexpr ValType kValType = kType;
  static std::optional<T> In(CurrentPlugin&, const Value& value) { return static_cast<T>(value.*kField); }
  static bool Out(CurrentPlugin&, T number, Value* value) {
    value->*kField = static_cast<std::remove_reference_t<decltype(value->*kField)>>(number);
    return true;
  }
};
template <>
struct Crossing<int32_t> : NumberCrossing<int32_t, ValType::kI32, &Value::i32> {};
template <>
struct Crossing<uint32_t> : NumberCrossing<uint32_t, ValType::kI32, &Value::i32> {};
template <>
struct Crossing<int64_t> : NumberCrossing<int64_t, ValType::kI64, &Value::i64> {};
template <>
struct Crossing<uint64_t> : NumberCrossing<uint64_t, ValType::kI64, &Value::i64> {};
template <>
struct Crossing<float> : NumberCrossing<float, ValType::kF32, &Value::f32> {};
template <>
struct Crossing<double> : NumberCrossing<double, ValType::kF64, &Value::f64> {};
template <>
struct Crossing<std::string_view> {
  static constexpr ValType kValType = ValType::kI64;
  static std::optional<std::string_view> In(CurrentPlugin& plugin, const Value& value) { return plugin.Text(value.i64); }
  static bool Out(CurrentPlugin& plugin, std::string_view text, Value* value) {
    value->i64 = plugin.New(text);
    return value->i64 != 0 || text.empty();
  }
};
template <>
struct Crossing<std::string> : Crossing<std::string_view> {
  static std::optional<std::string> In(CurrentPlugin& plugin, const Value& value) {
    const auto text = plugin.Text(value.i64);
    return text ? std::optional(std::string(*text)) : std::nullopt;
  }
};
/// The bytes of the block themselves, to change in place.
template <>
struct Crossing<std::span<uint8_t>> {
  static constexpr ValType kValType = ValType::kI64;
  static std::optional<std::span<uint8_t>> In(CurrentPlugin& plugin, const Value& value) { return plugin.Block(value.i64); }
};

template <class T>
struct Answer {
  using Plain = T;
};
template <class T>
struct Answer<Result<T>> {
  using Plain = T;
};

template <class Signature>
struct TypedFunction;
template <class R, class... P>
struct TypedFunction<R(P...)> {
  using Plain = typename Answer<R>::Plain;
  static std::vector<ValType> Params() { return {Crossing<std::decay_t<P>>::kValType...}; }
  static std::vector<ValType> Results() {
    if constexpr (std::is_void_v<Plain>) {
      return {};
    } else {
      return {Crossing<Plain>::kValType};
    }
  }
  template <class Call, size_t... I>
  static Result<void> Run(Call& call, CurrentPlugin& plugin, [[maybe_unused]] std::span<const Value> in, std::span<Value> out, std::index_sequence<I...>) {
    std::tuple<std::optional<std::decay_t<P>>...> taken{Crossing<std::decay_t<P>>::In(plugin, in[I])...};
    if (!(std::get<I>(taken).has_value() && ... && true)) return Error{ErrorCode::kInvalidArgument, "invalid memory offset"};
    if constexpr (std::is_void_v<R>) {
      call(*std::get<I>(taken)...);
      return {};
    } else {
      auto answer = call(*std::get<I>(taken)...);
      if constexpr (!std::is_same_v<R, Plain>) {
        if (!answer) return std::move(answer).error();
        if constexpr (!std::is_void_v<Plain>) return Put(plugin, *answer, out);
        return {};
      } else {
        return Put(plugin, answer, out);
      }
    }
  }
  template <class T>
  static Result<void> Put(CurrentPlugin& plugin, const T& answer, std::span<Value> out) {
    if (Crossing<Plain>::Out(plugin, answer, &out[0])) return {};
    return Error{ErrorCode::kLimit, "out of memory"};
  }
  template <class F>
  static HostFunction Make(std::string name, F function) {
    return {std::move(name), Params(), Results(),
            [function = std::move(function)](CurrentPlugin& plugin, std::span<const Value> in, std::span<Value> out) mutable {
              return Run(function, plugin, in, out, std::index_sequence_for<P...>());
            }};
  }
};
/// With the plugin in front.
template <class R, class... P>
struct TypedFunction<R(CurrentPlugin&, P...)> {
  template <class F>
  static HostFunction Make(std::string name, F function) {
    using Rest = TypedFunction<R(P...)>;
    return {std::move(name), Rest::Params(), Rest::Results(),
            [function = std::move(function)](CurrentPlugin& plugin, std::span<const Value> in, std::span<Value> out) mutable {
              auto call = [&](auto&&... rest) { return function(plugin, std::forward<decltype(rest)>(rest)...); };
              return Rest::Run(call, plugin, in, out, std::index_sequence_for<P...>());
            }};
  }
};

template <class T>
struct SignatureOf : SignatureOf<decltype(&T::operator())> {};
template <class R, class... P>
struct SignatureOf<R (*)(P...)> {
  using Type = R(P...);
};
template <class C, class R, class... P>
struct SignatureOf<R (C::*)(P...) const> {
  using Type = R(P...);
};
template <class C, class R, class... P>
struct SignatureOf<R (C::*)(P...)> {
  using Type = R(P...);
};

}  // namespace detail

template <class F>
HostFunction Typed(std::string name, F function) {
  return detail::TypedFunction<typename detail::SignatureOf<F>::Type>::Make(std::move(name), std::move(function));
}

}  // namespace weir::extism
