#include "proxy_wasm/callouts.h"

#include "proxy_wasm/core.h"

namespace weir::proxy_wasm {

Callouts::~Callouts() {
  while (!by_id_.empty()) Cancel(by_id_.begin()->second);
}

void Callouts::Add(Callout callout) {
  callout.started_ns = core_.host.clock.MonotonicNs();
  ids_.emplace(callout.token, callout.id);
  if (callout.context != kRootContextId) of_contexts_.emplace(callout.context, callout.id);
  by_id_.emplace(callout.id, std::move(callout));
  ++core_.stats.calls_started;
}

Callout* Callouts::Find(uint32_t id) {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &at->second;
}

Callout* Callouts::FindToken(CallToken token) {
  const auto at = ids_.find(token);
  return at == ids_.end() ? nullptr : Find(at->second);
}

void Callouts::End(const Callout& callout, std::string_view outcome) {
  core_.CallEnded(callout.upstream, outcome, core_.host.clock.MonotonicNs() - callout.started_ns);
  of_contexts_.erase({callout.context, callout.id});
  ids_.erase(callout.token);
  by_id_.erase(callout.id);  // last: `callout` is in it
}

void Callouts::Cancel(const Callout& callout) {
  core_.host.calls.Cancel(callout.token);
  End(callout, kCancelled);
}

void Callouts::CancelOf(uint32_t context) {
  for (auto at = of_contexts_.lower_bound({context, 0}); at != of_contexts_.end() && at->first == context;
       at = of_contexts_.lower_bound({context, 0}))
    Cancel(*Find(at->second));
}

}  // namespace weir::proxy_wasm
