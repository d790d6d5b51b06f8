// Small bridges between Wasmtime's C types and ours. Included by src/engine alone.
#pragma once

#include <wasmtime.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/instance.h"

namespace weir::engine {

/// std::unique_ptr over one of the C API's delete functions.
template <auto kDelete>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const noexcept {
    kDelete(pointer);
  }
};
using EnginePtr = std::unique_ptr<wasm_engine_t, Deleter<wasm_engine_delete>>;
using ModulePtr = std::unique_ptr<wasmtime_module_t, Deleter<wasmtime_module_delete>>;
using StorePtr = std::unique_ptr<wasmtime_store_t, Deleter<wasmtime_store_delete>>;
using LinkerPtr = std::unique_ptr<wasmtime_linker_t, Deleter<wasmtime_linker_delete>>;
using InstancePrePtr = std::unique_ptr<wasmtime_instance_pre_t, Deleter<wasmtime_instance_pre_delete>>;
using FuncTypePtr = std::unique_ptr<wasm_functype_t, Deleter<wasm_functype_delete>>;
using ErrorPtr = std::unique_ptr<wasmtime_error_t, Deleter<wasmtime_error_delete>>;
using TrapPtr = std::unique_ptr<wasm_trap_t, Deleter<wasm_trap_delete>>;

/// A byte vector of the C API as a string; frees it.
std::string Take(wasm_byte_vec_t* bytes);
std::string Message(const wasmtime_error_t& error);
std::string Message(const wasm_trap_t& trap);
/// Line ends and what is around them as one ": ", for messages of several lines.
std::string OneLine(std::string_view text);

/// "(i32, i64) -> i32"; no result: "(i32) -> ()".
std::string Signature(const wasm_functype_t& type);
std::string Signature(std::span<const ValType> params, std::span<const ValType> results);
bool SameType(const wasm_functype_t& type, std::span<const ValType> params, std::span<const ValType> results);
FuncTypePtr NewFuncType(std::span<const ValType> params, std::span<const ValType> results);

}  // namespace weir::engine
