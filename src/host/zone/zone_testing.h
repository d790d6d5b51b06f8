// A zone in shared memory of this process and its children, for tests. The lock is a robust mutex: who dies inside of it is followed
// by the next one, as with nginx's master.
#pragma once

#include <errno.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "host/clock.h"
#include "host/zone/zone_data.h"
#include "host/zone/zone_metrics.h"
#include "host/zone/zone_queues.h"

namespace weir::testing {

class RobustLock final : public ZoneLock {
 public:
  explicit RobustLock(pthread_mutex_t* mutex) : mutex_(mutex) {}
  static void Make(pthread_mutex_t* mutex) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  void Lock() override {
    if (pthread_mutex_lock(mutex_) == EOWNERDEAD) pthread_mutex_consistent(mutex_);
  }
  void Unlock() override { pthread_mutex_unlock(mutex_); }

 private:
  pthread_mutex_t* mutex_;
};

/// Memory and lock; `View` is what each process makes for itself.
class SharedZone {
 public:
  explicit SharedZone(ZoneSizes sizes = {.bytes = ZoneSizes::kLeast}) : bytes_(sizes.bytes) {
    memory_ = static_cast<char*>(mmap(nullptr, kHead + bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    RobustLock::Make(mutex());
    EXPECT_EQ(sizes.Fault(), "");
    EXPECT_TRUE(Zone::Format(zone(), bytes_, sizes));
  }
  ~SharedZone() { munmap(memory_, kHead + bytes_); }
  pthread_mutex_t* mutex() { return reinterpret_cast<pthread_mutex_t*>(memory_); }
  void* zone() { return memory_ + kHead; }

 private:
  static constexpr size_t kHead = 4096;
  size_t bytes_;
  char* memory_;
};

class CountingListener final : public ZoneFullListener {
 public:
  void OnDataFull(std::string_view, size_t, uint64_t limit_bytes) override { ++data, last_limit_bytes = limit_bytes; }
  void OnQueueFull(std::string_view queue, size_t) override { queues.emplace_back(queue); }
  int data = 0;
  uint64_t last_limit_bytes = 0;
  std::vector<std::string> queues;
};

class FakeWaker final : public ZoneWaker {
 public:
  void WakeSelf() override { ++self; }
  void Wake(uint32_t slot) override { slots.push_back(slot); }
  int self = 0;
  std::vector<uint32_t> slots;
};

/// A process's view: the zone joined, with its services.
struct View {
  explicit View(SharedZone& shared, uint32_t slot = 0, std::vector<std::string> plugins = {"p"}, ZoneDataLimits data_limits = {},
                QueueLimits queue_limits = {}, MetricLimits metric_limits = {})
      : lock(shared.mutex()), zone(shared.zone(), lock), data(zone, clock, &listener, data_limits), queues(zone, waker, &listener, queue_limits),
        metrics(zone, metric_limits) {
    EXPECT_TRUE(zone.Join(slot, plugins));
  }
  RobustLock lock;
  Zone zone;
  ManualClock clock;
  CountingListener listener;
  FakeWaker waker;
  ZoneSharedData data;
  ZoneQueues queues;
  ZoneMetrics metrics;
};

/// Every part of the zone is what it says it is.
inline void ExpectSound(Zone& zone) {
  const ZoneGuard guard(zone);
  EXPECT_TRUE(zone.root().data.arena->Sound());
  EXPECT_TRUE(zone.root().queues.arena->Sound());
  EXPECT_TRUE(zone.root().metrics.arena->Sound());
}

/// Runs `run` in a child; its result is the exit code.
inline pid_t Spawn(const std::function<int()>& run) {
  const pid_t child = fork();
  if (child == 0) _exit(run());
  return child;
}
inline int Wait(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace weir::testing
