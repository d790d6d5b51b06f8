// A trap of Wasmtime as ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/wasmtime_util.h"

namespace weir::engine {

/// Kind and words by the trap's code. A message of somebody else (a host function's) is taken as it is.
Trap DecodeTrap(const wasm_trap_t& trap);
/// The frames in a message of Wasmtime, innermost first: "function (file:line)", one a line.
std::string BacktraceOf(std::string_view message);
/// "unreachable (its memory is at the limit of 256 MiB)": what a guest does that gets no more memory looks like a fault of its own.
std::string MemoryNote(uint64_t size_bytes, uint64_t limit_bytes);
/// "256 MiB", "1.5 GiB", "640 KiB".
std::string Bytes(uint64_t bytes);

}  // namespace weir::engine
