// Host calls as an observer sees them, read off the rows of their tables.
#pragma once

#include "abi/host_function.h"
#include "proxy_wasm/core.h"

namespace weir::proxy_wasm {

class HostCalls;

/// Linked to instances whose host has an observer that wants host calls.
class ObservedCalls final : public abi::HostCallListener {
 public:
  /// All outlive it.
  ObservedCalls(Core& core, HostCalls& calls, abi::Selves& selves) : core_(core), calls_(calls), selves_(selves) {}
  engine::HostOutcome OnHostCall(engine::Instance& instance, engine::RawValue* slots, engine::HostThunk call) noexcept override;

 private:
  Core& core_;
  HostCalls& calls_;
  abi::Selves& selves_;
};

}  // namespace weir::proxy_wasm
