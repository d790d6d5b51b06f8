// Queues in a zone: filled by any process, and each item told to one consumer of one process.
#pragma once

#include <map>
#include <vector>

#include "host/queues.h"
#include "host/zone/zone.h"
#include "host/zone/zone_data.h"
#include "weir/plugin.h"

namespace weir {

/// How a worker's loop is told to call ZoneQueues::Deliver.
class ZoneWaker {
 public:
  /// Of this process: soon, never from inside this call.
  virtual void WakeSelf() = 0;
  /// All processes of that slot.
  virtual void Wake(uint32_t slot) = 0;

 protected:
  ~ZoneWaker() = default;
};

/// One thread a process. An item's consumer is told by the process that the enqueuing one woke; what a process that died was about to
/// tell is told by another.
class ZoneQueues final : public Queues {
 public:
  /// References outlive this; the zone was joined. `listener` may be null.
  ZoneQueues(Zone& zone, ZoneWaker& waker, ZoneFullListener* listener, const QueueLimits& limits = {})
      : zone_(zone), waker_(waker), listener_(listener), limits_(limits) {}
  uint32_t Register(std::string_view space, std::string_view name, Plugin& consumer) override;
  std::optional<uint32_t> Resolve(std::string_view space, std::string_view name) override;
  StoreStatus Enqueue(uint32_t id, std::string_view item) override;
  StoreStatus Dequeue(uint32_t id, std::string* item) override;
  void Forget(Plugin& consumer) override;

  /// Tells one consumer of this process of each item that nobody was told of, at most QueueLimits::turns of them. True: there is more.
  bool Deliver();
  /// Whether this process consumes at all.
  bool consumes() const { return !consumers_.empty(); }
  /// Hands out again what dead processes were to tell. To be called now and then by processes that consume.
  void Rescue();

 private:
  struct Local {
    std::vector<Plugin*> plugins;
    size_t next = 0;
  };
  SharedQueue* Find(uint32_t id);
  SharedQueue* FindByName(std::string_view space, std::string_view name);
  QueueConsumer* ConsumerOf(SharedQueue& queue);
  /// The worker whose turn it is; null: nobody consumes. Marks it as woken; already so: null.
  ZoneWorker* NextConsumer(SharedQueue& queue);
  void WakeWorker(const ZoneWorker* worker);

  Zone& zone_;
  ZoneWaker& waker_;
  ZoneFullListener* listener_;
  const QueueLimits limits_;
  std::map<uint32_t, Local> consumers_;  ///< by queue, of this process
  uint32_t next_queue_ = 0;              ///< that Deliver looks at first
};

}  // namespace weir
