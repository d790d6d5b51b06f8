// What the registry (registration.h) asks about a module, answered by running it.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "weir/cclb/host.h"
#include "weir/cclb/registration.h"

namespace weir::cclb {

struct ExaminerOptions {
  std::set<std::string> capabilities;         ///< of the host, for the offer
  const HostFunctions* functions = nullptr;   ///< linked in handshake and self-check; null: none, as in the reference. `plugin` is filled in
  uint64_t ttl_seconds = Limit::kFreshSeconds;
};
/// `host` outlives it.
std::unique_ptr<PluginExaminer> NewExaminer(Host& host, ExaminerOptions options = {});

}  // namespace weir::cclb
