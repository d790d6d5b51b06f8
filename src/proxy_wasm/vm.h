// One instance of a module with the contexts that it knows, of one plugin or of several. After a trap it is thrown away whole.
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
  /// `spec` is what the instance is made with. It and `linked` outlive it; `first` is the plugin that it is started for.
  Vm(engine::Linked& linked, Core& first, const PluginSpec& spec);
  /// Instance and start functions, on behalf of the plugin `first`. The error says which of them failed and how.
  Result<void> Start(Core& first);
  /// A plugin context with on_vm_start and on_configure. An error, and alive(): the plugin refused; Remove it.
  Result<void> Add(Core& core);
  /// on_done, on_delete of its plugin context; its calls are cancelled. It has no other context. False: the instance is dead.
  bool Remove(Core& core);
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  /// Calls `callback` of a plugin with `context` effective (null: the plugin context). An absent one: true, `*result` as it was.
  /// False: the instance is dead.
  template <class... A>
  bool Call(Core& core, Callback callback, Context* context, uint32_t* result, A... args) {
    const engine::Function& function = callbacks_[callback];
    if (!function) return true;
    engine::RawValue slots[sizeof...(A)];
    size_t i = 0;
    ((slots[i++].i32 = uint32_t(args)), ...);
    if (&core != core_) [[unlikely]] SwitchTo(&core);
    calls_.Enter(context);
    const bool timed = core.statistics.Count(callback);
    const uint64_t begun_ns = timed ? core.host.clock.MonotonicNs() : 0;
    const bool alive = instance_->Call(function, slots, callbacks_.params(callback), budget_ms_);
    calls_.Leave();
    wasi_.Flush();
    if (timed) [[unlikely]] core.statistics.Took(callback, core.host.clock.MonotonicNs() - begun_ns, instance_->MemoryBytes());
    if (result != nullptr) *result = slots[0].i32;
    return alive;
  }
  /// The same on the plugin context, with an answer that can be read meanwhile.
  template <class... A>
  bool Deliver(Core& core, const Incoming& incoming, Callback callback, A... args) {
    calls_.set_incoming(&incoming);
    const bool alive = Call(core, callback, nullptr, nullptr, core.root_context, args...);
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

 private:
  /// The callbacks to come are that plugin's; null: of none.
  void SwitchTo(Core* core);
  Result<void> RunStartFunctions();
  Result<void> FindAllocator();
  Result<void> Configure(Core& core);
  /// `error` with the trap that ended the instance.
  Error Trapped(const Core& core, std::string_view where, std::string_view remedy = {}) const;

  engine::Linked& linked_;
  const PluginSpec& spec_;
  Core* core_ = nullptr;  ///< the plugin whose callback is called, or was
  HostCalls own_calls_;
  OwnedCalls other_calls_;  ///< of a dialect; null: there is none
  HostCalls& calls_;
  wasi::Preview1 wasi_;
  abi::Selves selves_;
  Callbacks callbacks_;
  std::unique_ptr<engine::Instance> instance_;
  ContextTable contexts_;
  Callouts callouts_;
  uint32_t next_id_ = 1;
  uint32_t budget_ms_;
};

}  // namespace weir::proxy_wasm
