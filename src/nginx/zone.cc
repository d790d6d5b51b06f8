#include "nginx/zone.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "nginx/arguments.h"
#include "nginx/config.h"
#include "nginx/module.h"

namespace weir::nginx {
namespace {

constexpr ngx_msec_t kLookAfterMs = 1000;  // a worker that died had items to tell of
constexpr time_t kSaySeconds = 60;

/// By slot; -1: could not be made. Of the master, inherited by every worker.
std::vector<int> g_wake_fds;

std::string TakePart(std::string_view value, size_t* bytes) {
  uint64_t size = 0;
  if (!ParseSize(value, &size)) return BadSize(value);
  if (size == 0) return "must not be 0";
  *bytes = size;
  return {};
}

constexpr Argument<ZoneConf> kArguments[] = {
    {"data", false, [](ngx_conf_t*, ZoneConf& conf, std::string_view value) { return TakePart(value, &conf.sizes.data); }},
    {"queues", false, [](ngx_conf_t*, ZoneConf& conf, std::string_view value) { return TakePart(value, &conf.sizes.queues); }},
    {"space", false, [](ngx_conf_t*, ZoneConf& conf, std::string_view value) { return TakePart(value, &conf.sizes.space); }},
    {"full", false,
     [](ngx_conf_t*, ZoneConf& conf, std::string_view value) -> std::string {
       if (value != "refuse" && value != "evict") {
         return "must be refuse (a write that finds no room fails) or evict (what was not used for longest makes room), not \"" +
                std::string(value) + "\"";
       }
       conf.full = value == "evict" ? ZoneDataLimits::Full::kEvict : ZoneDataLimits::Full::kRefuse;
       return {};
     }},
};

/// `old`: the running configuration's zone of the same name and size.
ngx_int_t InitZone(ngx_shm_zone_t* shm, void* old) noexcept {
  auto* pool = reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
  const auto& conf = *static_cast<const ZoneConf*>(shm->data);
  if (old != nullptr || shm->shm.exists) {
    shm->data = pool->data;
    return NGX_OK;
  }
  // All of it at once: the parts have allocators of their own, that survive the death of a worker.
  size_t bytes = pool->pfree * ngx_pagesize;
  void* memory = ngx_slab_alloc(pool, bytes);
  if (memory == nullptr || !Zone::Format(memory, bytes, conf.sizes)) {
    ngx_log_error(NGX_LOG_EMERG, shm->shm.log, 0, "weir: weir_zone of %uz bytes has no room for its parts; make it larger", shm->shm.size);
    return NGX_ERROR;
  }
  shm->data = pool->data = memory;
  return NGX_OK;
}

ngx_slab_pool_t& PoolOf(const ZoneConf& conf) { return *reinterpret_cast<ngx_slab_pool_t*>(conf.shm->shm.addr); }

}  // namespace

char* TakeZone(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  ZoneConf& conf = static_cast<MainConf*>(raw)->zone;
  if (conf.given) return Fail(cf, "weir: weir_zone is given twice");
  conf.given = true;
  const std::vector<std::string_view> words = ArgumentsOf(cf);
  uint64_t bytes = 0;
  if (!ParseSize(words[0], &bytes)) return Fail(cf, "weir: weir_zone: " + BadSize(words[0]));
  conf.sizes.bytes = bytes;
  std::vector<std::string_view> seen;
  const std::string wrong =
      TakeArguments<ZoneConf>(cf, "weir_zone", std::span(kArguments), std::span(words).subspan(1), conf, &seen);
  if (!wrong.empty()) return Fail(cf, "weir: weir_zone: " + wrong);
  const std::string fault = conf.sizes.Fault();
  if (!fault.empty()) return Fail(cf, "weir: weir_zone " + std::string(words[0]) + ": " + fault);
  return NGX_CONF_OK;
}

bool AddZone(ngx_conf_t* cf, ZoneConf& conf) {
  const ZoneSizes sizes = conf.sizes.Resolved();
  const ngx_str_t name = Copy(cf->pool, std::string(ThisModule().name) + ":" + std::to_string(sizes.data) + ":" + std::to_string(sizes.queues));
  if (name.data == nullptr) return false;
  ngx_str_t copy = name;
  conf.shm = ngx_shared_memory_add(cf, &copy, sizes.bytes, &ThisModule());
  if (conf.shm == nullptr) return false;
  conf.shm->init = InitZone;
  conf.shm->data = &conf;
  return true;
}

void MakeWakeFds(ngx_cycle_t* cycle) {
  const auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
  const auto workers = static_cast<size_t>(std::max<ngx_int_t>(core->worker_processes, 1));
  while (g_wake_fds.size() < workers) {
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno, "weir: no eventfd: queues in other workers are looked at once a second");
    g_wake_fds.push_back(fd);
  }
}

QueueEvents::QueueEvents() {
  posted_.data = this;
  posted_.handler = OnPosted;
  posted_.log = ngx_cycle->log;
  timer_connection_.fd = static_cast<ngx_socket_t>(-1);
  timer_connection_.data = this;
  timer_.data = &timer_connection_;
  timer_.handler = OnTimer;
  timer_.log = ngx_cycle->log;
  timer_.cancelable = 1;
}

