// Registering plugins, and what a host does with the registered ones when it starts.
//
// Who runs a plugin (identity, handshake, self-check) is handed in as a PluginExaminer, the time as functions.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "weir/cclb/registry.h"

namespace weir::cclb {

struct ModuleIdentity {
  std::string plugin_name, plugin_version;
  uint32_t abi_envelope = 1;
};

/// What handshake and self-check gave.
struct Examination {
  std::string augmented_metadata;  ///< compact JSON, validated
  uint32_t handshake_schema_version = 1;
  int64_t handshake_completed_at = 0, expires_at = 0;  ///< seconds since 1970
};

/// Looks at modules. Calls come from several threads at once. A refusal is kPluginFailed with the protocol's text.
class PluginExaminer {
 public:
  virtual ~PluginExaminer() = default;
  /// SHA-256 of the canonical form of the offer that Examine makes.
  virtual ModuleHash OfferHash() = 0;
  /// From the bytes alone.
  virtual RegistryResult<ModuleIdentity> Identify(std::string_view module) = 0;
  /// Handshake, then self-check. Shall end within `ms_left` (beyond its own limits), and soon after `stop` was requested.
  virtual RegistryResult<Examination> Examine(std::string_view module, const ModuleIdentity& identity, uint64_t ms_left,
                                              const std::stop_token& stop) = 0;
};

struct Registration {
  PluginRecord record;
  bool reused = false;  ///< it was there, active, for this very offer: the plugin was not run
  StoreOutcome stored;  ///< unless reused
};

/// Identity; then a record of that hash: another name is kPluginNameMismatch, an active one of the same offer is the answer; else
/// handshake and self-check, and the module and its record are stored. A failure stores nothing.
RegistryResult<Registration> RegisterPlugin(Registry& registry, PluginExaminer& examiner, std::string_view module, int64_t now);

/// Module (kBlobMissing), its identity, its name (kPluginNameMismatch), its hash (kBlobSha256Mismatch), handshake, self-check; then the
/// record is brought up to date and active. A failure changes nothing. kPluginMissing.
RegistryResult<PluginRecord> RehandshakePlugin(Registry& registry, PluginExaminer& examiner, const ModuleHash& sha256,
                                               uint64_t ms_left = UINT64_MAX, const std::stop_token& stop = {});

// ---- start --------------------------------------------------------------------------------------------------------------
struct StartupOptions {
  uint64_t budget_ms = 60000;     ///< for all records together; what is not done then is disabled
  uint32_t parallel = 8;          ///< at once; 1 to 8, others are taken as the nearest of these
  int64_t fresh_seconds = 604800;  ///< a handshake as old as this is still fresh
  bool force = false;             ///< no record is fresh
  bool skip_if_fresh = true;
  std::function<int64_t()> now_seconds;   ///< since 1970; empty: the system's clock
  std::function<uint64_t()> steady_ms;    ///< never goes back; empty: the system's
  std::stop_token stop;                   ///< the host is to stop
};

enum class StartupOutcome : uint8_t {
  kFresh,         ///< loaded as it was
  kRehandshaken,  ///< accepted again
  kDisabled,      ///< refused: now disabled
  kOutOfTime,     ///< the budget ran out: now disabled
  kStopped,       ///< the host is to stop: as it was
};
std::string_view OutcomeName(StartupOutcome outcome);  ///< "out_of_time"

struct StartupEntry {
  PluginRecord record;  ///< as it is kept now
  StartupOutcome outcome = StartupOutcome::kStopped;
  bool forced = false;  ///< the flag, or its handshake is older than an interrupted pass
  std::string message;  ///< of a failure
};

struct StartupReport {
  std::vector<StartupEntry> entries;  ///< every record that was active, by name, version, hash
  bool complete = false;              ///< not stopped: the next start forces nothing on account of this one
  /// Records that may be used.
  std::vector<PluginRecord> Loaded() const;
};

/// The start of a host. Active records are loaded where they are fresh for this offer, else re-handshaken; what fails is disabled.
/// Interrupted (a stop, or the process killed), the next pass forces what this one has not reached.
/// A failure of the registry ends it, with nothing disabled on that account.
RegistryResult<StartupReport> RunStartup(Registry& registry, PluginExaminer& examiner, const StartupOptions& options);

}  // namespace weir::cclb
