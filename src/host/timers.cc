#include "host/timers.h"

#include <algorithm>

namespace weir {

void PolledTimers::SetTick(Plugin& plugin, uint32_t period_ms) {
  std::erase_if(timers_, [&](const Timer& timer) { return timer.plugin == &plugin; });
  if (period_ms == 0) return;
  const uint64_t period_ns = uint64_t{period_ms} * 1'000'000;
  timers_.push_back({&plugin, period_ns, clock_.MonotonicNs() + period_ns});
}

bool PolledTimers::ticks(const Plugin& plugin) const {
  return std::any_of(timers_.begin(), timers_.end(), [&](const Timer& timer) { return timer.plugin == &plugin; });
}

std::optional<uint64_t> PolledTimers::next_ns() const {
  std::optional<uint64_t> next;
  for (const Timer& timer : timers_) {
    if (!next || timer.due_ns < *next) next = timer.due_ns;
  }
  return next;
}

size_t PolledTimers::Run() {
  const uint64_t now_ns = clock_.MonotonicNs();
  std::vector<Plugin*> due;
  for (Timer& timer : timers_) {
    if (timer.due_ns > now_ns) continue;
    timer.due_ns += timer.period_ns;
    if (timer.due_ns <= now_ns) timer.due_ns = now_ns + timer.period_ns;
    due.push_back(timer.plugin);
  }
  size_t told = 0;
  for (Plugin* plugin : due) {
    if (!ticks(*plugin)) continue;  // stopped or gone by an earlier one's OnTick
    plugin->OnTick();
    ++told;
  }
  return told;
}

}  // namespace weir
