#include "engine/wasmtime_util.h"

#include <algorithm>

namespace weir::engine {
namespace {

constexpr wasm_valkind_t kKinds[] = {WASM_I32, WASM_I64, WASM_F32, WASM_F64};  // in the order of ValType
constexpr const char* kNames[] = {"i32", "i64", "f32", "f64"};
constexpr uint8_t kVectorOrReference = 255;  // crosses no border of ours

/// The index into ValType, or kVectorOrReference. (wasm_valtype_kind ends the process at v128.)
uint8_t KindOf(const wasm_valtype_t& type, const char** name = nullptr) {
  wasmtime_valtype_t full;
  wasmtime_valtype_new(&type, &full);
  const wasmtime_valtype_kind_t kind = full.kind;
  const char* text = "a reference";
  if (kind <= WASMTIME_VALTYPE_KIND_F64) {
    text = kNames[kind];
  } else if (kind == WASMTIME_VALTYPE_KIND_V128) {
    text = "v128";
  } else if (full.reftype.heaptype.kind == WASMTIME_HEAPTYPE_KIND_EXTERN) {
    text = "externref";
  } else if (full.reftype.heaptype.kind == WASMTIME_HEAPTYPE_KIND_FUNC) {
    text = "funcref";
  }
  wasmtime_valtype_delete(&full);
  if (name != nullptr) *name = text;
  return kind <= WASMTIME_VALTYPE_KIND_F64 ? kind : kVectorOrReference;
}

const char* NameOf(const wasm_valtype_t& type) {
  const char* name;
  KindOf(type, &name);
  return name;
}

template <class Name>
std::string Print(size_t params, size_t results, Name name) {
  std::string text = "(";
  for (size_t i = 0; i < params; ++i) text += (i == 0 ? "" : ", ") + std::string(name(i, true));
  text += ") -> ";
  if (results != 1) text += "(";
  for (size_t i = 0; i < results; ++i) text += (i == 0 ? "" : ", ") + std::string(name(i, false));
  if (results != 1) text += ")";
  return text;
}

bool SameKinds(const wasm_valtype_vec_t& have, std::span<const ValType> want) {
  if (have.size != want.size()) return false;
  for (size_t i = 0; i < want.size(); ++i) {
    if (KindOf(*have.data[i]) != static_cast<uint8_t>(want[i])) return false;
  }
  return true;
}

void FillKinds(std::span<const ValType> types, wasm_valtype_vec_t* out) {
  wasm_valtype_vec_new_uninitialized(out, types.size());
  for (size_t i = 0; i < types.size(); ++i) out->data[i] = wasm_valtype_new(kKinds[static_cast<size_t>(types[i])]);
}

}  // namespace

std::string Take(wasm_byte_vec_t* bytes) {
  std::string text(bytes->data, bytes->size);
  wasm_byte_vec_delete(bytes);
  return text;
}

std::string Message(const wasmtime_error_t& error) {
  wasm_byte_vec_t bytes;
  wasmtime_error_message(&error, &bytes);
  return Take(&bytes);
}

std::string Message(const wasm_trap_t& trap) {
  wasm_byte_vec_t bytes;
  wasm_trap_message(&trap, &bytes);
  std::string text = Take(&bytes);
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

std::string OneLine(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == ':' || part.back() == '\r')) part.remove_suffix(1);
    if (part.empty() || part == "Caused by") continue;
    if (!line.empty()) line += ": ";
    line += part;
  }
  return line;
}

std::string Signature(const wasm_functype_t& type) {
  const wasm_valtype_vec_t* params = wasm_functype_params(&type);
  const wasm_valtype_vec_t* results = wasm_functype_results(&type);
  return Print(params->size, results->size, [&](size_t i, bool param) {
    return NameOf(*(param ? params : results)->data[i]);
  });
}

std::string Signature(std::span<const ValType> params, std::span<const ValType> results) {
  return Print(params.size(), results.size(), [&](size_t i, bool param) {
    return kNames[static_cast<size_t>((param ? params : results)[i])];
  });
}

bool SameType(const wasm_functype_t& type, std::span<const ValType> params, std::span<const ValType> results) {
  return SameKinds(*wasm_functype_params(&type), params) && SameKinds(*wasm_functype_results(&type), results);
}

FuncTypePtr NewFuncType(std::span<const ValType> params, std::span<const ValType> results) {
  wasm_valtype_vec_t in, out;
  FillKinds(params, &in);
  FillKinds(results, &out);
  return FuncTypePtr(wasm_functype_new(&in, &out));
}

}  // namespace weir::engine
