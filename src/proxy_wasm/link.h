// Which ABI a module declares, and whether Weir offers what it imports.
#pragma once

#include <span>
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

/// An import of a module as Weir answers it.
struct LinkedCall {
  const abi::HostFunction* row;
  std::string_view module;
  engine::HostThunk thunk;  ///< the row's, or the one that refuses
};
/// The imports of a checked module, each with the row of the signature it has; refused are functions of groups that are not allowed.
std::vector<LinkedCall> CallsOf(const Module& module, Version version, Groups allowed = ~Groups{0});
/// As the engine wants them. `observed`: by way of Selves::listener.
std::vector<engine::HostImport> ImportsOf(std::span<const LinkedCall> calls, bool observed);

}  // namespace weir::proxy_wasm
