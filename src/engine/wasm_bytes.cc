#include "engine/wasm_bytes.h"

#include <cstdint>
#include <string>

#include "base/wasm_module.h"

namespace weir::engine {
namespace {

constexpr size_t kHeaderBytes = 8;

Error Invalid(std::string_view name, const std::string& what) {
  return {ErrorCode::kInvalidModule, std::string(name) + ": " + what};
}

/// LEB128, at most 5 bytes. False: cut off or too long.
bool ReadU32(std::string_view bytes, size_t* at, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (*at >= bytes.size()) return false;
    const auto byte = static_cast<uint8_t>(bytes[(*at)++]);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

Result<void> CheckSections(std::string_view wasm, std::string_view name) {
  size_t at = kHeaderBytes;
  while (at < wasm.size()) {
    const size_t start = at++;
    uint64_t size;
    if (!ReadU32(wasm, &at, &size) || size > wasm.size() - at) {
      return Invalid(name, "is truncated: its section at byte " + std::to_string(start) + " goes past the end of the file (" +
                               std::to_string(wasm.size()) + " bytes); copy or build it again");
    }
    at += size;
  }
  return {};
}

}  // namespace

Result<void> CheckWasmBytes(std::string_view wasm, std::string_view name) {
  WEIR_TRY_VOID(CheckWasmHeader(wasm, name));
  return CheckSections(wasm, name);
}

}  // namespace weir::engine
