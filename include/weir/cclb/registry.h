// The registry of cc-lb plugins (L4, persistence): what a host keeps of a plugin between two starts. docs/cc-lb-registry.md
//
// A record is kept under the SHA-256 of its module, the module beside it. What a call acknowledged is on disk: a process killed at any
// moment loses nothing of it. Calls may come from several threads (they take turns) and several processes share a registry.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weir::cclb {

using ModuleHash = std::array<uint8_t, 32>;  ///< SHA-256, raw

// ---- errors -------------------------------------------------------------------------------------------------------------
enum class RegistryErrorName : uint8_t {
  kInvalidRecord,       ///< a value that the protocol's limits forbid
  kInvalidSource,       ///< neither a file nor a connection string that can be used
  kPluginMissing,       ///< no record under that hash
  kPluginNameMismatch,  ///< the hash is registered under another name than the identity says
  kPluginDisabled,
  kPluginExpired,
  kPluginFailed,        ///< identity, handshake or self-check refused it: the text is the protocol's
  kBlobMissing,         ///< there is a record, its module is gone
  kBlobSha256Mismatch,  ///< the module's bytes are not those of its hash
  kRegistryFull,        ///< rows_max records are there
  kSchemaNewer,         ///< made by a newer program
  kCorrupt,             ///< the database is damaged, or no registry
  kImportMalformed,     ///< not a whole export
  kUnavailable,         ///< locked for too long, or the server is gone: try again
  kIo,                  ///< the operating system or the server refused
};
/// "PluginNameMismatch".
std::string_view NameOf(RegistryErrorName name);

struct RegistryFault {
  RegistryErrorName name = RegistryErrorName::kIo;
  std::string message;  ///< for a person: the thing and the remedy
};

/// A `T` or a RegistryFault; the methods are those of weir::Result, so that WEIR_TRY works on it.
template <class T>
class [[nodiscard]] RegistryResult {
 public:
  RegistryResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  RegistryResult(RegistryFault fault) : state_(std::in_place_index<1>, std::move(fault)) {}
  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  RegistryFault& error() & { return *std::get_if<1>(&state_); }
  const RegistryFault& error() const& { return *std::get_if<1>(&state_); }
  RegistryFault&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, RegistryFault> state_;
};
using RegistryStatus = RegistryResult<std::monostate>;

// ---- values -------------------------------------------------------------------------------------------------------------
/// Of the registry. All are inclusive: a value of exactly the limit passes.
struct RegistryLimits {
  uint64_t rows_warn = 1000;       ///< more records than this: StoreOutcome says so
  uint64_t rows_max = 10000;       ///< a new record beyond this is refused
  uint64_t metadata_bytes_max = 262144;
  uint64_t module_bytes_max = 64 << 20;  ///< the protocol names none; a plugin is some 100 KB
  uint64_t name_bytes_max = 64, version_bytes_max = 32;
  uint64_t reason_bytes_max = 4096;  ///< of why a plugin is disabled; longer ones are cut
  uint32_t busy_ms = 10000;          ///< how long a call waits for other processes
};

enum class PluginStatus : uint8_t { kActive, kDisabled };
std::string_view StatusName(PluginStatus status);  ///< "active"

/// Times are seconds since 1970.
struct PluginRecord {
  ModuleHash sha256{};  ///< of the module; the key
  std::string plugin_name, plugin_version;
  uint32_t abi_envelope = 1;
  std::string augmented_metadata;  ///< compact JSON, as the protocol writes it
  ModuleHash host_offer_hash{};    ///< of the offer that the plugin accepted
  uint32_t handshake_schema_version = 1;
  int64_t registered_at = 0, last_handshake_at = 0, expires_at = 0;
  PluginStatus status = PluginStatus::kActive;
  std::string disabled_reason;  ///< empty when active

  bool IsExpired(int64_t now) const { return now >= expires_at; }
  friend bool operator==(const PluginRecord&, const PluginRecord&) = default;
};

