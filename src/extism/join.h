// Puts the kernel's loads and stores into a plugin's own code.
//
// A guest reaches its input and output only by calls of load_u8, store_u64 and the like, one for each byte or word, and Wasmtime
// does not inline from one instance into another. So before a plugin is compiled, its calls of those functions are replaced by their
// bodies, as kernel.wat has them, over the kernel's memory, which becomes the plugin's memory 0; its own becomes 1. All else (tables,
// exports and indices of functions, the calls of other functions) stays as it is, and so does the fuel that a call takes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::extism {

/// Where joined plugins import the kernel's memory from. The root of it is not for guests: nothing else may.
inline constexpr std::string_view kJoinedModule = "weir:kernel", kKernelMemory = "memory";

/// Whether kJoinedModule may be offered to what became of the module: its imports can be read, and none is from there.
bool MayBeJoined(std::string_view wasm);

class KernelJoin {
 public:
  /// `kernel`: a binary; what is there of `names` and simple enough can be joined.
  KernelJoin(std::string_view kernel, std::string_view kernel_module);
  /// Of all that decides what Join makes of a module.
  const std::string& id() const { return id_; }
  /// nullopt: nothing to join, a start function, more than 128 KiB of data, or a module that this does not know how to rewrite, an
  /// invalid one among others. A module that is invalid in its code may be rewritten: it stays invalid.
  std::optional<std::string> Join(std::string_view plugin) const;

 private:
  friend class Joiner;
  /// A function: its code with gaps where a local's index goes.
  struct Inline {
    std::string name;
    std::vector<uint8_t> params;
    uint8_t block_type = 0;
    struct Piece {
      std::string code;
      std::optional<uint32_t> local;  ///< behind the code
    };
    std::vector<Piece> pieces;
  };
  const Inline* Find(std::string_view name) const;

  std::string module_, id_, memory_limits_;
  std::vector<Inline> inlines_;
};

}  // namespace weir::extism
