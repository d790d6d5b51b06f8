#include "engine/ticker.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace weir::engine {
namespace {

constexpr size_t kStackBytes = 256 << 10;    // sanitizers need more than the minimum
constexpr uint64_t kNsPerMs = 1'000'000;
constexpr long kLookNs = 20'000'000;         // parked without membarrier: how late a deadline may begin to count

uint64_t ClockNs(clockid_t clock, bool* ok) {
  struct timespec now;
  *ok = clock_gettime(clock, &now) == 0;
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

void SleepNs(long ns) {
  const struct timespec time = {0, ns};
  nanosleep(&time, nullptr);
}

bool RegisterMembarrier() { return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0; }

}  // namespace

uint64_t ThreadCpuNs() {
  bool ok;
  return ClockNs(CLOCK_THREAD_CPUTIME_ID, &ok);
}

Ticker::Ticker(wasm_engine_t* engine, Membarrier use)
    : engine_(engine), membarrier_(use == Membarrier::kIfOffered && RegisterMembarrier()) {}

Ticker::~Ticker() {
  {
    std::lock_guard lock(mutex_);
    if (!started_) return;
    stop_.store(true, std::memory_order_release);
    parked_.store(false, std::memory_order_release);
  }
  parked_.notify_all();
  pthread_join(thread_, nullptr);
}

void Ticker::SetClock(InFlight& slot) {
  clockid_t clock;
  pthread_getcpuclockid(pthread_self(), &clock);
  slot.clock.store(clock, std::memory_order_release);
  slot.thread = __builtin_thread_pointer();
}

void Ticker::Add(InFlight* slot) {
  std::lock_guard lock(mutex_);
  slot->next = first_;
  if (first_ != nullptr) first_->previous = slot;
  first_ = slot;
}

void Ticker::Remove(InFlight* slot) {
  std::lock_guard lock(mutex_);
  if (slot->next != nullptr) slot->next->previous = slot->previous;
  (slot->previous != nullptr ? slot->previous->next : first_) = slot->next;
}

void Ticker::Wake() {
  std::lock_guard lock(mutex_);
  if (!started_) {
    // The thread takes no signal: they are the host's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    started_ = pthread_create(&thread_, &attributes, &Ticker::Main, this) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!started_) return;  // out of threads: still "parked", so the next call tries again
  }
  parked_.store(false, std::memory_order_release);
  parked_.notify_all();
}

void* Ticker::Main(void* self) {
  pthread_setname_np(pthread_self(), "weir-ticker");
  static_cast<Ticker*>(self)->Run();
  return nullptr;
}

void Ticker::Run() {
  uint64_t period_ns = kTickNs, idle_ns = 0;
  while (!stop_.load(std::memory_order_acquire)) {
    SleepNs(static_cast<long>(period_ns));
    const Seen seen = Scan();
    ticks_.store(ticks_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    wasmtime_engine_increment_epoch(engine_);
    idle_ns = seen.called ? 0 : idle_ns + period_ns;
    period_ns = seen.in_flight ? kTickNs : std::clamp(seen.budget_ms_min * kNsPerMs / 10, kTickNs, kLazyTickNsMax);
    if (idle_ns >= kIdleNsMax) {
      Park();
      idle_ns = 0;
      period_ns = kTickNs;
    }
  }
}

Ticker::Seen Ticker::Scan() {
  std::lock_guard lock(mutex_);
  Seen seen;
  uint64_t serials = 0;
  for (InFlight* slot = first_; slot != nullptr; slot = slot->next) {
    const uint64_t serial = slot->serial.load(std::memory_order_acquire);
    serials += serial;
    seen.budget_ms_min = std::min(seen.budget_ms_min, slot->budget_ms.load(std::memory_order_relaxed));
    if (serial % 2 == 0) continue;
    seen.in_flight = true;
    if (slot->sample_serial.load(std::memory_order_relaxed) == serial) continue;
    bool ok;
    const uint64_t now = ClockNs(slot->clock.load(std::memory_order_acquire), &ok);
    if (!ok || slot->serial.load(std::memory_order_acquire) != serial) continue;  // that call is over
    slot->sample_ns.store(now, std::memory_order_relaxed);
    slot->sample_serial.store(serial, std::memory_order_release);
  }
  seen.called = seen.in_flight || serials != serials_;
  serials_ = serials;
  return seen;
}

void Ticker::Park() {
  if (!membarrier_) {
    for (bool busy = false; !busy && !stop_.load(std::memory_order_acquire); busy = Scan().called) SleepNs(kLookNs);
    return;
  }
  parked_.store(true, std::memory_order_relaxed);
  syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  // From here on every thread either sees `parked_`, or had stored its serial before: then Scan sees it.
  if (Scan().called) {
    parked_.store(false, std::memory_order_relaxed);
    return;
  }
  if (stop_.load(std::memory_order_acquire)) return;
  parked_.wait(true, std::memory_order_acquire);
}

}  // namespace weir::engine
