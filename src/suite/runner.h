// Many suites with many plugins in one process: modules compiled once, cases on threads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "suite/check.h"
#include "weir/engine.h"
#include "weir/plugin.h"
#include "weir/result.h"

namespace weir::suite {

/// A callback's limit where nothing else is said: machines that run tests are busy, and what is measured is a loop's absence.
inline constexpr uint32_t kTestTimeoutMs = 2000;

/// A plugin, its configuration and the suites it is tested with. Paths as they were given.
struct Batch {
  std::string plugin;  ///< empty: the suite's env or its cases name it
  std::string config;  ///< empty: none, or the suite's env names it
  std::vector<std::string> suites;
};

struct RunOptions {
  std::vector<Batch> batches;
  std::string filter;             ///< RE2, of the case's name; empty: all
  unsigned jobs = 0;              ///< threads; 0: one a processor
  bool any_chunking = false;
  std::string log_level;          ///< "TRACE" …; empty: the suite's
  std::string log_file;           ///< lines of the plugins are appended; empty: the suite's log_path
  bool quiet_stdout = false;      ///< standard output is for programs: no log lines there
  PluginSpec spec;                ///< limits
  CodeCache cache;
};

struct CaseReport {
  enum class Result : uint8_t { kPassed, kFailed, kSkipped } result = Result::kSkipped;
  std::string suite, plugin, name;
  int line = 0;
  double seconds = 0;
  Failures failures;
  std::vector<std::string> log;
};

struct Report {
  std::vector<CaseReport> cases;  ///< in the order of the suites
  size_t passed = 0, failed = 0, skipped = 0;
  double seconds = 0;
};

/// The error is bad input: all of it, a line each; nothing was run. `done` is told of each case, one at a time and in order, on any thread.
Result<Report> RunSuites(const RunOptions& options, const std::function<void(const CaseReport&)>& done);

}  // namespace weir::suite
