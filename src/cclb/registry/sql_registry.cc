#include "cclb/registry/sql_registry.h"

#include <algorithm>

#include "base/sha256.h"
#include "cclb/registry/record.h"

namespace weir::cclb {
namespace {

#define WEIR_RECORD_COLUMNS                                                                                                              \
  "sha256, plugin_name, plugin_version, abi_envelope, augmented_metadata, host_offer_hash, handshake_schema_version, registered_at, " \
  "last_handshake_at, expires_at, status, disabled_reason"
static_assert(std::string_view(WEIR_RECORD_COLUMNS) == kRecordColumns);

// plugin_name COLLATE "C" would be needed for a defined order in PostgreSQL; List sorts instead.
constexpr char kFind[] = "SELECT " WEIR_RECORD_COLUMNS " FROM cc_lb_plugins WHERE sha256 = $1";
constexpr char kList[] = "SELECT " WEIR_RECORD_COLUMNS " FROM cc_lb_plugins";
constexpr char kListOnly[] = "SELECT " WEIR_RECORD_COLUMNS " FROM cc_lb_plugins WHERE status = $1";
constexpr char kCount[] = "SELECT count(*) FROM cc_lb_plugins";
constexpr char kKeys[] = "SELECT sha256 FROM cc_lb_plugins ORDER BY sha256";
constexpr char kStoreModule[] =
    "INSERT INTO cc_lb_modules (sha256, bytes) VALUES ($1, $2) "
    "ON CONFLICT (sha256) DO UPDATE SET bytes = excluded.bytes WHERE cc_lb_modules.bytes <> excluded.bytes";
constexpr char kStore[] =
    "INSERT INTO cc_lb_plugins (" WEIR_RECORD_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
    "ON CONFLICT (sha256) DO UPDATE SET plugin_version = excluded.plugin_version, abi_envelope = excluded.abi_envelope, "
    "augmented_metadata = excluded.augmented_metadata, host_offer_hash = excluded.host_offer_hash, "
    "handshake_schema_version = excluded.handshake_schema_version, last_handshake_at = excluded.last_handshake_at, "
    "expires_at = excluded.expires_at, status = excluded.status, disabled_reason = excluded.disabled_reason";
constexpr char kSetStatus[] = "UPDATE cc_lb_plugins SET status = $1, disabled_reason = $2 WHERE sha256 = $3";
constexpr char kRemove[] = "DELETE FROM cc_lb_plugins WHERE sha256 = $1";
constexpr char kRemoveModule[] = "DELETE FROM cc_lb_modules WHERE sha256 = $1";
constexpr char kModule[] = "SELECT bytes FROM cc_lb_modules WHERE sha256 = $1";
constexpr char kMarks[] = "SELECT mark, at FROM cc_lb_marks";
constexpr char kMark[] =
    "INSERT INTO cc_lb_marks (mark, at) VALUES ($1, $2) "
    "ON CONFLICT (mark) DO UPDATE SET at = excluded.at WHERE cc_lb_marks.at < excluded.at";
constexpr char kClearMarks[] = "DELETE FROM cc_lb_marks WHERE at <= $1";
#undef WEIR_RECORD_COLUMNS
constexpr char kStorageFaults[] =
    "SELECT used.plugin, used.bytes, coalesce(kept.bytes, 0) FROM cc_lb_storage_used used LEFT JOIN "
    "(SELECT plugin, sum(length(plugin) + 1 + length(key) + length(value)) AS bytes FROM cc_lb_storage GROUP BY plugin) kept "
    "ON kept.plugin = used.plugin WHERE used.bytes <> coalesce(kept.bytes, 0)";

}  // namespace

// ---- reading ------------------------------------------------------------------------------------------------------------
RegistryResult<std::optional<PluginRecord>> SqlRegistry::FindRow(const ModuleHash& sha256) {
  WEIR_TRY(const SqlAnswer answer, sql_->Run(kFind, {SqlBytesView{View(sha256)}}));
  if (answer.rows.empty()) return std::optional<PluginRecord>();
  WEIR_TRY(PluginRecord record, ReadRecord(answer.rows[0], name()));
  return std::optional(std::move(record));
}

RegistryResult<std::string> SqlRegistry::ModuleRow(const ModuleHash& sha256) {
  WEIR_TRY(SqlAnswer answer, sql_->Run(kModule, {SqlBytesView{View(sha256)}}));
  if (answer.rows.empty()) {
    return RegistryFault{RegistryErrorName::kBlobMissing, name() + ": the module of plugin " + HexOf(sha256) + " is gone: register it again from its file"};
  }
  auto* bytes = std::get_if<SqlBytes>(&answer.rows[0][0]);
  if (!bytes) return RegistryFault{RegistryErrorName::kCorrupt, name() + ": the module of plugin " + HexOf(sha256) + " is damaged"};
  return std::move(bytes->bytes);
}

RegistryResult<uint64_t> SqlRegistry::CountRows() {
  WEIR_TRY(const SqlAnswer answer, sql_->Run(kCount, {}));
  const auto* count = answer.rows.empty() ? nullptr : std::get_if<int64_t>(&answer.rows[0][0]);
  if (!count) return RegistryFault{RegistryErrorName::kCorrupt, name() + ": counts no rows"};
  return static_cast<uint64_t>(*count);
}

RegistryResult<std::vector<ModuleHash>> SqlRegistry::Keys() {
  WEIR_TRY(const SqlAnswer answer, sql_->Run(kKeys, {}));
  std::vector<ModuleHash> keys;
  for (const SqlRow& row : answer.rows) {
    const auto* bytes = std::get_if<SqlBytes>(&row[0]);
    if (!bytes || bytes->bytes.size() != sizeof(ModuleHash)) return RegistryFault{RegistryErrorName::kCorrupt, name() + ": a plugin's hash is damaged"};
    std::ranges::copy(bytes->bytes, reinterpret_cast<char*>(keys.emplace_back().data()));
  }
  return keys;
}

RegistryResult<std::optional<PluginRecord>> SqlRegistry::Find(const ModuleHash& sha256) {
  const std::lock_guard lock(mutex_);
  return FindRow(sha256);
}

RegistryResult<std::vector<PluginRecord>> SqlRegistry::List(std::optional<PluginStatus> only) {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(const SqlAnswer answer, only ? sql_->Run(kListOnly, {StatusName(*only)}) : sql_->Run(kList, {}));
  std::vector<PluginRecord> records;
  records.reserve(answer.rows.size());
  for (const SqlRow& row : answer.rows) {
    WEIR_TRY(PluginRecord record, ReadRecord(row, name()));
    records.push_back(std::move(record));
  }
  std::ranges::sort(records, {}, [](const PluginRecord& r) { return std::tie(r.plugin_name, r.plugin_version, r.sha256); });
  return records;
}

RegistryResult<uint64_t> SqlRegistry::Count() {
  const std::lock_guard lock(mutex_);
  return CountRows();
}

RegistryResult<std::string> SqlRegistry::ReadModule(const ModuleHash& sha256) {
  const std::lock_guard lock(mutex_);
  return ModuleRow(sha256);
}

// ---- writing ------------------------------------------------------------------------------------------------------------
RegistryResult<StoreOutcome> SqlRegistry::StoreRow(const PluginRecord& record, std::string_view module, uint64_t rows) {
  WEIR_TRY_VOID(CheckRecord(record, limits_));
  if (module.size() > limits_.module_bytes_max) {
    return RegistryFault{RegistryErrorName::kInvalidRecord, "the module of \"" + record.plugin_name + "\" has " + std::to_string(module.size()) +
                                                                " bytes, more than " + std::to_string(limits_.module_bytes_max)};
  }
  const ModuleHash found = Sha256({module});
  if (found != record.sha256) return BlobMismatch(record.sha256, found);
  WEIR_TRY(const auto there, FindRow(record.sha256));
  if (there && there->plugin_name != record.plugin_name) return NameMismatch(record.sha256, there->plugin_name, record.plugin_name);
  StoreOutcome outcome{.inserted = !there, .rows = rows};
  if (outcome.inserted && rows >= limits_.rows_max) {
    return RegistryFault{RegistryErrorName::kRegistryFull, name() + ": holds " + std::to_string(rows) + " plugins, the most it takes is " +
                                                               std::to_string(limits_.rows_max) + ": remove some"};
  }
  outcome.rows += outcome.inserted;
  outcome.above_warn = outcome.rows > limits_.rows_warn;
  WEIR_TRY_VOID(sql_->Run(kStoreModule, {SqlBytesView{View(record.sha256)}, SqlBytesView{module}}));
  WEIR_TRY_VOID(sql_->Run(kStore, RecordParameters(record)));
  return outcome;
}

RegistryResult<StoreOutcome> SqlRegistry::Store(const PluginRecord& record, std::string_view module) {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
  WEIR_TRY(const uint64_t rows, CountRows());
  WEIR_TRY(const StoreOutcome outcome, StoreRow(record, module, rows));
  WEIR_TRY_VOID(transaction.Commit());
  return outcome;
}

RegistryStatus SqlRegistry::Update(const PluginRecord& record) {
  const std::lock_guard lock(mutex_);
  WEIR_TRY_VOID(CheckRecord(record, limits_));
  WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
  WEIR_TRY(const auto there, FindRow(record.sha256));
  if (!there) return Missing(record.sha256);
  if (there->plugin_name != record.plugin_name) return NameMismatch(record.sha256, there->plugin_name, record.plugin_name);
  WEIR_TRY_VOID(sql_->Run(kStore, RecordParameters(record)));
  return transaction.Commit();
}

RegistryStatus SqlRegistry::SetStatus(const ModuleHash& sha256, PluginStatus status, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  const std::string kept = status == PluginStatus::kActive ? "" : KeptReason(reason, limits_.reason_bytes_max);
  WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
  WEIR_TRY(const SqlAnswer answer, sql_->Run(kSetStatus, {StatusName(status), std::string_view(kept), SqlBytesView{View(sha256)}}));
  if (answer.changed == 0) return Missing(sha256);
  return transaction.Commit();
}

RegistryStatus SqlRegistry::Remove(const ModuleHash& sha256) {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
  WEIR_TRY(const SqlAnswer answer, sql_->Run(kRemove, {SqlBytesView{View(sha256)}}));
  if (answer.changed == 0) return Missing(sha256);
  WEIR_TRY_VOID(sql_->Run(kRemoveModule, {SqlBytesView{View(sha256)}}));
  return transaction.Commit();
}

// ---- marks --------------------------------------------------------------------------------------------------------------
RegistryResult<StartupMarks> SqlRegistry::Marks() {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(const SqlAnswer answer, sql_->Run(kMarks, {}));
  StartupMarks marks;
  for (const SqlRow& row : answer.rows) {
    const auto* mark = std::get_if<std::string>(&row[0]);
    const auto* at = std::get_if<int64_t>(&row[1]);
    if (!mark || !at) return RegistryFault{RegistryErrorName::kCorrupt, name() + ": a mark of a start is damaged"};
    (*mark == "pass" ? marks.pass : marks.shutdown) = *at;
  }
  return marks;
}

RegistryStatus SqlRegistry::Mark(std::string_view mark, int64_t now) {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
  WEIR_TRY_VOID(sql_->Run(kMark, {mark, now}));
  return transaction.Commit();
}

RegistryStatus SqlRegistry::MarkPass(int64_t now) { return Mark("pass", now); }
RegistryStatus SqlRegistry::MarkShutdown(int64_t now) { return Mark("shutdown", now); }

RegistryStatus SqlRegistry::ClearMarks(int64_t pass_began) {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
  WEIR_TRY_VOID(sql_->Run(kClearMarks, {pass_began}));
  return transaction.Commit();
}

// ---- the whole ----------------------------------------------------------------------------------------------------------
RegistryStatus SqlRegistry::CheckRow(const ModuleHash& key, std::vector<std::string>* faults) {
  // A damaged row is what this is for; a server that is gone is not.
  const auto note = [&](const RegistryFault& fault) -> RegistryStatus {
    if (fault.name == RegistryErrorName::kUnavailable || fault.name == RegistryErrorName::kIo) return fault;
    faults->push_back(fault.message);
    return std::monostate();
  };
  auto record = FindRow(key);
  if (!record) return note(record.error());
  if (*record) {
    if (auto checked = CheckRecord(**record, limits_); !checked) WEIR_TRY_VOID(note(checked.error()));
  }
  const auto module = ModuleRow(key);
  if (!module) return note(module.error());
  if (const ModuleHash found = Sha256({*module}); found != key) faults->push_back(BlobMismatch(key, found).message);
  return std::monostate();
}

RegistryResult<std::vector<std::string>> SqlRegistry::Check() {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(std::vector<std::string> faults, sql_->CheckStorage());
  WEIR_TRY(const auto keys, Keys());
  for (const ModuleHash& key : keys) WEIR_TRY_VOID(CheckRow(key, &faults));
  WEIR_TRY(const SqlAnswer storage, sql_->Run(kStorageFaults, {}));
  for (const SqlRow& row : storage.rows) {
    const auto* plugin = std::get_if<SqlBytes>(&row[0]);
    const auto *said = std::get_if<int64_t>(&row[1]), *kept = std::get_if<int64_t>(&row[2]);
    if (plugin == nullptr || said == nullptr || kept == nullptr) return RegistryFault{RegistryErrorName::kCorrupt, name() + ": cc_lb_storage is damaged"};
    faults.push_back("plugin \"" + plugin->bytes + "\" is said to store " + std::to_string(*said) + " bytes, it stores " + std::to_string(*kept));
  }
  return faults;
}

RegistryResult<std::string> LoadModule(Registry& registry, const ModuleHash& sha256) {
  WEIR_TRY(std::string module, registry.ReadModule(sha256));
  if (const ModuleHash found = Sha256({module}); found != sha256) return BlobMismatch(sha256, found);
  return module;
}

}  // namespace weir::cclb
