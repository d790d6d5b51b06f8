// Random candidates against one plugin, until time, runs or findings are used up. The same seed and number of runs finds the same, with any
// number of threads: candidates are made and run in rounds, and what a round has shown changes the next one only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fuzz/judge.h"
#include "fuzz/values.h"
#include "weir/plugin.h"

namespace weir::fuzz {

struct FuzzOptions {
  PluginSpec spec;                     ///< `path` is read; `configuration` and limits are those of every run
  std::vector<std::string> options;    ///< "name=value" of the spec, which the cases of a found suite need: plugin { option }
  CodeCache cache;
  uint64_t seed = 1;
  uint64_t runs_max = 0;               ///< 0: no limit
  double seconds_max = 0;              ///< 0: no limit; shrinking what was found may take longer
  unsigned jobs = 0;                   ///< threads; 0: one a processor
  size_t findings_max = 20;
  bool tcp = false;                    ///< connections; also without it, where the plugin has callbacks of them alone
  size_t body_bytes_max = 64 << 10;
  std::vector<pb::Test> corpus;        ///< to begin from (Inputs)
};

struct Finding {
  Fault fault;
  pb::Test test;          ///< shrunk, with a name
  uint64_t run = 0;       ///< in which it was found, from 1
  uint64_t times = 1;     ///< how many runs have shown it
  uint64_t shrink_runs = 0;
  bool reproduced = false;  ///< the shrunk case fails when it is run as weir test runs it
  size_t bytes_before = 0, bytes_after = 0;  ///< of the case, as protobuf
};

struct FuzzProgress {
  uint64_t runs = 0;
  double seconds = 0;
  size_t kept = 0, findings = 0;
  bool shrinking = false;
};

struct FuzzReport {
  uint64_t runs = 0, shrink_runs = 0;
  double seconds = 0;            ///< of runs, without compiling and shrinking
  size_t features = 0, kept = 0;  ///< behaviours told apart; inputs that showed new ones
  std::vector<Finding> findings;  ///< in the order in which they were found
};

/// The error is bad input: a plugin that does not load or does not start.
Result<FuzzReport> Fuzz(const FuzzOptions& options, const std::function<void(const FuzzProgress&)>& progress);

}  // namespace weir::fuzz
