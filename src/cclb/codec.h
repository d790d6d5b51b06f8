// Structs to JSON and back, by tables: a type's Table<> lists its fields, and the types come from the member pointers.
//
//   template <> struct Table<HeaderWire> {                                       a struct
//     static constexpr std::string_view kName = "HeaderWire";
//     static constexpr auto kFields = std::make_tuple(F("name", &HeaderWire::name), Omit("note", &HeaderWire::note));
//   };
//   template <> struct Table<Category> { static constexpr std::string_view kNames[] = {"a", "b"}; };        an enum: "a"
//   template <> struct Table<Upstream> { kTag = "kind"; kNames[] = {"direct"}; };     an enum with a tag: {"kind":"direct"}
//   template <> struct Table<Event> { kTag; kNames; };                    a std::variant `event` of structs, with a tag
//
// The rules are serde's: a struct may come as an array of its fields; unknown fields are refused; optional ones may be absent or null;
// what an enum with a tag is followed by is ignored, and kept to be read later ("content"), where a number may name a variant.
#pragma once

#include <array>
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "cclb/json_number.h"
#include "cclb/json_tree.h"
#include "cclb/json_write.h"
#include "weir/cclb/json.h"

namespace weir::cclb {

enum class Absence : uint8_t { kNull, kOmitted };
template <class C, class T>
struct Field {
  std::string_view name;
  T C::*member;
  Absence absence;
};
/// Required; or optional, and written as null.
template <class C, class T>
constexpr Field<C, T> F(std::string_view name, T C::*member) {
  return {name, member, Absence::kNull};
}
/// Optional, and left out when it is absent; an array may end before it.
template <class C, class T>
constexpr Field<C, std::optional<T>> Omit(std::string_view name, std::optional<T> C::*member) {
  return {name, member, Absence::kOmitted};
}

template <class T>
struct Table;
template <class T>
concept Struct = requires { Table<T>::kFields; };
template <class T>
concept Tagged = requires { Table<T>::kTag; };
template <class T>
concept PlainEnum = requires { Table<T>::kNames; } && !Tagged<T>;

/// What a second member of the same name is.
enum class Duplicates : uint8_t {
  kError,     ///< text read straight into a struct (but in maps the last wins)
  kLastWins,  ///< text read as a generic value first, as dispatch does
};

/// Where reading is; errors in serde's words, without a position.
struct Reading {
  const JsonTree& tree;
  Duplicates duplicates;
  std::string error;
  bool content = false;  // below a tag

