// A Proxy-Wasm plugin of one worker: its context in the instance that serves it, and what follows when that dies.
#pragma once

#include <memory>
#include <string_view>

#include "proxy_wasm/context.h"
#include "proxy_wasm/core.h"
#include "proxy_wasm/dialect.h"
#include "proxy_wasm/shared_vm.h"
#include "proxy_wasm/vm.h"
#include "weir/plugin.h"

namespace weir::proxy_wasm {

/// Lets through a burst of restarts, then one an interval.
class RestartBudget {
 public:
  explicit RestartBudget(const Limits& limits)
      : burst_(limits.restarts_burst), interval_ns_(uint64_t(limits.restart_interval_ms) * 1'000'000), left_(burst_) {}
  bool available(uint64_t now_ns) const;
  /// Takes one. Precondition: available(now_ns).
  void Take(uint64_t now_ns);

 private:
  uint64_t Refilled(uint64_t now_ns) const;
  uint64_t burst_, interval_ns_, left_, since_ns_ = 0;
};

class ProxyWasmPlugin final : public Plugin, private CallEvents {
 public:
  /// The module's markers and imports are checked already. The error names the plugin.
  static Result<std::unique_ptr<Plugin>> Load(Engine& engine, std::shared_ptr<const Module> module, Version version,
                                              PluginSpec spec, Host& host, const Dialect* dialect = nullptr);
  ~ProxyWasmPlugin() override;

  const PluginSpec& spec() const override { return core_.spec; }
  const PluginStats& stats() const override { return core_.stats; }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream& stream) override;
  std::unique_ptr<TcpFilter> NewTcpFilter(TcpStream& stream) override;
  void UseStreamId(uint32_t id) override;
  void OnTick() override;
  void OnQueueReady(uint32_t queue_id) override;
  void OnForeignFunction(uint32_t function_id, std::string_view arguments) override;
  /// What the destructor does to the guest, with its failure: afterwards only spec() and stats() are of use.
  Result<void> Shutdown();

  // For Context:
  /// The instance trapped in `where`. Every other stream that it served is told to apply its policy; `trigger` (may be null)
  /// tells its own. An orphaned trigger is freed.
  void OnDeath(Context* trigger, std::string_view where) { vm_->Died(*this, trigger, where); }
  /// Contexts that wait for proxy_done, the oldest and so the one with the first deadline first; and those that had it.
  ContextList& waiting() { return waiting_; }
  ContextList& done() { return done_; }
  bool pending() const { return first_pending() != nullptr; }
  /// Ends the contexts whose proxy_done came, or whose time is over.
  void FinalizeReady();
  uint64_t done_deadline_ns();
  /// The stream of that context is over, and the instance lives.
  void StreamEnded(uint32_t context) {
    if (probing_ && context == probe_context_) [[unlikely]] Proved();
  }
  ContextPool& pool() { return pool_; }
  bool waits_for_done() const { return core_.dialect == nullptr || !core_.dialect->ends_without_log; }

  // For SharedVm:
  Core& core() { return core_; }
  /// It has its context in the instance that lives.
  bool up() const { return core_.root_context != 0; }
  /// No failure of its own forbids a start now. Takes one restart of its budget.
  bool MayStart();
  /// Its context in `vm`, on_vm_start, on_configure.
  Result<void> StartIn(Vm& vm);
  /// The instance was not made.
  void NotStarted() { ++core_.stats.instances; }
  /// What StartIn answered to another one's start.
  void StartFailed(const std::string& message);
  void Failed(std::string_view what, const std::string& message);
  /// A failure of `culprit` ended the instance.
  void Lost(std::string_view culprit);
  /// It has no context any more: the instance is gone, or refused it.
  void Ended();

 private:
  ProxyWasmPlugin(PluginSpec spec, Host& host, Version version);
  /// A stream context for an HttpStream or TcpStream. Null: down.
  template <class AnyStream>
  std::unique_ptr<Context> NewContext(AnyStream& stream);
  /// A context in an instance, now or made now. False: down.
  bool EnsureUp();
  /// EnsureUp for a stream. After the plugin was down, the new instance is on probation: one stream has it, the others get on_error until
  /// that one is over, or the instance has lived for restart_interval_ms.
  bool Admit();
  void Proved();
  Context* first_pending() const { return done_.first() != nullptr ? done_.first() : waiting_.first(); }

  // CallEvents, on the plugin context:
  void OnHttpAnswer(CallToken token, HttpAnswer answer) override;
  void OnGrpcMetadata(CallToken token, HeaderList metadata) override;
  void OnGrpcMessage(CallToken token, std::string message) override;
  void OnGrpcTrailers(CallToken token, HeaderList metadata) override;
  void OnGrpcClose(CallToken token, GrpcStatus status, std::string message) override;
  /// Null, and counted: nobody waits for it.
  Callout* Waiting(CallToken token);
  void DeliverMetadata(CallToken token, HeaderList metadata, MapType type, Callback callback);
  void DeliverMessage(uint32_t id, const std::string& message);
  /// What follows a callback.
  void Delivered(bool alive, Callback callback);

  Core core_;
  ContextPool pool_;
  RestartBudget restarts_;
  std::shared_ptr<SharedVm> vm_;
  ContextList waiting_, done_;
  bool failed_ = false;     ///< the instance ended by its failure, not by another plugin's: the next one takes of `restarts_`
  bool down_said_ = false;  ///< the log knows that the plugin is down
  bool probing_ = false;    ///< the instance has still to prove itself
  uint32_t probe_context_ = 0;  ///< the stream that has it; 0: none yet
  uint64_t probe_until_ns_ = 0;
};

}  // namespace weir::proxy_wasm
