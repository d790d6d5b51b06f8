// Instances for many threads, and events in batches: what a load balancer calls per request.
//
//   auto pool = PluginPool::Create(code, metadata, {.instances_max = 8});
//   auto answer = (*pool)->Dispatch<fn::Filter>(request);       from any thread
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "weir/cclb/host.h"
#include "weir/extism_pool.h"

namespace weir::cclb {

/// What becomes of an instance whose call trapped, or ran out of time, fuel or memory.
using BrokenInstances = extism::BrokenPlugins;

struct PoolOptions {
  InstanceLimits limits;
  std::optional<HostFunctions> functions;  ///< linked; nullopt: none
  size_t instances_max = 0;                ///< more threads than that wait; 0: one for each processor
  BrokenInstances broken = BrokenInstances::kReplace;
};

/// A plugin of one module. Thread-safe; outlived by the host of its code.
class PluginPool {
 public:
  /// Makes the first instance, so that a plugin that cannot be built is refused here.
  static Checked<std::unique_ptr<PluginPool>> Create(std::shared_ptr<PluginCode> code, AugmentedMetadata metadata, PoolOptions options = {});
  ~PluginPool();
  PluginPool(const PluginPool&) = delete;
  PluginPool& operator=(const PluginPool&) = delete;

  const AugmentedMetadata& metadata() const { return metadata_; }
  std::vector<Slot> slots() const;

  template <class Fn>
  DispatchOutcome<typename Fn::Response> Dispatch(const typename Fn::Request& request) noexcept {
    Lease lease(*this);
    return cclb::Dispatch<Fn>(lease.instance(), metadata_, request);
  }

  struct Stats {
    uint64_t made = 0, replaced = 0;  ///< instances
    size_t idle = 0, busy = 0;
  };
  Stats stats() const;

  /// An instance, for as long as it lives. Waits until there is one.
  class Lease {
   public:
    explicit Lease(PluginPool& pool);
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    PluginInstance& instance() { return *instance_; }

   private:
    const Result<extism::Lease> plugin_;
    const std::unique_ptr<PluginInstance> instance_;  ///< of the plugin; where none could be made, its calls say why
  };

 private:
  PluginPool(std::shared_ptr<PluginCode> code, AugmentedMetadata metadata, std::unique_ptr<extism::Pool> plugins);

  const std::shared_ptr<PluginCode> code_;
  const AugmentedMetadata metadata_;
  const std::unique_ptr<extism::Pool> plugins_;
};

struct ObserveOptions {
  size_t events_max = 32;        ///< a full batch is sent at once
  uint32_t wait_ms = 100;        ///< an event waits no longer than that for others
  size_t queue_max = 4096;       ///< of events that wait; more are dropped
};

/// Collects events and sends them in batches, from a thread of its own. Thread-safe; outlived by the pool.
class ObserveBatcher {
 public:
  explicit ObserveBatcher(PluginPool& pool, ObserveOptions options = {});
  /// Sends what is left.
  ~ObserveBatcher();
  ObserveBatcher(const ObserveBatcher&) = delete;
  ObserveBatcher& operator=(const ObserveBatcher&) = delete;

  /// Never waits for the plugin. False: the queue is full, and the event dropped.
  bool Add(ObserveEventWire event);
  /// Returns when every event that was added before has been sent.
  void Flush();

  struct Stats {
    uint64_t sent = 0, batches = 0, failed_batches = 0, dropped = 0;
  };
  Stats stats() const;

 private:
  void Run();

  PluginPool& pool_;
  const ObserveOptions options_;
  mutable std::mutex mutex_;  // what follows
  std::condition_variable added_, sent_;
  std::vector<ObserveEventWire> queue_;
  Stats stats_;
  uint64_t added_total_ = 0, handled_total_ = 0;
  bool flush_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace weir::cclb
