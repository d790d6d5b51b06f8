// What `weir request --explain` shows: each callback and host call in order, with what happened between them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "memhost/memory_host.h"
#include "weir/witness.h"

namespace weir::cli {

struct TimelineValue {
  std::string name;
  std::variant<int64_t, std::string> value;
  std::string symbol;
};

struct TimelineEntry {
  enum class Kind : uint8_t {
    kCallback,  ///< name, arguments; then what happened in it
    kHostCall,
    kEnd,       ///< of the callback: result, or the trap in `reason`
    kEffect,    ///< `name` is a line of the trace: an answer arrived, a tick
  } kind = Kind::kEffect;
  std::string plugin, module, name;
  uint32_t context = 0;
  std::vector<TimelineValue> arguments, outputs;
  std::string status, specified, reason, detail;  ///< of a host call
  std::string result;                             ///< of a callback: "CONTINUE"; empty: it has none
  bool trapped = false;                           ///< the instance is lost
  uint64_t us = 0;                                ///< kEnd
};

class Timeline final : public Witness {
 public:
  /// `world` outlives it.
  explicit Timeline(MemoryHost& world) : world_(world) {}
  void OnCallback(const CallbackEvent& event) override;
  void OnHostCall(const HostCallEvent& event) override;
  void OnCallbackEnd(const CallbackEvent& event, const CallbackEnd& end) override;
  /// All of it, and begins anew. Before the world's trace is cleared.
  std::vector<TimelineEntry> Take();

 private:
  void TakeEffects();
  MemoryHost& world_;
  size_t seen_ = 0;  ///< lines of the trace that were looked at
  std::vector<TimelineEntry> entries_;
};

/// "request_headers", "\"x-a\"", "{a: b, c: d}": as a person reads it. Long bytes are cut.
std::string ValueText(const TimelineValue& value);

}  // namespace weir::cli
