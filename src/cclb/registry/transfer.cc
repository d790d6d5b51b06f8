// Export and import: a registry to a file and back, between databases too.
#include "base/sha256.h"
#include "cclb/registry/export.h"
#include "cclb/registry/record.h"
#include "cclb/registry/sql_registry.h"

namespace weir::cclb {

RegistryResult<uint64_t> SqlRegistry::Export(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ExportWriter writer(path);
  WEIR_TRY_VOID(writer.Open());
  WEIR_TRY(auto snapshot, Transaction::Begin(*sql_, Access::kRead));
  WEIR_TRY(const auto keys, Keys());
  for (const ModuleHash& key : keys) {
    WEIR_TRY(const auto record, FindRow(key));
    if (!record) return Missing(key);
    WEIR_TRY_VOID(CheckRecord(*record, limits_));  // what import would refuse is no export
    WEIR_TRY(const std::string module, ModuleRow(key));
    if (const ModuleHash found = Sha256({module}); found != key) return BlobMismatch(key, found);
    WEIR_TRY_VOID(writer.Add(*record, module));
  }
  WEIR_TRY_VOID(writer.Finish());
  return keys.size();
}

RegistryResult<ImportOutcome> SqlRegistry::ImportRows(ExportReader& reader, ImportMode mode) {
  ImportOutcome outcome;
  std::optional<ModuleHash> last;
  WEIR_TRY(uint64_t rows, CountRows());
  for (;;) {
    WEIR_TRY(const auto entry, reader.Next());
    if (!entry) return outcome;
    const PluginRecord& record = entry->record;
    if (last && record.sha256 <= *last) return reader.Malformed("plugin " + HexOf(record.sha256) + " is out of order or there twice");
    last = record.sha256;
    WEIR_TRY(const auto there, FindRow(record.sha256));
    if (there && there->plugin_name != record.plugin_name) return NameMismatch(record.sha256, there->plugin_name, record.plugin_name);
    if (there && mode == ImportMode::kKeep) {
      ++outcome.kept;
      continue;
    }
    const auto stored = StoreRow(record, entry->module, rows);
    if (!stored) {
      const bool bad = stored.error().name == RegistryErrorName::kInvalidRecord || stored.error().name == RegistryErrorName::kBlobSha256Mismatch;
      return bad ? reader.Malformed("plugin " + HexOf(record.sha256) + ": " + stored.error().message) : stored.error();
    }
    ++(stored->inserted ? outcome.added : outcome.replaced);
    rows = stored->rows;
    outcome.above_warn = stored->above_warn;
  }
}

RegistryResult<ImportOutcome> SqlRegistry::Import(const std::string& path, ImportMode mode) {
  const std::lock_guard lock(mutex_);
  ExportReader reader(path, limits_);
  WEIR_TRY_VOID(reader.Open());
  WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
  WEIR_TRY(const ImportOutcome outcome, ImportRows(reader, mode));
  WEIR_TRY_VOID(transaction.Commit());
  return outcome;
}

}  // namespace weir::cclb
