#include "engine/wasm_bytes.h"

#include <cstdint>
#include <string>

namespace weir::engine {
namespace {

using namespace std::literals;

constexpr std::string_view kMagic = "\0asm"sv;
constexpr size_t kHeaderBytes = 8;  // magic, version (16 bits), layer (16 bits): 1, 0 of a module; 13, 1 of a component

struct Lookalike {
  std::string_view prefix;
  const char* what;
};
constexpr Lookalike kLookalikes[] = {
    {"\x1f\x8b"sv, "is a gzip archive; unpack it and name the .wasm file inside"},
    {"PK\x03\x04"sv, "is a zip archive; unpack it and name the .wasm file inside"},
    {"\x28\xb5\x2f\xfd"sv, "is compressed with zstd; unpack it first"},
    {"\x7f" "ELF"sv, "is a native ELF file; build the plugin for a wasm32 target (wasm32-wasip1)"},
    {"BC\xc0\xde"sv, "is LLVM bitcode; link it with wasm-ld"},
    {"!<arch>\n"sv, "is a static library; link a cdylib or an executable for wasm32"},
    {"<"sv, "is HTML or XML, not WebAssembly; was it downloaded from a page that shows an error?"},
    {"{"sv, "is JSON, not WebAssembly; is it the plugin's configuration (config=) or an OCI manifest?"},
};

Error Invalid(std::string_view name, const std::string& what) {
  return {ErrorCode::kInvalidModule, std::string(name) + ": " + what};
}

/// WebAssembly text: after white space and comments comes "(module" or another field.
bool LooksLikeText(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at);
    if (rest.starts_with(";;")) {
      const size_t end = rest.find('\n');
      if (end == rest.npos) return false;
      at += end + 1;
    } else if (rest.starts_with("(;")) {
      const size_t end = rest.find(";)");
      if (end == rest.npos) return false;
      at += end + 2;
    } else if (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n') {
      ++at;
    } else {
      return rest[0] == '(';
    }
  }
  return false;
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
  if (wasm.empty()) return Invalid(name, "is empty; a plugin is a WebAssembly module (.wasm)");
  if (!wasm.starts_with(kMagic)) {
    if (LooksLikeText(wasm)) return Invalid(name, "is WebAssembly text; convert it with wat2wasm");
    for (const Lookalike& row : kLookalikes) {
      if (wasm.starts_with(row.prefix)) return Invalid(name, row.what);
    }
    if (kMagic.starts_with(wasm)) return Invalid(name, "is truncated: it ends inside the header; copy or build it again");
    return Invalid(name, "is not WebAssembly: it does not begin with \"\\0asm\"");
  }
  if (wasm.size() < kHeaderBytes) return Invalid(name, "is truncated: it ends inside the header; copy or build it again");
  const auto version = static_cast<uint8_t>(wasm[4]) | static_cast<uint8_t>(wasm[5]) << 8;
  const auto layer = static_cast<uint8_t>(wasm[6]) | static_cast<uint8_t>(wasm[7]) << 8;
  if (layer == 1) {
    return Invalid(name, "is a component; Weir runs core modules: build for wasm32-wasip1 and skip the step that makes a component");
  }
  if (version != 1 || layer != 0) {
    return Invalid(name, "is WebAssembly of version " + std::to_string(version) + "; Weir runs version 1");
  }
  return CheckSections(wasm, name);
}

}  // namespace weir::engine
