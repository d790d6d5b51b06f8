// The host functions of cc-lb: extism:host/user::cc_lb_*.
#pragma once

#include <vector>

#include "weir/cclb/host.h"
#include "weir/extism.h"

namespace weir::cclb {

/// What a row works with; outlives the compiled plugin.
struct HostFunctionContext {
  HostFunctions functions;
  Telemetry& telemetry;
  const std::function<int64_t()>& now_ms;
};
std::vector<extism::HostFunction> MakeHostFunctions(std::shared_ptr<const HostFunctionContext> context);

}  // namespace weir::cclb
