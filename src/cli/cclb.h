// `weir cclb`: plugins of the cc-lb load balancer: admitting them to a registry, asking and measuring them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/cclb/examiner.h"
#include "weir/cclb/host.h"
#include "weir/cclb/registry.h"

namespace CLI {
class App;
}

namespace weir::cli {

enum class CclbCommand : unsigned char {
  kNone, kInspect, kRegister, kList, kShow, kEnable, kDisable, kRemove, kRehandshake, kDispatch, kVerify, kBench, kExport, kImport, kCheck,
};

/// Flags of all of them; a command looks at those that it has.
struct CclbRequest {
  CclbCommand command = CclbCommand::kNone;
  std::vector<std::string> plugins;       ///< files, names, NAME@VERSION, or the beginning of a hash
  std::string registry;                   ///< a file of SQLite or a connection string of PostgreSQL
  std::vector<std::string> capabilities;  ///< of the host
  std::string storage;                    ///< likewise, of what plugins store; empty: in memory
  std::string function, request, kind, junit, reason, status, file;
  bool json = false, host_functions = false, force = false, replace = false, no_cache = false;
  uint64_t fuel = 1'000'000'000, wall_ms = 5000, quota_bytes = 1 << 20;
  uint32_t memory_pages = 0, threads = 1;  ///< 0 pages: no limit
  double seconds = 1;
};

void AddCclb(CLI::App& app, CclbRequest& request);
/// Exit code 0: done; 1: refused, failed or not found; 2: wrong usage.
int Cclb(const CclbRequest& request);

// ---- for the files of this command ------------------------------------------------------------------------------------------
/// Notes warnings of plugins on standard error, and counts.
class CclbTelemetry final : public cclb::Telemetry {
 public:
  void Count(std::string_view name, std::span<const cclb::Pair> labels, uint64_t increment) override;
  void Log(cclb::Level level, std::string_view target, std::string_view message, std::span<const cclb::Pair> fields) override;
};

/// What a command line names: a module, and its record where it is registered.
struct CclbPlugin {
  std::string title;  ///< for messages
  std::string wasm;
  std::optional<cclb::PluginRecord> record;
};

/// The registry, the host, and what comes of both.
class CclbSession {
 public:
  explicit CclbSession(const CclbRequest& request) : request_(request) {}
  const CclbRequest& request() const { return request_; }
  /// Made at the first need.
  Result<cclb::Host*> host();
  /// kInvalidArgument without --registry.
  Result<cclb::Registry*> registry();
  Result<cclb::PluginRecord> FindRecord(const std::string& name);
  /// A file where there is one of that name, else a record's module.
  Result<CclbPlugin> FindPlugin(const std::string& name);
  /// The record's metadata, if it may be used; of a file what a handshake gives now.
  Result<cclb::AugmentedMetadata> MetadataOf(const CclbPlugin& plugin, cclb::PluginCode& code);
  std::set<std::string> capabilities() const;
  cclb::InstanceLimits limits() const;
  /// For the plugin of that name. Opens --storage.
  Result<cclb::HostFunctions> functions(const std::string& plugin);

 private:
  const CclbRequest& request_;
  CclbTelemetry telemetry_;
  std::unique_ptr<cclb::Storage> storage_;
  std::unique_ptr<cclb::Host> host_;
  std::unique_ptr<cclb::Registry> registry_;
};

std::string HashText(const cclb::ModuleHash& hash);
Result<int> CclbCheck(CclbSession& session);
Result<int> CclbInspect(CclbSession& session);
Result<int> CclbVerify(CclbSession& session);
Result<int> CclbBench(CclbSession& session);

}  // namespace weir::cli
