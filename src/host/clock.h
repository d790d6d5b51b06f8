// Two clocks: the machine's, and one that a test turns by hand.
#pragma once

#include <time.h>

#include <atomic>

#include "weir/host.h"

namespace weir {

class SystemClock final : public Clock {
 public:
  uint64_t RealtimeNs() override { return Now(CLOCK_REALTIME); }
  uint64_t MonotonicNs() override { return Now(CLOCK_MONOTONIC); }

 private:
  static uint64_t Now(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }
};

/// Stands still until advanced. Starts at a time that is not 0: the Go runtime takes a zero clock for a broken one.
class ManualClock final : public Clock {
 public:
  static constexpr uint64_t kStartRealtimeNs = 1'700'000'000'000'000'000;
  static constexpr uint64_t kStartMonotonicNs = 1'000'000'000;
  uint64_t RealtimeNs() override { return start_realtime_ns_ + passed_ns_; }
  uint64_t MonotonicNs() override { return kStartMonotonicNs + passed_ns_; }
  void AdvanceMs(uint64_t ms) { passed_ns_ += ms * 1'000'000; }
  /// What it shows when nothing has passed; before it is used.
  void set_start_realtime_ns(uint64_t ns) { start_realtime_ns_ = ns; }

 private:
  uint64_t start_realtime_ns_ = kStartRealtimeNs;
  std::atomic<uint64_t> passed_ns_{0};
};

}  // namespace weir
