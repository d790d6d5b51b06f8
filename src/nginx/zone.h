// Shared data, queues and metrics of all workers: a shared memory zone of nginx (weir_zone).
//
// The lock is the zone's own mutex, which nginx's master releases when a worker dies inside of it. A zone is kept over a reload when
// its name (which has the sizes of its parts) and size are the same.
#pragma once

#include "host/clock.h"
#include "host/zone/zone.h"
#include "host/zone/zone_data.h"
#include "host/zone/zone_metrics.h"
#include "host/zone/zone_queues.h"
#include "nginx/ngx.h"

namespace weir::nginx {

/// The `weir_zone` line. Lives as long as its configuration cycle.
struct ZoneConf {
  bool given = false;
  ZoneSizes sizes;
  ZoneDataLimits::Full full = ZoneDataLimits::Full::kRefuse;
  ngx_shm_zone_t* shm = nullptr;  ///< null: no plugins
};

/// weir_zone SIZE [data=SIZE] [queues=SIZE] [space=SIZE] [full=refuse|evict];
char* TakeZone(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept;
/// Asks nginx for the memory. False: said why.
bool AddZone(ngx_conf_t* cf, ZoneConf& conf);

/// One eventfd for each worker slot, so that any worker can wake any other. Made in the master, which keeps them: old and new workers
/// of a reload share them, so nobody reads one (each write is an event for all that watch it).
void MakeWakeFds(ngx_cycle_t* cycle);

class NgxZoneLock final : public ZoneLock {
 public:
  explicit NgxZoneLock(ngx_slab_pool_t& pool) : pool_(pool) {}
  void Lock() override { ngx_shmtx_lock(&pool_.mutex); }
  void Unlock() override { ngx_shmtx_unlock(&pool_.mutex); }

 private:
  ngx_slab_pool_t& pool_;
};

/// Tells a worker's consumers from nginx's loop.
class QueueEvents final : public ZoneWaker {
 public:
  QueueEvents();
  ~QueueEvents() { Stop(); }
  QueueEvents(const QueueEvents&) = delete;
  QueueEvents& operator=(const QueueEvents&) = delete;

  void WakeSelf() override;
  void Wake(uint32_t slot) override;
  /// Watches this worker's eventfd from now on, and looks after the queues each second.
  void Start(ZoneQueues& queues);
  void Stop();

 private:
  static void OnPosted(ngx_event_t* event) noexcept;
  static void OnWake(ngx_event_t* event) noexcept;
  static void OnTimer(ngx_event_t* event) noexcept;

  ZoneQueues* queues_ = nullptr;
  ngx_event_t posted_{};
  ngx_connection_t* watched_ = nullptr;
  ngx_connection_t timer_connection_{};  ///< nginx's debug log reads an event's data as a connection
  ngx_event_t timer_{};
};

/// The queues of a worker; events start with its first consumer.
class NgxZoneQueues final : public Queues {
 public:
  NgxZoneQueues(Zone& zone, ZoneFullListener* listener) : queues_(zone, events_, listener) {}
  uint32_t Register(std::string_view space, std::string_view name, Plugin& consumer) override;
  std::optional<uint32_t> Resolve(std::string_view space, std::string_view name) override { return queues_.Resolve(space, name); }
  StoreStatus Enqueue(uint32_t id, std::string_view item) override { return queues_.Enqueue(id, item); }
  StoreStatus Dequeue(uint32_t id, std::string* item) override { return queues_.Dequeue(id, item); }
  void Forget(Plugin& consumer) override { queues_.Forget(consumer); }
  void Stop() { events_.Stop(); }

 private:
  QueueEvents events_;
  ZoneQueues queues_;
};

/// What was refused for want of room, at most once a minute each.
class FullLog final : public ZoneFullListener {
 public:
  void OnDataFull(std::string_view space, size_t bytes, uint64_t limit_bytes) override;
  void OnQueueFull(std::string_view queue, size_t bytes) override;

 private:
  time_t data_said_ = 0, queue_said_ = 0;
};

/// The services of one worker on the zone.
class ZoneServices {
 public:
  /// `conf` has its memory, and outlives this. `plugins`: those of the configuration; `spaces`: how many name spaces they have.
  ZoneServices(ngx_cycle_t* cycle, const ZoneConf& conf, const std::vector<std::string>& plugins, size_t spaces);
  /// Every plugin is gone.
  ~ZoneServices() { zone_.Leave(); }
  SharedData& shared_data() { return data_; }
  Queues& queues() { return queues_; }
  ZoneMetrics& metrics() { return metrics_; }
  Zone& zone() { return zone_; }
  /// At the end of the process, while requests may still be there: nginx complains of connections that stay open.
  void StopWaking() { queues_.Stop(); }

 private:
  SystemClock clock_;
  FullLog log_;
  NgxZoneLock lock_;
  Zone zone_;
  ZoneSharedData data_;
  NgxZoneQueues queues_;
  ZoneMetrics metrics_;
};

}  // namespace weir::nginx
