// Every host function of Proxy-Wasm 0.1.0, 0.2.0 and 0.2.1, module "env".
#pragma once

#include <span>
#include <string>

#include "abi/host_function.h"

namespace weir::proxy_wasm {

inline constexpr std::string_view kModule = "env";

/// In the order of the specification. A name may come twice, with two signatures or in two spellings.
std::span<const abi::HostFunction> HostFunctions();
/// docs/host-functions.md.
std::string HostFunctionsDocument();

}  // namespace weir::proxy_wasm
