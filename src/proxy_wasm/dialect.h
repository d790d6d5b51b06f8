// Another host's answers over the same ABI, for a runner that must answer as that host does (src/suite): rows in place of ours, on a
// class derived from HostCalls. Codecs, callbacks, contexts and limits stay those of this folder.
#pragma once

#include <memory>
#include <span>

#include "abi/host_function.h"

namespace weir::proxy_wasm {

class HostCalls;
class Vm;
struct Core;

/// HostCalls has no virtual destructor: who makes one says how it goes.
using OwnedCalls = std::unique_ptr<HostCalls, void (*)(HostCalls*)>;

/// Outlives the plugins that were loaded with it.
struct Dialect {
  /// Each is linked in place of the row of module "env" that has its name and signature.
  std::span<const abi::HostFunction> rows;
  /// Of the class that the methods of `rows` belong to.
  OwnedCalls (*make_calls)(const Dialect& dialect, Core& core, Vm& vm);
  /// proxy_on_delete follows proxy_on_done whatever that answered, and proxy_on_log is never called.
  bool ends_without_log = false;
};

}  // namespace weir::proxy_wasm
