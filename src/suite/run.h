// One case of a suite: what it needs, and what became of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "suite/check.h"
#include "suite/read.h"
#include "weir/engine.h"
#include "weir/plugin.h"
#include "weir/witness.h"

namespace weir::suite {

/// How a body is cut.
struct Chunking {
  enum class Kind : uint8_t { kWhole, kCount, kSize, kRandom } kind = Kind::kWhole;
  uint64_t number = 0;  ///< of pieces, bytes of one, or the seed
  /// "7 bytes each": for messages.
  std::string Describe() const;
};
/// The pieces in order. kCount: size / n bytes each, the last takes the rest. An empty body is one empty piece.
std::vector<std::string> Cut(std::string_view body, const Chunking& chunking);
/// Pieces of these sizes, and what is left as the last one. A size past the end takes what is there: 0 at the end is an empty last piece.
std::vector<std::string> CutAt(std::string_view body, const google::protobuf::RepeatedField<uint32_t>& sizes);

/// A module and what it is started with.
struct PluginSource {
  std::shared_ptr<const Module> module;
  std::string path;
  std::string configuration;
};

/// What is the same for all cases of one suite with one plugin.
struct CaseWorld {
  Engine& engine;
  const SuiteFile& file;
  const PluginSource* plugin = nullptr;  ///< null: none was given, and cases name their own
  PluginSpec spec;                       ///< limits and the like, for each plugin
  LogLevel log_level = LogLevel::kInfo;
  uint64_t time_ns = 1'000'000;          ///< where the clock stands; never 0: Go's runtime refuses to start
  /// Compiled, or from a cache; the error names the file.
  std::function<Result<std::shared_ptr<const Module>>(const std::string& path)> load;
  Witness* witness = nullptr;            ///< of cases on Weir's host
};

/// What a phase left behind, to compare runs with other chunks by.
struct PhaseRecord {
  std::string phase;
  PhaseResult result;
  bool replied = false;  ///< a local reply was made in this phase
};

struct CaseOutcome {
  Failures failures;
  std::vector<PhaseRecord> phases;
  std::vector<std::string> log;  ///< every line of the plugins, whatever the phase
  /// On Weir's host, a plugin that failed: where, and why with a backtrace, a line each.
  struct PluginFault {
    std::string phase, why;
  };
  std::optional<PluginFault> plugin_fault;
};

/// Runs it as the tester would, or, with fields of Weir's own, on Weir's host. `chunking`: in place of the case's own plan.
CaseOutcome RunCase(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking = {});
/// What differs between two runs of a case that differ in their chunks alone.
Failures Compare(const CaseOutcome& one, const CaseOutcome& other, const Chunking& chunking);
/// RunCase; and where it passes and `any_chunking` (or the case) wants it, again with its bodies cut otherwise, until one run differs.
CaseOutcome RunWhole(const CaseWorld& world, const pb::Test& test, bool any_chunking);
/// Bytes of its bodies, where they may be cut another way: one a direction, with more than one byte. Else 0.
uint64_t RechunkBytes(const pb::Test& test, const std::string& folder);

/// Shared by the two hosts: what a case gives to a phase.
class CaseInput {
 public:
  CaseInput(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking);
  /// Unfolded, in the order given.
  Result<HeaderList> Headers(const pb::Input& input, Direction direction) const;
  Result<std::string> Body(const pb::Input& input) const;
  /// The pieces of each invocation's body. The error: a plan for several of them, or one that cuts nothing.
  Result<std::vector<std::vector<std::string>>> Bodies(const google::protobuf::RepeatedPtrField<pb::Invocation>& all) const;

 private:
  const CaseWorld& world_;
  Result<Chunking> chunking_;
  bool instead_;  ///< of the case's own plan
};

/// The two hosts.
CaseOutcome RunAsTester(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking);
CaseOutcome RunOnWeir(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking);

}  // namespace weir::suite
