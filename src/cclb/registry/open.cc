#include <algorithm>

#include "cclb/registry/schema.h"
#include "cclb/registry/sql_registry.h"

namespace weir::cclb {
namespace {

/// "postgres://…", "postgresql://…", "word=…". A file that is named so is written ./word=….
bool IsConnectionString(std::string_view source) {
  if (source.starts_with("postgres://") || source.starts_with("postgresql://")) return true;
  const size_t equals = source.find('=');
  return equals != source.npos && equals > 0 &&
         std::ranges::all_of(source.substr(0, equals), [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == ' '; });
}

}  // namespace

RegistryResult<std::unique_ptr<Sql>> OpenDatabase(const std::string& source, uint32_t busy_ms, Flush flush) {
  WEIR_TRY(auto sql, IsConnectionString(source) ? OpenPostgres(source, busy_ms, flush) : OpenSqlite(source, busy_ms, flush));
  WEIR_TRY_VOID(Migrate(*sql, Migrations()));
  return sql;
}

RegistryResult<std::unique_ptr<Registry>> OpenRegistry(const std::string& source, const RegistryLimits& limits) {
  WEIR_TRY(auto sql, OpenDatabase(source, limits.busy_ms));
  return std::unique_ptr<Registry>(std::make_unique<SqlRegistry>(std::move(sql), limits));
}

}  // namespace weir::cclb
