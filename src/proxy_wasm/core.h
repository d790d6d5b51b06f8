// What of a plugin outlives an instance: its specification, its world, its limits, and what was logged already.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "proxy_wasm/allow.h"
#include "proxy_wasm/statistics.h"
#include "proxy_wasm/types.h"
#include "weir/plugin.h"

namespace weir::proxy_wasm {

struct Dialect;

struct Core {
  Plugin& plugin;
  PluginSpec spec;
  Host& host;
  CallEvents& events;  ///< hears of the answers to calls
  Version version;
  PluginStats stats;
  uint32_t tick_ms = 0;                     ///< asked for by the instance
  uint32_t root_context = 0;                ///< id of the plugin context in the instance; 0: it has none
  std::set<std::string, std::less<>> said;  ///< reasons that are logged once; bounded by kSaidMax
  Groups groups = kAllGroups;               ///< of host functions, by spec.allow
  Statistics statistics{host.metrics, spec.name};
  const Dialect* dialect = nullptr;         ///< of another host; null: ours

  /// The name space of shared data and queues.
  std::string_view space() const { return spec.vm_id.empty() ? spec.name : spec.vm_id; }
  /// `plugin "auth" (auth.wasm): `
  std::string prefix() const;
  /// Lines of `text`, at most kLogLinesMax, control characters escaped, cut to Limits::log_line_bytes.
  void Log(LogLevel level, std::string_view text);
  /// The same, once for each `key`.
  void LogOnce(std::string_view key, LogLevel level, std::string_view text);
  void LogOnce(LogLevel level, std::string_view text) { LogOnce(text, level, text); }
  bool allows(Group group) const { return (groups & Bit(group)) != 0; }
  /// A host call without effect, of which the plugin was not told the specification's status (its name), or which `allow` leaves
  /// out (kNotAllowed): counted.
  void Rejected(std::string_view call, std::string_view reason);
  /// A call to an upstream is over: counted. `outcome`: "ok", the name of a CallFailure, "grpc-status", "cancelled".
  void CallEnded(std::string_view upstream, std::string_view outcome, uint64_t duration_ns);
};

inline constexpr std::string_view kNotAllowed = "NOT_ALLOWED", kCancelled = "cancelled", kEndedOk = "ok";
inline constexpr size_t kSaidMax = 1000;
inline constexpr size_t kLogLinesMax = 256;  ///< of one message: a guest's memory full of newlines must not hold the worker

}  // namespace weir::proxy_wasm
