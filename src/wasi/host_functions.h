// The table of WASI preview1: every function, so that everything links.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "abi/host_function.h"

namespace weir::wasi {

inline constexpr std::string_view kModule = "wasi_snapshot_preview1";
inline constexpr std::string_view kUnstableModule = "wasi_unstable";  ///< its name before; poll_oneoff has another layout

/// In the order of the specification. Empty: `module` is neither of the two.
std::span<const abi::HostFunction> HostFunctions(std::string_view module = kModule);

/// Whether Weir does nothing but refuse it: files, sockets, signals.
bool OnlyRefused(const abi::HostFunction& row);

/// docs/wasi.md.
std::string Documentation();

}  // namespace weir::wasi
