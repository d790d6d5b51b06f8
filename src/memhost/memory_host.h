// The world of plugins in memory: a clock turned by hand, services of this process, and a trace of everything that happens.
//
//   MemoryHost world;
//   auto plugin = LoadPlugin(*engine, module, spec, world.host());
//   Plugin* chain[] = {plugin->get()};
//   StreamOutcome outcome = RunStream(world, chain, {.headers = RequestHeaders("GET", "/")}, Answer(200, "hello"));
//   // outcome.response, outcome.upstream, world.trace()
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/split_mix.h"
#include "host/clock.h"
#include "host/http_client.h"
#include "host/metrics.h"
#include "host/queues.h"
#include "host/scripted_calls.h"
#include "host/shared_data.h"
#include "host/timers.h"
#include "weir/host.h"
#include "weir/plugin.h"

namespace weir {

/// Everything that happened, one line each, in order: "log info auth: hello", "metric hits + 1", "tick auth every 10 ms",
/// "auth on_request_headers 4 end -> pause", "auth request_headers add x-a: b", "auth local_response 403",
/// "call authz GET /check -> 1", "answer 1 200", "answer 1 timeout", "call authz GET /check (refused: not_found)".
using Trace = std::vector<std::string>;

/// Outlives the plugins that were loaded with host().
class MemoryHost {
 public:
  /// `level`: the least that is kept of logs.
  explicit MemoryHost(LogLevel level = LogLevel::kTrace);
  ~MemoryHost();
  MemoryHost(const MemoryHost&) = delete;
  MemoryHost& operator=(const MemoryHost&) = delete;

  Host& host() { return host_; }
  ManualClock& clock() { return clock_; }
  InProcessMetrics& metrics() { return metrics_; }
  InProcessSharedData& shared_data() { return shared_data_; }
  InProcessQueues& queues() { return queues_; }
  ForeignFunctions& foreign_functions() { return foreign_functions_; }
  /// Upstreams that plugins may call: those with a script here, then those of set_client().
  ScriptedCalls& scripted_calls() { return scripted_calls_; }
  /// From now on plugins get the random bytes of this seed, in place of the kernel's.
  void set_random_seed(uint64_t seed) {
    random_.numbers.state = seed;
    host_.random = &random_;
  }
  /// From now on, calls may also go to real upstreams. At most once.
  void set_client(ClientOptions options);

  Trace& trace() { return trace_; }
  /// Turned off, nothing is noted (measurements).
  void set_tracing(bool on) { tracing_ = on; }
  bool tracing() const { return tracing_; }
  void Note(std::string line) {
    constexpr uint64_t kLineCost = 64;
    if (!tracing_ || trace_bytes_left_ < line.size() + kLineCost) return;
    trace_bytes_left_ -= line.size() + kLineCost;
    trace_.push_back(std::move(line));
  }
  /// From now on so many bytes are noted, and nothing more: for plugins that log in a loop.
  void set_trace_bytes_max(uint64_t bytes) { trace_bytes_left_ = bytes; }

  /// Tells plugins what waits in queues and which answers have come. With nothing there: while a real upstream owes an answer,
  /// waits for it, and the clock goes on as the machine's does; otherwise turns the clock to the next tick or scripted answer, if
  /// it comes within `max_ms`, and runs it. False: nothing happened.
  bool Step(uint64_t max_ms);

  /// Wraps `plugin` so that its callbacks and what it does to its stream are traced. It outlives the wrapper.
  std::unique_ptr<Plugin> Traced(Plugin& plugin);

 private:
  class Services;
  struct SeededRandom final : RandomSource {
    void Fill(std::span<uint8_t> bytes) override {
      for (uint8_t& byte : bytes) byte = uint8_t(numbers.Next());
    }
    SplitMix numbers;
  };
  bool WaitForClient(uint64_t max_ms);
  ManualClock clock_;
  InProcessSharedData shared_data_{clock_};
  InProcessQueues queues_;
  InProcessMetrics metrics_;
  PolledTimers timers_{clock_};
  ForeignFunctions foreign_functions_;
  ScriptedCalls scripted_calls_{clock_};
  std::unique_ptr<Services> services_;  ///< the ones that trace
  class ClientLoop;
  std::unique_ptr<ClientLoop> client_;  ///< null without set_client()
  VmPool vms_;
  SeededRandom random_;
  Host host_;
  Trace trace_;
  bool tracing_ = true;
  uint64_t trace_bytes_left_ = UINT64_MAX;
};

}  // namespace weir
