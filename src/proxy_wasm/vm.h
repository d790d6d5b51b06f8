// One instance of a plugin's module with the contexts that it knows. After a trap it is thrown away whole.
#pragma once

#include <algorithm>
#include <memory>

#include "abi/host_function.h"
#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/callouts.h"
#include "proxy_wasm/context.h"
#include "proxy_wasm/core.h"
#include "proxy_wasm/dialect.h"
#include "proxy_wasm/host_calls.h"
#include "wasi/preview1.h"

namespace weir::proxy_wasm {

class Vm {
 public:
  explicit Vm(Core& core);
  /// Instance, start functions, root context, on_vm_start, on_configure. The error says which of them failed and how.
  Result<void> Start();
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  /// Calls `callback` with `context` effective (null: the plugin context). An absent one: true, `*result` as it was.
  /// False: the instance is dead.
  template <class... A>
  bool Call(Callback callback, Context* context, uint32_t* result, A... args) {
    const engine::Function& function = callbacks_[callback];
    if (!function) return true;
    engine::RawValue slots[sizeof...(A)];
    size_t i = 0;
    ((slots[i++].i32 = uint32_t(args)), ...);
    calls_.Enter(context);
    const bool timed = core_.statistics.Count(callback);
    const uint64_t begun_ns = timed ? core_.host.clock.MonotonicNs() : 0;
    const bool alive = instance_->Call(function, slots, callbacks_.params(callback), budget_ms_);
    calls_.Leave();
    wasi_.Flush();
    if (timed) [[unlikely]] core_.statistics.Took(callback, core_.host.clock.MonotonicNs() - begun_ns, instance_->MemoryBytes());
    if (result != nullptr) *result = slots[0].i32;
    return alive;
  }
  /// The same on the plugin context, with an answer that can be read meanwhile.
  template <class... A>
  bool Deliver(const Incoming& incoming, Callback callback, A... args) {
    calls_.set_incoming(&incoming);
    const bool alive = Call(callback, nullptr, nullptr, kRootContextId, args...);
    calls_.set_incoming(nullptr);
    return alive;
  }
  bool has(Callback callback) const { return bool(callbacks_[callback]); }
  bool alive() const { return instance_ && instance_->alive(); }
  const engine::Trap& trap() const { return instance_->trap(); }

  /// Never reused within an instance; 0: all are used up.
  uint32_t TakeContextId() { return next_id_ == UINT32_MAX ? 0 : next_id_++; }
  void UseContextId(uint32_t id) { next_id_ = std::max(next_id_, id); }
  ContextTable& contexts() { return contexts_; }
  Callouts& callouts() { return callouts_; }
  /// Contexts that wait for proxy_done, the oldest and so the one with the first deadline first; and those that had it.
  ContextList& waiting() { return waiting_; }
  ContextList& done() { return done_; }
  bool pending() const { return first_pending() != nullptr; }
  Context* first_pending() const { return done_.first() != nullptr ? done_.first() : waiting_.first(); }
  /// on_done, on_log, on_delete of the plugin context.
  void Shutdown();
  Core& core() { return core_; }

 private:
  Result<void> RunStartFunctions();
  Result<void> FindAllocator();
  Result<void> Configure();
  /// `error` with the trap that ended the instance.
  Error Trapped(std::string_view where) const;

  Core& core_;
  HostCalls own_calls_;
  OwnedCalls other_calls_;  ///< of a dialect; null: there is none
  HostCalls& calls_;
  wasi::Preview1 wasi_;
  abi::Selves selves_;
  Callbacks callbacks_;
  std::unique_ptr<engine::Instance> instance_;
  ContextTable contexts_;
  Callouts callouts_;
  uint32_t next_id_ = kRootContextId + 1;
  uint32_t budget_ms_;
  ContextList waiting_, done_;
};

}  // namespace weir::proxy_wasm
