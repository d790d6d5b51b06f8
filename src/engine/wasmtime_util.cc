#include "engine/wasmtime_util.h"

#include <algorithm>

namespace weir::engine {
namespace {

constexpr wasm_valkind_t kKinds[] = {WASM_I32, WASM_I64, WASM_F32, WASM_F64};  // in the order of ValType

const char* KindName(wasm_valkind_t kind) {
  switch (kind) {
    case WASM_I32: return "i32";
    case WASM_I64: return "i64";
    case WASM_F32: return "f32";
    case WASM_F64: return "f64";
    case WASM_EXTERNREF: return "externref";
    case WASM_FUNCREF: return "funcref";
    default: return "v128 or another reference";
  }
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
    if (wasm_valtype_kind(have.data[i]) != kKinds[static_cast<size_t>(want[i])]) return false;
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
    return KindName(wasm_valtype_kind((param ? params : results)->data[i]));
  });
}

std::string Signature(std::span<const ValType> params, std::span<const ValType> results) {
  return Print(params.size(), results.size(), [&](size_t i, bool param) {
    return KindName(kKinds[static_cast<size_t>((param ? params : results)[i])]);
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
