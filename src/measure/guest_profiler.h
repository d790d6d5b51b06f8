// Where a guest's time goes: its stack, looked at by a timer. The code that Wasmtime makes keeps frame pointers, so a signal handler
// can walk it; nothing is compiled or run otherwise than in production.
#pragma once

#include <ctime>
#include <memory>
#include <vector>

#include "measure/flame_graph.h"
#include "measure/symbols.h"

namespace weir::measure {

/// At most one in a process at work. Uses SIGPROF.
class GuestProfiler {
 public:
  explicit GuestProfiler(const Symbols& symbols);
  ~GuestProfiler();
  GuestProfiler(const GuestProfiler&) = delete;
  GuestProfiler& operator=(const GuestProfiler&) = delete;

  /// Looks at this thread `hz` times a second, until Stop(). kIo: the system gives no timer; kInvalidArgument: another is at work.
  Result<void> Start(uint32_t hz);
  void Stop();
  /// What was seen: the guest's functions, then "[host]" where it had called Weir; "[weir]" alone: no guest was at work. After Stop().
  std::vector<Stack> Stacks() const;

 private:
  struct Sampler;
  const Symbols& symbols_;
  std::unique_ptr<Sampler> sampler_;
  timer_t timer_ = nullptr;
  bool running_ = false;
};

}  // namespace weir::measure
