// One row of an ABI's table of host functions: all that the linker, the import check, the documentation, the pointer matrix
// and the fuzzer need to know. Rows are made by Fn<> (bind.h), which reads the types off a C++ method.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/instance.h"

namespace weir::abi {

/// What a parameter means to the guest's memory.
enum class Role : uint8_t {
  kValue,   ///< a number
  kData,    ///< address of bytes the host reads; the next parameter is their kSize
  kBuffer,  ///< address of bytes the host writes; the next parameter is their kSize
  kSize,    ///< how many elements of `bytes` bytes are at the address before it
  kReturn,  ///< address of `bytes` bytes that the host writes
};

struct Param {
  engine::ValType type = engine::ValType::kI32;
  Role role = Role::kValue;
  uint8_t bytes = 0;  ///< kData, kBuffer, kSize: of one element; kReturn: of the value written
};

/// A set of versions of an ABI, one bit each; the bits' meaning is the family's.
using Versions = uint8_t;

inline constexpr size_t kArgsMax = 12;  // proxy_grpc_call

struct HostFunction {
  std::string_view name;
  std::string_view section;  ///< heading of the specification
  Versions versions = 0;
  std::array<std::string_view, kArgsMax> args;  ///< the specification's names
  std::span<const Param> params;
  std::span<const engine::ValType> types;  ///< those of `params`
  std::span<const engine::ValType> results;
  engine::HostThunk thunk = nullptr;
  engine::HostThunk refused = nullptr;  ///< linked in its place to an instance that may not call it; null: the family refuses none
  uint32_t extra = 0;  ///< the family's: for Proxy-Wasm the statuses that SDKs tolerate
};

/// What Instance::self() points to: the object of each family of host functions that the instance imports.
struct Selves {
  void* family = nullptr;  ///< Proxy-Wasm or Extism
  void* wasi = nullptr;
};

/// "(i32, i64) -> i32", as ExternInfo::signature has it.
std::string Signature(const HostFunction& row);
/// "name(i32 map_id, i32 key_data) -> i32".
std::string Declaration(const HostFunction& row);
/// The rows as imports of `module`.
std::vector<engine::HostImport> Imports(std::string_view module, std::span<const HostFunction> rows);

/// A Markdown table: function, versions, section, and what `note` adds. For docs/host-functions.md.
std::string PrintTable(std::span<const HostFunction> rows, std::span<const std::string_view> version_names,
                       std::string_view note_heading, std::string (*note)(const HostFunction&));

}  // namespace weir::abi