/// kPluginDisabled, kPluginExpired: what dispatch asks before it uses a record.
RegistryStatus CheckUsable(const PluginRecord& record, int64_t now);

struct StoreOutcome {
  bool inserted = false;    ///< false: there was a record of that hash, now it is this one
  uint64_t rows = 0;        ///< records after this call
  bool above_warn = false;  ///< rows > rows_warn
};

enum class ImportMode : uint8_t {
  kKeep,     ///< a record that is there stays as it is
  kReplace,  ///< the imported one takes its place
};
struct ImportOutcome {
  uint64_t added = 0, replaced = 0, kept = 0;
  bool above_warn = false;
};

/// What a start left unfinished. See RunStartup in registration.h.
struct StartupMarks {
  std::optional<int64_t> shutdown;  ///< a stop interrupted the pass, then
  std::optional<int64_t> pass;      ///< a pass began and did not end: its process was killed, or runs
};

// ---- the registry -------------------------------------------------------------------------------------------------------
class Registry {
 public:
  virtual ~Registry() = default;
  /// For messages: a path, or a database without its password.
  virtual const std::string& name() const = 0;
  virtual const RegistryLimits& limits() const = 0;

  /// The record, or nothing.
  virtual RegistryResult<std::optional<PluginRecord>> Find(const ModuleHash& sha256) = 0;
  /// By name, version, hash. With `only`: those of that status.
  virtual RegistryResult<std::vector<PluginRecord>> List(std::optional<PluginStatus> only = {}) = 0;
  virtual RegistryResult<uint64_t> Count() = 0;

  /// Module and record at once, or neither. Keeps `registered_at` of a record that is there; heals its module.
  /// kInvalidRecord, kBlobSha256Mismatch, kPluginNameMismatch, kRegistryFull.
  virtual RegistryResult<StoreOutcome> Store(const PluginRecord& record, std::string_view module) = 0;
  /// The outcome of a new handshake for a record that is there: all but its hash, name and `registered_at`. kPluginMissing.
  virtual RegistryStatus Update(const PluginRecord& record) = 0;
  /// kPluginMissing. `reason` is kept for a disabled one.
  virtual RegistryStatus SetStatus(const ModuleHash& sha256, PluginStatus status, std::string_view reason) = 0;
  /// Record and module. kPluginMissing.
  virtual RegistryStatus Remove(const ModuleHash& sha256) = 0;

  /// The module as it is kept, unchecked. kBlobMissing.
  virtual RegistryResult<std::string> ReadModule(const ModuleHash& sha256) = 0;

  virtual RegistryResult<StartupMarks> Marks() = 0;
  virtual RegistryStatus MarkPass(int64_t now) = 0;
  virtual RegistryStatus MarkShutdown(int64_t now) = 0;
  /// A complete pass that began at `pass_began`: removes marks up to then, not those that a later start or stop has set.
  virtual RegistryStatus ClearMarks(int64_t pass_began) = 0;

  /// Every record and module, as of one moment, to a file that is there whole or not at all. Returns the number of records.
  virtual RegistryResult<uint64_t> Export(const std::string& path) = 0;
  /// All of the file, or nothing. kImportMalformed, kRegistryFull, kPluginNameMismatch.
  virtual RegistryResult<ImportOutcome> Import(const std::string& path, ImportMode mode) = 0;
  /// What is wrong with the database and the modules in it, a line each; empty: nothing. Reads everything.
  virtual RegistryResult<std::vector<std::string>> Check() = 0;
};

/// `source`: "postgres://…", "postgresql://…" or "host=… dbname=…" for PostgreSQL, else a file of SQLite, which is made if it is not
/// there. Brings the schema up to date. kInvalidSource, kSchemaNewer, kCorrupt, kUnavailable, kIo.
RegistryResult<std::unique_ptr<Registry>> OpenRegistry(const std::string& source, const RegistryLimits& limits = {});

/// The module, after a look at its hash. kBlobMissing, kBlobSha256Mismatch.
RegistryResult<std::string> LoadModule(Registry& registry, const ModuleHash& sha256);

}  // namespace weir::cclb
