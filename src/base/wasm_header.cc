// What a file is that claims to be a module, by its first bytes.
#include <algorithm>

#include "base/wasm_module.h"

namespace weir {
namespace {

constexpr std::string_view kMagic("\0asm", 4);
constexpr uint64_t kHeaderBytes = 8;

Error Invalid(std::string_view name, std::string_view what) {
  return {ErrorCode::kInvalidModule, std::string(name) + ": " + std::string(what)};
}

bool LooksLikeText(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t first = bytes.find_first_not_of(" \t\r\n");
    if (first == bytes.npos) return false;
    bytes.remove_prefix(first);
    if (!bytes.starts_with(";;")) break;
    bytes.remove_prefix(std::min(bytes.find('\n'), bytes.size()));
  }
  return bytes.starts_with("(module") || bytes.starts_with("(component") || bytes.starts_with("(;") ||
         (bytes.starts_with("(") && bytes.find("module") != bytes.npos);
}

struct OtherFormat {
  std::string_view magic, what;
};
constexpr OtherFormat kOtherFormats[] = {
    {"\x7f" "ELF", "is native code (ELF), not WebAssembly: give the .wasm file (a .cwasm artefact of Wasmtime is not accepted)"},
    {"\x1f\x8b", "is compressed with gzip: unpack it first (gunzip)"},
    {"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first (unzstd)"},
    {"PK\x03\x04", "is a zip archive: unpack it first (unzip)"},
    {"BC\xc0\xde", "is LLVM bitcode: link it with wasm-ld first"},
    {"!<arch>", "is an archive of object files: link it with wasm-ld first"},
    {"<", "is HTML or XML text, not WebAssembly: the download probably failed"},
};

}  // namespace

Result<void> CheckWasmHeader(std::string_view bytes, std::string_view name) {
  if (bytes.empty()) return Invalid(name, "is empty: build or copy the plugin again");
  for (const OtherFormat& other : kOtherFormats) {
    if (bytes.starts_with(other.magic)) return Invalid(name, other.what);
  }
  if (LooksLikeText(bytes)) {
    return Invalid(name, "is WebAssembly text (WAT): compile it to a binary first (wat2wasm)");
  }
  if (bytes.size() < kHeaderBytes && kMagic.starts_with(bytes.substr(0, kMagic.size()))) {
    return Invalid(name, "is cut off after " + std::to_string(bytes.size()) + " bytes: build or copy the plugin again");
  }
  if (!bytes.starts_with(kMagic)) {
    return Invalid(name, "is not WebAssembly (it does not begin with \"\\0asm\"): give the plugin's .wasm file");
  }
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const unsigned version = at(4) | at(5) << 8, layer = at(6) | at(7) << 8;
  if (layer == 1) {
    return Invalid(name, "is a WebAssembly component, a plugin is a core module: build for the target wasm32-wasip1, not wasip2");
  }
  if (version != 1 || layer != 0) {
    return Invalid(name, "is WebAssembly of version " + std::to_string(version) + " layer " + std::to_string(layer) +
                             ", known is version 1 layer 0: build it with a current toolchain");
  }
  return {};
}

}  // namespace weir
