// What bytes are that an operator named as a plugin, in words, before the compiler sees them.
#pragma once

#include <string_view>

#include "weir/result.h"

namespace weir::engine {

/// An error unless `wasm` begins as a core module and its sections end where the file does. `name` is the file.
Result<void> CheckWasmBytes(std::string_view wasm, std::string_view name);

}  // namespace weir::engine
