// The clock of deadlines. One thread an engine; now and then it moves the engine's epoch, so that running guests stop and look at
// their CPU time. It only polls: a late tick never ends a call early. It ticks each millisecond while it sees a call in flight,
// less often while all calls are over before it looks (a tick costs about 25 µs, 2.5 % of a core at 1 ms), not at all when idle.
//
//   a call                                       the ticker
//   in_flight.serial = odd                       every slot with an odd serial it has not seen: note the CPU clock of its thread
//   parked? -> Wake()                            epoch + 1, ticks + 1
//   ... guest runs; at a tick: CPU used >= budget? trap
//   in_flight.serial = even                      nothing in flight for a while: parked = true; membarrier; look again; sleep
//
// Starting a call costs a few plain stores and one load: the membarrier makes the ticker pay for the ordering.
#pragma once

#include <pthread.h>
#include <wasmtime.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace weir::engine {

inline constexpr uint64_t kTickNs = 1'000'000;           ///< while a call is in flight
inline constexpr uint64_t kLazyTickNsMax = 5'000'000;    ///< while calls are short: the tenth of the least budget, at most this
inline constexpr uint64_t kIdleNsMax = 20'000'000;       ///< then it parks: waking it costs a call some microseconds

/// CPU time of the calling thread. About 0.5 µs: a system call.
uint64_t ThreadCpuNs();

/// What one instance shows the ticker. Written by the thread that calls, except the sample.
struct alignas(64) InFlight {
  std::atomic<uint64_t> serial{0};         ///< odd while a call with a budget runs; another for every call
  std::atomic<int32_t> clock{0};           ///< CPU clock id of the calling thread
  const void* thread = nullptr;            ///< that `clock` is of
  std::atomic<uint32_t> budget_ms{0};      ///< of the newest call
  std::atomic<uint64_t> sample_serial{0};  ///< the call that sample_ns is of
  std::atomic<uint64_t> sample_ns{0};      ///< that thread's CPU time at the first tick of the call, so never before its start
  InFlight* next = nullptr;                ///< under the ticker's mutex
  InFlight* previous = nullptr;
};

class Ticker {
 public:
  enum class Membarrier : bool { kNever, kIfOffered };
  /// `engine` outlives it. Starts nothing yet.
  explicit Ticker(wasm_engine_t* engine, Membarrier use = Membarrier::kIfOffered);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void Add(InFlight* slot);
  void Remove(InFlight* slot);

  /// The calling thread enters a guest with a budget.
  void Begin(InFlight& slot, uint32_t budget_ms) {
    if (slot.thread != __builtin_thread_pointer()) [[unlikely]] SetClock(slot);
    slot.budget_ms.store(budget_ms, std::memory_order_relaxed);
    slot.serial.store(slot.serial.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order; Park's membarrier makes the CPU's
    if (parked_.load(std::memory_order_relaxed)) [[unlikely]] Wake();
  }
  void End(InFlight& slot) {
    slot.serial.store(slot.serial.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  /// Whether what was sampled is of the calling thread. A new thread may have the address of one that is gone, and a child
  /// process that of its parent's: then the clock is set right for the next call.
  bool ClockIsOurs(InFlight& slot) {
    const clockid_t before = slot.clock.load(std::memory_order_relaxed);
    SetClock(slot);
    return slot.clock.load(std::memory_order_relaxed) == before;
  }
  /// Counts up while a call is in flight.
  uint64_t ticks() const { return ticks_.load(std::memory_order_relaxed); }
  bool parked() const { return parked_.load(std::memory_order_relaxed); }

 private:
  static void SetClock(InFlight& slot);
  static void* Main(void* self);
  void Run();
  struct Seen {
    bool in_flight = false;
    bool called = false;        ///< or since the last scan
    uint32_t budget_ms_min = UINT32_MAX;
  };
  /// Looks at all slots and samples new calls.
  Seen Scan();
  void Park();
  void Wake();

  wasm_engine_t* const engine_;
  const bool membarrier_;  ///< the kernel offers it (seccomp may not); else a parked ticker looks by itself now and then
  alignas(64) std::atomic<uint64_t> ticks_{0};
  std::atomic<bool> parked_{true};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  ///< the list, and the thread's start
  InFlight* first_ = nullptr;
  bool started_ = false;
  uint64_t serials_ = 0;  ///< sum of the serials at the last scan
  pthread_t thread_{};
};

}  // namespace weir::engine
