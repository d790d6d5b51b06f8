// Runs a candidate as `weir test` runs a case, and says what is wrong with what the plugin did.
#pragma once

#include <optional>
#include <string>

#include "fuzz/behaviour.h"
#include "suite/run.h"

namespace weir::fuzz {

namespace pb = suite::pb;

enum class Property : uint8_t {
  kTrap,      ///< it trapped
  kTimeout,   ///< a callback used its time
  kMemory,    ///< it trapped with its memory at the limit
  kChunking,  ///< the result depends on how a body was cut
  kWaits,     ///< it paused, and nothing that was due made it go on
};
std::string_view Name(Property property);

struct Fault {
  Property property = Property::kTrap;
  std::string key;     ///< the same for the same fault: property, callback, backtrace
  std::string title;   ///< one line
  std::string detail;  ///< lines: message and backtrace, or the difference
};

class Judge {
 public:
  /// `base`: of the plugin that is fuzzed; it outlives the judge. `chunking`: it has callbacks of bodies.
  Judge(const suite::CaseWorld& base, bool chunking) : base_(base), chunking_(chunking) {}
  /// nullopt: all is well. What `test` did not have and the fault needs is added to it: upstreams that were called, and what is
  /// expected of a case that shows the fault.
  std::optional<Fault> Examine(pb::Test* test, Behaviour* behaviour = nullptr) const;
  /// Whether `weir test` would fail this case.
  bool Fails(const pb::Test& test) const;

 private:
  std::optional<Fault> Crash(const suite::CaseOutcome& outcome) const;
  std::optional<Fault> Waits(pb::Test* test, const suite::CaseOutcome& outcome) const;
  std::optional<Fault> Chunked(pb::Test* test, const suite::CaseOutcome& outcome) const;
  suite::CaseOutcome Run(const pb::Test& test, const std::optional<suite::Chunking>& chunking, Behaviour* behaviour) const;

  const suite::CaseWorld& base_;
  const bool chunking_;
};

/// Of what a failed plugin said: "plugin \"test\" (test.wasm): proxy_on_log (context 2): unreachable\nframe\nframe".
Fault FaultOf(const std::string& why);

}  // namespace weir::fuzz
