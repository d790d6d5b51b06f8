#include "proxy_wasm/callouts.h"

#include "proxy_wasm/core.h"

namespace weir::proxy_wasm {

Callouts::~Callouts() {
  while (!by_id_.empty()) Cancel(by_id_.begin()->second);
}

void Callouts::Add(Callout callout) {
  Core& core = *callout.core;
  callout.started_ns = core.host.clock.MonotonicNs();
  ids_.emplace(callout.token, callout.id);
  if (callout.context != 0) of_contexts_.emplace(callout.context, callout.id);
  by_id_.emplace(callout.id, std::move(callout));
  ++core.stats.calls_started;
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
  callout.core->CallEnded(callout.upstream, outcome, callout.core->host.clock.MonotonicNs() - callout.started_ns);
  of_contexts_.erase({callout.context, callout.id});
  ids_.erase(callout.token);
  by_id_.erase(callout.id);  // last: `callout` is in it
}

void Callouts::Cancel(const Callout& callout) {
  callout.core->host.calls.Cancel(callout.token);
  End(callout, kCancelled);
}

void Callouts::CancelOf(uint32_t context) {
  for (auto at = of_contexts_.lower_bound({context, 0}); at != of_contexts_.end() && at->first == context;
       at = of_contexts_.lower_bound({context, 0}))
    Cancel(*Find(at->second));
}

void Callouts::CancelOf(const Core& core) {
  for (auto at = by_id_.begin(); at != by_id_.end();) {
    const Callout& callout = (at++)->second;
    if (callout.core == &core) Cancel(callout);
  }
}

}  // namespace weir::proxy_wasm
