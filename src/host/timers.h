// Ticks of plugins, driven by whoever has a loop: ask next_ns(), sleep, call Run().
#pragma once

#include <vector>

#include "weir/host.h"
#include "weir/plugin.h"

namespace weir {

/// One thread. SetTick and Forget may come from inside OnTick.
class PolledTimers final : public Timers {
 public:
  explicit PolledTimers(Clock& clock) : clock_(clock) {}
  void SetTick(Plugin& plugin, uint32_t period_ms) override;
  /// The plugin is going away.
  void Forget(Plugin& plugin) { SetTick(plugin, 0); }
  bool ticks(const Plugin& plugin) const;
  /// Monotonic time of the next tick; nullopt: nobody ticks.
  std::optional<uint64_t> next_ns() const;
  /// Runs what is due by now, each plugin at most once: a loop that was late does not make up for lost ticks. Returns how many.
  size_t Run();

 private:
  struct Timer {
    Plugin* plugin;
    uint64_t period_ns;
    uint64_t due_ns;
  };
  Clock& clock_;
  std::vector<Timer> timers_;
};

}  // namespace weir