void QueueEvents::Start(ZoneQueues& queues) {
  if (queues_ != nullptr) return;
  queues_ = &queues;
  ngx_add_timer(&timer_, kLookAfterMs);
  const int fd = ngx_worker < g_wake_fds.size() && g_wake_fds[ngx_worker] >= 0 ? dup(g_wake_fds[ngx_worker]) : -1;
  if (fd < 0) return;
  watched_ = ngx_get_connection(fd, ngx_cycle->log);
  if (watched_ == nullptr) {
    close(fd);
    return;
  }
  watched_->data = this;
  watched_->read->handler = OnWake;
  watched_->read->log = watched_->write->log = ngx_cycle->log;
  // Without edges (select, poll) a descriptor that nobody reads would wake for ever: then the timer has to do.
  const bool edges = (ngx_event_flags & NGX_USE_CLEAR_EVENT) != 0;
  if (!edges || ngx_add_event(watched_->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) != NGX_OK) {
    ngx_close_connection(std::exchange(watched_, nullptr));
  }
}

void QueueEvents::Stop() {
  queues_ = nullptr;
  if (posted_.posted) {
    ngx_delete_posted_event(&posted_);
  }
  if (timer_.timer_set) ngx_del_timer(&timer_);
  if (watched_ != nullptr) ngx_close_connection(std::exchange(watched_, nullptr));
}

void QueueEvents::WakeSelf() {
  ngx_post_event(&posted_, &ngx_posted_events);
}

void QueueEvents::Wake(uint32_t slot) {
  const uint64_t one = 1;
  if (slot >= g_wake_fds.size() || g_wake_fds[slot] < 0) return;
  if (write(g_wake_fds[slot], &one, sizeof one) < 0) {
    uint64_t count = 0;  // full, after 2^64 wakings: whoever watches is woken by the next one
    [[maybe_unused]] const ssize_t emptied = read(g_wake_fds[slot], &count, sizeof count);
  }
}

void QueueEvents::OnPosted(ngx_event_t* event) noexcept {
  auto* events = static_cast<QueueEvents*>(event->data);
  if (events->queues_ == nullptr) return;
  const bool more = events->queues_->Deliver();
  if (more && events->queues_ != nullptr) {
    // Items that came meanwhile wait for the next round of the loop, so that two plugins cannot hold it for ever.
    ngx_post_event(event, &ngx_posted_next_events);
  }
}

void QueueEvents::OnWake(ngx_event_t* event) noexcept {
  static_cast<QueueEvents*>(static_cast<ngx_connection_t*>(event->data)->data)->WakeSelf();
}

void QueueEvents::OnTimer(ngx_event_t* event) noexcept {
  auto* events = static_cast<QueueEvents*>(static_cast<ngx_connection_t*>(event->data)->data);
  if (events->queues_ == nullptr) return;
  if (events->queues_->consumes()) events->queues_->Rescue();
  ngx_add_timer(event, kLookAfterMs);
}

uint32_t NgxZoneQueues::Register(std::string_view space, std::string_view name, Plugin& consumer) {
  const uint32_t id = queues_.Register(space, name, consumer);
  if (id != 0) events_.Start(queues_);
  return id;
}

void FullLog::OnDataFull(std::string_view space, size_t bytes, uint64_t limit_bytes) {
  if (data_said_ != 0 && ngx_time() - data_said_ < kSaySeconds) return;
  data_said_ = ngx_time();
  const ngx_str_t name = Borrow(space);
  if (limit_bytes != 0) {
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "weir: shared data of \"%V\" is full: it has its %uL bytes, and %uz more were refused; make weir_zone's space= or data= larger "
                  "(said once a minute)",
                  &name, limit_bytes, bytes);
    return;
  }
  ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                "weir: shared data is full: %uz bytes for \"%V\" were refused; make weir_zone or its data= larger (said once a minute)",
                bytes, &name);
}

void FullLog::OnQueueFull(std::string_view queue, size_t bytes) {
  if (queue_said_ != 0 && ngx_time() - queue_said_ < kSaySeconds) return;
  queue_said_ = ngx_time();
  const ngx_str_t name = Borrow(queue);
  ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                "weir: queue \"%V\" is full: an item of %uz bytes was refused; make its consumer faster, or weir_zone or its queues= larger "
                "(said once a minute)",
                &name, bytes);
}

ZoneServices::ZoneServices(ngx_cycle_t* cycle, const ZoneConf& conf, const std::vector<std::string>& plugins, size_t spaces)
    : lock_(PoolOf(conf)),
      zone_(PoolOf(conf).data, lock_),
      data_(zone_, clock_, &log_, {.full = conf.full, .space_bytes = conf.sizes.SpaceLimit(spaces)}),
      queues_(zone_, &log_),
      metrics_(zone_) {
  if (zone_.Join(static_cast<uint32_t>(ngx_worker), plugins)) return;
  ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "weir: weir_zone has no room for this worker: it consumes no queue; make it larger");
}

}  // namespace weir::nginx
