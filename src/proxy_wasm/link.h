// Which ABI a module declares, and whether Weir offers what it imports.
#pragma once

#include <string_view>
#include <vector>

#include "abi/host_function.h"
#include "engine/instance.h"
#include "proxy_wasm/statuses.h"
#include "proxy_wasm/types.h"
#include "weir/engine.h"

namespace weir::proxy_wasm {

/// By its marker; the newest known when it has several. nullopt: none.
std::optional<Version> DeclaredVersion(const Module& module);
/// The three markers, for messages.
std::string_view MarkerNames();

/// Every import is one that Weir offers to this version, with that signature; memory is exported. `prefix` begins the messages.
Result<void> CheckModule(const Module& module, Version version, std::string_view prefix);

/// The imports of a checked module, each with the row of the signature it has; refused are functions of groups that are not allowed.
/// `instead`: rows that come before ours.
std::vector<engine::HostImport> ImportsFor(const Module& module, Version version, Groups allowed = ~Groups{0},
                                           std::span<const abi::HostFunction> instead = {});

}  // namespace weir::proxy_wasm
