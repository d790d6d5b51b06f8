// What a pool and its leases share. A plugin is in one place: idle_, a lease, or the hands of the thread that makes or frees it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "weir/extism_pool.h"

namespace weir::extism {

class PoolState {
 public:
  PoolState(std::shared_ptr<Compiled> compiled, const PoolOptions& options) : compiled_(std::move(compiled)), options_(options) {}
  /// The first one, and the thread if the options need it.
  Result<void> Start();
  /// Ends the thread and frees what is idle; what is given back later is freed.
  void Close();

  Result<std::unique_ptr<Plugin>> Take(std::optional<uint64_t> wait_ms);
  void GiveBack(std::unique_ptr<Plugin> plugin);
  const Compiled& compiled() const { return *compiled_; }
  const PoolOptions& options() const { return options_; }
  PoolCounts counts() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Idle {
    std::unique_ptr<Plugin> plugin;
    Clock::time_point since;
  };
  using Lock = std::unique_lock<std::mutex>;

  bool Expires() const { return options_.idle_ms && *options_.idle_ms > 0; }
  bool Keeps() const { return Expires() || options_.ready_plugins > 0; }
  /// The pool's own thread: frees what was idle too long, makes what shall be ready.
  void Keep();
  /// One step of it, which gives the lock up for a while; false: there is nothing to do.
  bool FreeExpired(Lock& lock);
  bool MakeReady(Lock& lock);
  void Wait(Lock& lock);

  const std::shared_ptr<Compiled> compiled_;
  const PoolOptions options_;
  mutable std::mutex mutex_;                ///< what follows
  std::condition_variable free_, keeper_;   ///< a plugin or room for one; something for the thread
  std::vector<Idle> idle_;                  ///< the oldest first
  PoolCounts counts_;                       ///< but for `idle`
  bool closed_ = false;
  bool make_failed_ = false;                ///< the thread does not try again before something happens
  std::thread thread_;
};

}  // namespace weir::extism
