// What a plugin may look for, read from its module: names, values and paths are in its data, short ones and numbers in its code.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::fuzz {

struct Words {
  std::vector<std::string> texts;  ///< 2 to 64 printable bytes; those that are surely whole come first
  size_t whole = 0;                ///< how many of them the module names by address and length
  std::vector<uint32_t> numbers;   ///< constants of the code from 2 to 65536: lengths and limits among them
};

/// A guess: a module that is no good has no words. Compilers pack strings without separators; they are taken apart where the code or the
/// data has an address (and length) of one.
Words WordsOfModule(std::string_view wasm);

/// Whether a header may have that name: the characters of a token, as proxies let in.
bool IsHeaderName(std::string_view text);

}  // namespace weir::fuzz