  bool Fail(std::string what) {
    if (error.empty()) error = std::move(what);
    return false;
  }
  bool FailType(size_t node, std::string_view expected);
  bool FailValue(size_t node, std::string_view expected);
  bool FailLength(size_t length, const std::string& expected) { return Fail("invalid length " + std::to_string(length) + ", expected " + expected); }
};

/// "`a`", "`a` or `b`", "one of `a`, `b`, `c`"; of none, `none`.
std::string NameList(const std::string_view* names, size_t count, std::string_view none);
/// The index of the name that node (a string) says, or -1 after an error. `what`: "variant".
int ReadName(Reading& in, size_t node, const std::string_view* names, size_t count);
/// A plain enum: its name, or an object of the name and null.
int ReadEnum(Reading& in, size_t node, const std::string_view* names, size_t count);
/// The tag of an object or array, and which node has it (0: the array's first).
int ReadTag(Reading& in, size_t node, std::string_view tag, const std::string_view* names, size_t count);

bool Read(Reading& in, size_t node, bool* out);
bool Read(Reading& in, size_t node, double* out);
bool Read(Reading& in, size_t node, float* out);
bool Read(Reading& in, size_t node, std::string* out);
bool Read(Reading& in, size_t node, Json* out);
bool Read(Reading& in, size_t node, JsonObject* out);
bool Read(Reading& in, size_t node, std::set<std::string>* out);
bool Read(Reading& in, size_t node, std::array<uint8_t, 8>* out);

template <class I>
concept Integer = std::integral<I> && !std::same_as<I, bool>;

template <Integer I>
std::string IntegerName() {
  return (std::is_signed_v<I> ? "i" : "u") + std::to_string(8 * sizeof(I));
}

template <Integer I>
bool Read(Reading& in, size_t node, I* out) {
  const JsonNode& n = in.tree.node(node);
  if (n.kind == JsonKind::kUint) {
    if (n.uint > static_cast<uint64_t>(std::numeric_limits<I>::max())) return in.FailValue(node, IntegerName<I>());
    *out = static_cast<I>(n.uint);
    return true;
  }
  if (n.kind != JsonKind::kInt) return in.FailType(node, IntegerName<I>());
  if constexpr (std::is_signed_v<I>) {
    if (n.sint >= std::numeric_limits<I>::min()) {
      *out = static_cast<I>(n.sint);
      return true;
    }
  }
  return in.FailValue(node, IntegerName<I>());
}

template <Struct T>
bool Read(Reading& in, size_t node, T* out);
template <PlainEnum T>
bool Read(Reading& in, size_t node, T* out) {
  const int index = ReadEnum(in, node, Table<T>::kNames, std::size(Table<T>::kNames));
  if (index < 0) return false;
  *out = static_cast<T>(index);
  return true;
}
template <Tagged T>
bool Read(Reading& in, size_t node, T* out);
template <class T>
bool Read(Reading& in, size_t node, std::optional<T>* out);
template <class T>
bool Read(Reading& in, size_t node, std::vector<T>* out) {
  if (in.tree.node(node).kind != JsonKind::kArray) return in.FailType(node, "a sequence");
  out->clear();
  out->reserve(in.tree.node(node).size);
  for (size_t child = node + 1; child != in.tree.node(node).end; child = in.tree.Next(child)) {
    if (!Read(in, child, &out->emplace_back())) return false;
  }
  return true;
}
template <class T>
bool Read(Reading& in, size_t node, std::map<std::string, T>* out) {
  if (in.tree.node(node).kind != JsonKind::kObject) return in.FailType(node, "a map");
  out->clear();
  std::map<std::string_view, size_t> last;  // of each key, where only that one counts
  for (size_t key = node + 1; key != in.tree.node(node).end; key = in.tree.Next(key + 1)) {
    if (in.duplicates == Duplicates::kLastWins) {
      last[in.tree.node(key).text()] = key + 1;
    } else if (!Read(in, key + 1, &(*out)[std::string(in.tree.node(key).text())])) {
      return false;
    }
  }
  for (const auto& [key, value] : last) {
    if (!Read(in, value, &(*out)[std::string(key)])) return false;
  }
  return true;
}
template <class T>
bool Read(Reading& in, size_t node, std::optional<T>* out) {
  if (in.tree.node(node).kind == JsonKind::kNull) {
    out->reset();
    return true;
  }
  return Read(in, node, &out->emplace());
}

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
constexpr size_t kFieldCount = std::tuple_size_v<std::remove_const_t<decltype(Table<T>::kFields)>>;
template <class T>
constexpr auto kFieldNames = []<size_t... I>(std::index_sequence<I...>) {
  return std::array<std::string_view, sizeof...(I)>{std::get<I>(Table<T>::kFields).name...};
}(std::make_index_sequence<kFieldCount<T>>());

/// One field from its node; 0: there is none.
template <size_t I, class T>
bool ReadField(Reading& in, size_t node, T* out) {
  constexpr auto& kField = std::get<I>(Table<T>::kFields);
  auto& member = out->*kField.member;
  if (node != 0) return Read(in, node, &member);
  if constexpr (kIsOptional<std::remove_reference_t<decltype(member)>>) {
    member.reset();
    return true;
  } else {
    return in.Fail("missing field `" + std::string(kField.name) + "`");
  }
}

/// Where each of `count` fields is: nodes[i], 0 for none. `skip`: a member that is no field (the tag), or empty.
bool FindFields(Reading& in, size_t object, const std::string_view* names, size_t count, std::string_view skip, size_t* nodes);

template <class T, size_t... I>
bool ReadObject(Reading& in, size_t object, std::string_view skip, [[maybe_unused]] T* out, std::index_sequence<I...>) {
  std::array<size_t, sizeof...(I) + 1> nodes{};
  if (!FindFields(in, object, kFieldNames<T>.data(), sizeof...(I), skip, nodes.data())) return false;
  return (ReadField<I>(in, nodes[I], out) && ...);
}

template <class T, size_t... I>
bool ReadArray(Reading& in, size_t array, size_t first, size_t skipped, T* out, std::index_sequence<I...>) {
  const size_t end = in.tree.node(array).end;
  size_t node = first, read = 0;
  [[maybe_unused]] const auto one = [&]<size_t K>(std::integral_constant<size_t, K>) {
    constexpr auto& kField = std::get<K>(Table<T>::kFields);
    if (node == end) {
      if (kField.absence == Absence::kOmitted) return true;
      return in.FailLength(read, "struct " + std::string(Table<T>::kName) + " with " + std::to_string(sizeof...(I)) + " elements");
    }
    const size_t here = node;
    node = in.tree.Next(node);
    ++read;
    return ReadField<K>(in, here, out);
  };
  if (!(one(std::integral_constant<size_t, I>()) && ...)) return false;
  return node == end || in.FailLength(in.tree.node(array).size - skipped, "fewer elements in array");
}

template <Struct T>
bool Read(Reading& in, size_t node, T* out) {
  constexpr auto kIndexes = std::make_index_sequence<kFieldCount<T>>();
  if (in.tree.node(node).kind == JsonKind::kObject) return ReadObject(in, node, {}, out, kIndexes);
  if (in.tree.node(node).kind == JsonKind::kArray) return ReadArray(in, node, node + 1, 0, out, kIndexes);
  return in.FailType(node, "struct " + std::string(Table<T>::kName));
}

template <class T, size_t... I>
bool ReadVariant(Reading& in, size_t node, int index, T* out, std::index_sequence<I...>) {
  const auto one = [&]<size_t K>(std::integral_constant<size_t, K>) {
    if (index != static_cast<int>(K)) return true;
    auto& value = out->event.template emplace<K>();
    using V = std::remove_reference_t<decltype(value)>;
    constexpr auto kIndexes = std::make_index_sequence<kFieldCount<V>>();
    if (in.tree.node(node).kind == JsonKind::kObject) return ReadObject(in, node, Table<T>::kTag, &value, kIndexes);
    return ReadArray(in, node, in.tree.Next(node + 1), 1, &value, kIndexes);
  };
  return (one(std::integral_constant<size_t, I>()) && ...);
}

template <Tagged T>
bool Read(Reading& in, size_t node, T* out) {
  const int index = ReadTag(in, node, Table<T>::kTag, Table<T>::kNames, std::size(Table<T>::kNames));
  if (index < 0) return false;
  if constexpr (std::is_enum_v<T>) {
    // In an object all else is ignored; an array has nothing else.
    if (in.tree.node(node).kind == JsonKind::kArray && in.tree.node(node).size != 1) {
      return in.FailLength(in.tree.node(node).size - 1, "fewer elements in array");
    }
    *out = static_cast<T>(index);
    return true;
  } else {
    const bool outer = std::exchange(in.content, true);
    const bool good = ReadVariant(in, node, index, out, std::make_index_sequence<std::size(Table<T>::kNames)>());
    in.content = outer;
    return good;
  }
}

/// `text` as a T. False: `error` says why.
template <class T>
bool ReadText(std::string_view text, Duplicates duplicates, T* out, std::string* error) {
  JsonTree tree;
  if (!tree.Parse(text)) {
    *error = tree.error();
    return false;
  }
  Reading in{tree, duplicates, {}};
  if (Read(in, JsonTree::kRoot, out)) return true;
  *error = std::move(in.error);
  return false;
}

}  // namespace weir::cclb
