// The functions of compiled modules by address.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/engine.h"

namespace weir::measure {

class Symbols {
 public:
  /// Adds the functions of a module that `engine` compiled. Its name goes in front of theirs when `prefix` is not empty.
  Result<void> Add(Engine& engine, const Module& module, std::string_view prefix = "");
  /// The code of all that were added.
  bool Contains(uintptr_t address) const {
    for (const Range& range : ranges_)
      if (address - range.begin < range.size) return true;
    return false;
  }
  /// The function at `address`. Empty: none, or a trampoline, which nobody wrote.
  std::string_view At(uintptr_t address) const;

 private:
  struct Range {
    uintptr_t begin, size;
  };
  struct Function {
    uintptr_t begin, size;
    std::string name;
  };
  std::vector<Range> ranges_;
  std::vector<Function> functions_;  ///< by address
};

/// "wasm[0]::function[12]::_ZN3foo3bar17h0123456789abcdefE" -> "foo::bar"; "wasm[0]::function[3]" -> "function[3]".
std::string FunctionName(std::string_view symbol);

}  // namespace weir::measure
