// What Weir counts of a plugin in one worker, in cells that the embedder keeps (weir::Metrics::Own).
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "engine/instance.h"
#include "proxy_wasm/callbacks.h"
#include "weir/host.h"

namespace weir::proxy_wasm {

class Statistics {
 public:
  /// The first call of each callback is timed, and each 16th after it: two looks at the clock cost more than a small callback.
  static constexpr uint64_t kTimedEach = 16;

  Statistics(Metrics& metrics, std::string_view plugin);
  Statistics(const Statistics&) = delete;
  Statistics& operator=(const Statistics&) = delete;

  /// The module has that callback.
  void Has(Callback callback);
  /// Before each call. True: time it, for Took.
  bool Count(Callback callback) {
    OwnCell& calls = *callbacks_[size_t(callback)].calls;
    calls.Add(1);
    return calls.value() % kTimedEach == 1;
  }
  void Took(Callback callback, uint64_t ns, uint64_t memory_bytes);
  void InstanceStarted(uint64_t memory_bytes);
  void InstanceGone(engine::Trap::Kind kind);
  /// By a failure of another plugin that shares it.
  void InstanceLost();
  void StartFailed();
  /// No instance: the plugin is down, or being started again.
  void Down();
  void Stream() { streams_->Add(1); }
  /// A host call whose status was swallowed.
  void Rejected(std::string_view call, std::string_view status);
  /// A call to an upstream is over. Where a plugin may name any host, those after the first kUpstreamsMax are counted as "other".
  void CallEnded(std::string_view upstream, std::string_view outcome, uint64_t ns);
  /// The answer to a call whose context or instance is gone.
  void AnswerDropped();
  static constexpr size_t kUpstreamsMax = 100;

 private:
  struct PerCallback {
    OwnCell* calls;
    OwnCell* seconds;
  };
  /// Never null: cells that nobody reads, where the embedder keeps none.
  OwnCell* Cells(OwnMetric metric, std::initializer_list<std::string_view> more = {});
  void Failure(std::string_view reason) { Cells(OwnMetric::kFailures, {reason})->Add(1); }

  Metrics& metrics_;
  const std::string plugin_;
  std::array<OwnCell, kDurationCells> unread_;
  std::array<PerCallback, kCallbacks> callbacks_;
  OwnCell* up_;
  OwnCell* memory_;
  OwnCell* instances_;
  OwnCell* streams_;
  std::map<std::pair<std::string, std::string>, OwnCell*, std::less<>> rejected_;  ///< bounded: calls times statuses
  struct Upstream {
    OwnCell* seconds = nullptr;
    std::map<std::string, OwnCell*, std::less<>> outcomes;
  };
  std::map<std::string, Upstream, std::less<>> upstreams_;
};

}  // namespace weir::proxy_wasm
