#include "cclb/registry/schema.h"

#include <ctime>

#include "weir/result.h"

namespace weir::cclb {
namespace {

constexpr char kTable[] = "cc_lb_migrations";
constexpr char kMakeTable[] =
    "CREATE TABLE cc_lb_migrations (version {int} PRIMARY KEY, name TEXT NOT NULL, applied_at {int} NOT NULL){strict}";
constexpr char kApplied[] = "SELECT version, name FROM cc_lb_migrations ORDER BY version";
constexpr char kNote[] = "INSERT INTO cc_lb_migrations (version, name, applied_at) VALUES ($1, $2, $3)";

// plugin_version is bytes: the protocol lets it be any UTF-8, and TEXT of PostgreSQL takes no NUL.
constexpr Migration kMigrations[] = {
    {"plugins and their modules",
     "CREATE TABLE cc_lb_modules ("
     " sha256 {bytes} PRIMARY KEY CHECK (length(sha256) = 32),"
     " bytes {bytes} NOT NULL"
     "){strict};"
     "CREATE TABLE cc_lb_plugins ("
     " sha256 {bytes} PRIMARY KEY REFERENCES cc_lb_modules (sha256),"
     " plugin_name TEXT NOT NULL,"
     " plugin_version {bytes} NOT NULL,"
     " abi_envelope {int} NOT NULL,"
     " augmented_metadata TEXT NOT NULL,"
     " host_offer_hash {bytes} NOT NULL CHECK (length(host_offer_hash) = 32),"
     " handshake_schema_version {int} NOT NULL,"
     " registered_at {int} NOT NULL,"
     " last_handshake_at {int} NOT NULL,"
     " expires_at {int} NOT NULL,"
     " status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),"
     " disabled_reason TEXT NOT NULL"
     "){strict};"
     "CREATE INDEX cc_lb_plugins_by_name ON cc_lb_plugins (plugin_name, plugin_version)"},
    {"marks of interrupted starts",
     "CREATE TABLE cc_lb_marks (mark TEXT PRIMARY KEY CHECK (mark IN ('pass', 'shutdown')), at {int} NOT NULL){strict}"},
    // bytes: of "plugin:key" and values together, as the quota counts.
    {"what plugins store",
     "CREATE TABLE cc_lb_storage_used (plugin {bytes} PRIMARY KEY, bytes {int} NOT NULL){strict};"
     "CREATE TABLE cc_lb_storage ("
     " plugin {bytes} NOT NULL REFERENCES cc_lb_storage_used (plugin) ON DELETE CASCADE,"
     " key {bytes} NOT NULL,"
     " value {bytes} NOT NULL,"
     " PRIMARY KEY (plugin, key)"
     "){strict}"},
};

RegistryFault Corrupt(const Sql& sql, const std::string& what) {
  return {RegistryErrorName::kCorrupt, sql.name() + ": " + what};
}

/// How many of `migrations` the database has. Precondition: the table is there.
RegistryResult<size_t> Applied(Sql& sql, std::span<const Migration> migrations) {
  WEIR_TRY(const auto answer, sql.Run(kApplied, {}));
  for (size_t i = 0; i < answer.rows.size(); ++i) {
    const auto* version = std::get_if<int64_t>(&answer.rows[i][0]);
    const auto* name = std::get_if<std::string>(&answer.rows[i][1]);
    if (!version || !name || *version != static_cast<int64_t>(i + 1)) return Corrupt(sql, "cc_lb_migrations is not a list of steps from 1 on");
    if (i < migrations.size() && *name != migrations[i].name) {
      return Corrupt(sql, "step " + std::to_string(i + 1) + " of its schema is \"" + *name + "\", not \"" + migrations[i].name +
                              "\": it was made by another program");
    }
  }
  if (answer.rows.size() > migrations.size()) {
    return RegistryFault{RegistryErrorName::kSchemaNewer, sql.name() + ": its schema is number " + std::to_string(answer.rows.size()) +
                                                              ", this program knows " + std::to_string(migrations.size()) +
                                                              ": use the newer weir, or another registry"};
  }
  return answer.rows.size();
}

}  // namespace

std::span<const Migration> Migrations() { return kMigrations; }

RegistryStatus Migrate(Sql& sql, std::span<const Migration> migrations) {
  // Without a lock, since that is how nearly every program finds it.
  WEIR_TRY(const bool made, sql.HasTable(kTable));
  if (made) {
    WEIR_TRY(const size_t before, Applied(sql, migrations));
    if (before == migrations.size()) return std::monostate();
  }
  // With it, from the beginning: another process may have been faster, or be halfway between two questions.
  WEIR_TRY(auto transaction, Transaction::Begin(sql, Access::kWrite));
  WEIR_TRY(const bool there, sql.HasTable(kTable));
  if (!there) {
    WEIR_TRY(const bool others, sql.HasTable("cc_lb_plugins"));
    if (others) return Corrupt(sql, "has the registry's tables, but not cc_lb_migrations: restore it from an export");
    WEIR_TRY_VOID(sql.Define(kMakeTable));
  }
  WEIR_TRY(size_t done, Applied(sql, migrations));
  for (; done < migrations.size(); ++done) {
    WEIR_TRY_VOID(sql.Define(migrations[done].text));
    WEIR_TRY_VOID(sql.Run(kNote, {static_cast<int64_t>(done + 1), std::string_view(migrations[done].name), static_cast<int64_t>(time(nullptr))}));
  }
  return transaction.Commit();
}

}  // namespace weir::cclb
