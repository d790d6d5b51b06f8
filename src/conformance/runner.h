// Cases in memory.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conformance/case.h"
#include "weir/engine.h"

namespace weir::conformance {

/// One case with one version of the ABI and one mode of statuses.
struct Run {
  const Case* one;
  proxy_wasm::Version version;
  Statuses statuses;
  /// "0.2.1 strict"
  std::string Mode() const;
};
std::vector<Run> RunsOf(const Case& one);

class Runner {
 public:
  static Result<std::unique_ptr<Runner>> Create();
  /// What is not as the case says; empty: it passes.
  std::vector<std::string> Play(const Run& run);

 private:
  explicit Runner(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
  Result<std::shared_ptr<const Module>> Compile(const Run& run, size_t plugin);

  std::unique_ptr<Engine> engine_;
  std::map<std::string, std::shared_ptr<const Module>> modules_;  ///< of the last case: its two modes share them
  std::string last_;
};

/// The guest as a binary.
Result<std::string> GuestWasm(const Run& run, size_t plugin);

}  // namespace weir::conformance
