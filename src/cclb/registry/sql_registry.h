// The registry upon a database.
#pragma once

#include <memory>
#include <mutex>

#include "cclb/registry/sql.h"

namespace weir::cclb {

class SqlRegistry final : public Registry {
 public:
  SqlRegistry(std::unique_ptr<Sql> sql, const RegistryLimits& limits) : sql_(std::move(sql)), limits_(limits) {}
  SqlRegistry(const SqlRegistry&) = delete;
  SqlRegistry& operator=(const SqlRegistry&) = delete;

  const std::string& name() const override { return sql_->name(); }
  const RegistryLimits& limits() const override { return limits_; }
  RegistryResult<std::optional<PluginRecord>> Find(const ModuleHash& sha256) override;
  RegistryResult<std::vector<PluginRecord>> List(std::optional<PluginStatus> only) override;
  RegistryResult<uint64_t> Count() override;
  RegistryResult<StoreOutcome> Store(const PluginRecord& record, std::string_view module) override;
  RegistryStatus Update(const PluginRecord& record) override;
  RegistryStatus SetStatus(const ModuleHash& sha256, PluginStatus status, std::string_view reason) override;
  RegistryStatus Remove(const ModuleHash& sha256) override;
  RegistryResult<std::string> ReadModule(const ModuleHash& sha256) override;
  RegistryResult<StartupMarks> Marks() override;
  RegistryStatus MarkPass(int64_t now) override;
  RegistryStatus MarkShutdown(int64_t now) override;
  RegistryStatus ClearMarks(int64_t pass_began) override;
  RegistryResult<uint64_t> Export(const std::string& path) override;
  RegistryResult<ImportOutcome> Import(const std::string& path, ImportMode mode) override;
  RegistryResult<std::vector<std::string>> Check() override;

 private:
  // Precondition of all: mutex_ is held; of those that write: in a transaction for it.
  RegistryResult<std::optional<PluginRecord>> FindRow(const ModuleHash& sha256);
  RegistryResult<std::string> ModuleRow(const ModuleHash& sha256);
  RegistryResult<uint64_t> CountRows();
  RegistryResult<std::vector<ModuleHash>> Keys();
  /// `rows`: how many there are.
  RegistryResult<StoreOutcome> StoreRow(const PluginRecord& record, std::string_view module, uint64_t rows);
  RegistryStatus Mark(std::string_view mark, int64_t now);
  RegistryResult<ImportOutcome> ImportRows(class ExportReader& reader, ImportMode mode);
  RegistryStatus CheckRow(const ModuleHash& key, std::vector<std::string>* faults);

  std::mutex mutex_;  // a connection serves one call at a time
  const std::unique_ptr<Sql> sql_;
  const RegistryLimits limits_;
};

}  // namespace weir::cclb
