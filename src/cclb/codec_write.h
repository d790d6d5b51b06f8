// Structs to JSON by their tables (codec.h).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cclb/codec.h"

namespace weir::cclb {

enum class Order : uint8_t {
  kDeclared,  ///< a struct straight to text
  kSorted,    ///< by way of a generic value, as dispatch does: keys by bytes, floats as doubles
};

template <Order kOrder>
void Write(bool value, Out* out) {
  out->append(value ? "true" : "false");
}
template <Order kOrder>
void Write(double value, Out* out) {
  AppendDouble(value, out);
}
template <Order kOrder>
void Write(float value, Out* out) {
  kOrder == Order::kSorted ? AppendDouble(static_cast<double>(value), out) : AppendFloat(value, out);
}
template <Order kOrder, Integer I>
void Write(I value, Out* out) {
  if constexpr (std::is_signed_v<I>) {
    AppendInt(value, out);
  } else {
    AppendUint(value, out);
  }
}
template <Order kOrder>
void Write(const std::string& value, Out* out) {
  AppendString(value, out);
}
template <Order kOrder>
void Write(const Json& value, Out* out) {
  out->append(value.text());
}
template <Order kOrder>
void Write(const JsonObject& value, Out* out) {
  out->append(value.text());
}
template <Order kOrder, Struct T>
void Write(const T& value, Out* out);
template <Order kOrder, PlainEnum T>
void Write(const T& value, Out* out) {
  AppendString(Table<T>::kNames[static_cast<size_t>(value)], out);
}
template <Order kOrder, Tagged T>
void Write(const T& value, Out* out);
template <Order kOrder, class T>
void Write(const std::optional<T>& value, Out* out);
template <Order kOrder, class T>
void WriteAll(const T& values, Out* out) {
  out->push_back('[');
  bool first = true;
  for (const auto& value : values) {
    if (!first) out->push_back(',');
    first = false;
    Write<kOrder>(value, out);
  }
  out->push_back(']');
}
template <Order kOrder, class T>
void Write(const std::vector<T>& values, Out* out) {
  WriteAll<kOrder>(values, out);
}
template <Order kOrder>
void Write(const std::set<std::string>& values, Out* out) {
  WriteAll<kOrder>(values, out);
}
template <Order kOrder>
void Write(const std::array<uint8_t, 8>& values, Out* out) {
  WriteAll<kOrder>(values, out);
}
template <Order kOrder, class T>
void Write(const std::map<std::string, T>& values, Out* out) {
  out->push_back('{');
  bool first = true;
  for (const auto& [key, value] : values) {
    if (!first) out->push_back(',');
    first = false;
    AppendString(key, out);
    out->push_back(':');
    Write<kOrder>(value, out);
  }
  out->push_back('}');
}
template <Order kOrder, class T>
void Write(const std::optional<T>& value, Out* out) {
  if (value) {
    Write<kOrder>(*value, out);
  } else {
    out->append("null");
  }
}

/// Field indexes in the order they are written.
template <class T, Order kOrder>
constexpr auto kWriteOrder = [] {
  std::array<size_t, kFieldCount<T> + 1> order{};
  for (size_t i = 0; i < kFieldCount<T>; ++i) order[i] = i;
  if (kOrder == Order::kSorted) {
    for (size_t i = 1; i < kFieldCount<T>; ++i) {
      for (size_t k = i; k > 0 && kFieldNames<T>[order[k]] < kFieldNames<T>[order[k - 1]]; --k) std::swap(order[k], order[k - 1]);
    }
  }
  return order;
}();

/// The members of an object, between its braces; `open`: something stands before them.
template <Order kOrder, class T>
void WriteMembers(const T& value, std::string_view tag, std::string_view variant, bool open, Out* out) {
  // The names are constants: their bytes are stored, not copied.
  const auto key = [&](std::string_view name) __attribute__((always_inline)) {
    out->Ensure(name.size() + 4);
    char* to = out->position();
    if (open) *to++ = ',';
    open = true;
    *to++ = '"';
    std::memcpy(to, name.data(), name.size());
    to += name.size();
    *to++ = '"';
    *to++ = ':';
    out->set_position(to);
  };
  const auto write_tag = [&] {
    key(tag);
    AppendString(variant, out);
    tag = {};
  };
  const auto one = [&]<size_t K>(std::integral_constant<size_t, K>) {
    constexpr auto& kField = std::get<kWriteOrder<T, kOrder>[K]>(Table<T>::kFields);
    if (!tag.empty() && (kOrder == Order::kDeclared || tag < kField.name)) write_tag();
    const auto& member = value.*kField.member;
    if constexpr (kIsOptional<std::remove_cvref_t<decltype(member)>>) {
      if (kField.absence == Absence::kOmitted && !member) return;
    }
    key(kField.name);
    Write<kOrder>(member, out);
  };
  [&]<size_t... I>(std::index_sequence<I...>) {
    (one(std::integral_constant<size_t, I>()), ...);
  }(std::make_index_sequence<kFieldCount<T>>());
  if (!tag.empty()) write_tag();
}

template <Order kOrder, Struct T>
void Write(const T& value, Out* out) {
  out->push_back('{');
  WriteMembers<kOrder>(value, {}, {}, false, out);
  out->push_back('}');
}
template <Order kOrder, Tagged T>
void Write(const T& value, Out* out) {
  out->push_back('{');
  if constexpr (std::is_enum_v<T>) {
    AppendString(Table<T>::kTag, out);
    out->push_back(':');
    AppendString(Table<T>::kNames[static_cast<size_t>(value)], out);
  } else {
    std::visit([&](const auto& event) { WriteMembers<kOrder>(event, Table<T>::kTag, Table<T>::kNames[value.event.index()], false, out); },
               value.event);
  }
  out->push_back('}');
}

template <Order kOrder = Order::kDeclared, class T>
std::string WriteText(const T& value) {
  Out out;
  Write<kOrder>(value, &out);
  return out.str();
}

}  // namespace weir::cclb
