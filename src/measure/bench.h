// How fast a plugin is: whole requests in memory, through the chain that production has.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "measure/flame_graph.h"
#include "measure/numbers.h"
#include "memhost/memory_stream.h"

namespace weir::measure {

struct BenchSubject {
  std::string wasm;  ///< bytes of the module
  PluginSpec spec;
};

struct BenchPlan {
  HttpMessage request, response;
  GivenProperties given;
  std::vector<std::pair<std::string, CallScript>> answers;  ///< to the calls of plugins, by upstream
  BenchSubject subject;
  std::optional<BenchSubject> against;  ///< another version, measured in turns with the first
  double seconds = 3;                   ///< of requests, in all rounds of a subject; the rest comes on top
  uint32_t profile_hz = 0;              ///< 0: no profile
  /// Called between rounds with the share that is done and what comes next, for a progress bar.
  std::function<void(double share, std::string_view what)> progress;
};

struct CallbackNumbers {
  std::string name;
  double per_request = 0;
  Summary us;  ///< of one call
};
struct HostCallNumbers {
  std::string name;
  double per_request = 0;
};
struct SubjectNumbers {
  std::string name;
  double compile_ms = 0;         ///< not cached, on all processors
  double start_ms = 0;           ///< instance, start functions, on_vm_start, on_configure: the median of several
  size_t code_bytes = 0, wasm_bytes = 0;
  std::vector<double> rounds_us; ///< mean time of a request, a round each
  Interval us;                   ///< their median
  std::vector<CallbackNumbers> callbacks;
  std::vector<HostCallNumbers> host_calls;
  double host_calls_per_request = 0;
  double allocations_per_request = 0, allocated_bytes_per_request = 0;  ///< by the host, in the guest's memory
  uint64_t memory_bytes_start = 0, memory_bytes_end = 0;                ///< linear memory, after the first requests and after all
  uint64_t requests = 0;
  uint32_t status = 0;           ///< of the response that the client got
  bool local = false;            ///< a plugin made it
};
struct BenchReport {
  SubjectNumbers subject;
  std::optional<SubjectNumbers> against;
  Interval embedder_us;          ///< the same request without a plugin: a part of each number above
  Interval ratio;                ///< subject / against
  std::vector<Stack> profile;    ///< of the subject
  uint64_t profile_samples = 0;
};

/// kTrapped: the plugin failed at the request, kRefused: the request stayed paused (it waits for a call, say).
Result<BenchReport> RunBench(const BenchPlan& plan);

}  // namespace weir::measure
