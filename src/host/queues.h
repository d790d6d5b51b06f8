// Queues of one process.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "weir/host.h"
#include "weir/plugin.h"

namespace weir {

struct QueueLimits {
  uint32_t queues = 1000;
  uint32_t items = 10'000;             ///< of one queue
  uint64_t bytes = 16ull << 20;        ///< of one queue
  uint32_t name_bytes = 1024;          ///< of one name
  uint32_t turns = 16;                 ///< consumers told by one Deliver(): each may use its whole time
};

/// Enqueue only notes who is to be told; the embedder calls Deliver() from its loop, on the thread of those plugins, so that
/// Plugin::OnQueueReady never runs inside a host call.
class InProcessQueues final : public Queues {
 public:
  explicit InProcessQueues(const QueueLimits& limits = {}) : limits_(limits) {}
  uint32_t Register(std::string_view space, std::string_view name, Plugin& consumer) override;
  std::optional<uint32_t> Resolve(std::string_view space, std::string_view name) override;
  StoreStatus Enqueue(uint32_t id, std::string_view item) override;
  StoreStatus Dequeue(uint32_t id, std::string* item) override;
  void Forget(Plugin& consumer) override;

  /// Tells one consumer of each item that came before this call, in turns, at most QueueLimits::turns; the rest, and what they
  /// enqueue meanwhile, waits for the next call. Returns how many were told.
  size_t Deliver();
  /// Whether Deliver has something to do.
  bool ready();

 private:
  struct Queue {
    std::deque<std::string> items;
    uint64_t bytes = 0;
    std::vector<Plugin*> consumers;
    size_t next_consumer = 0;
    uint64_t untold = 0;  ///< items that nobody was told of; at most items.size()
  };
  Queue* Find(uint32_t id) { return id == 0 || id > queues_.size() ? nullptr : &queues_[id - 1]; }

  const QueueLimits limits_;
  std::mutex mutex_;
  size_t next_queue_ = 0;  ///< that Deliver looks at first, modulo their number
  std::deque<Queue> queues_;  ///< id - 1; never shrinks, so an id is never another's
  std::map<std::pair<std::string, std::string>, uint32_t> ids_;  ///< (space, name)
};

}  // namespace weir
