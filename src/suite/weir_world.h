// The world of a case on Weir's own host: its plugins, what they call, share and count; and what is expected of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "memhost/memory_host.h"
#include "suite/run.h"

namespace weir::suite {

class WeirWorld {
 public:
  WeirWorld(const CaseWorld& world, const pb::Test& test);
  /// Upstreams, shared data, plugins. The error is the plugin's failure, or what is wrong with the case.
  Result<void> Start();
  /// The end of every plugin. The error is the failure of one.
  Result<void> Shutdown();

  MemoryHost& host() { return host_; }
  std::span<Plugin* const> chain() const { return chain_; }
  /// The failure of a plugin that has failed; empty: none has.
  std::string failure() const;

  /// What happens from now on is the next phase's.
  void BeginPhase();
  /// Lines of the plugins in this phase; with several plugins "NAME: TEXT".
  std::vector<std::string> Logs();
  /// call, shared_data, metric.
  void Check(const pb::Expectation& expected, PhaseCheck& check);
  /// The clock goes on, with what is due on the way. `turn`: what the stream has to do; false: nothing. At 0 ms what is due now.
  void Advance(uint64_t ms, const std::function<bool()>& turn);
  std::vector<std::string>& all_logs() { return all_logs_; }

 private:
  void AddUpstreams();
  Result<void> AddPlugin(const pb::Plugin& plugin, size_t number);
  Result<void> Load(std::shared_ptr<const Module> module, PluginSpec spec);
  void CheckCalls(const pb::Expectation& expected, PhaseCheck& check);
  void CheckShared(const pb::Expectation& expected, PhaseCheck& check);
  void CheckMetrics(const pb::Expectation& expected, PhaseCheck& check);
  std::string SpaceOf(const pb::SharedValue& value) const;

  const CaseWorld& world_;
  const pb::Test& test_;
  MemoryHost host_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  std::vector<Plugin*> chain_;
  std::string first_space_;
  size_t calls_before_ = 0;  ///< of host_.scripted_calls().seen()
  std::vector<std::string> all_logs_;  ///< of the phases before
};

}  // namespace weir::suite
