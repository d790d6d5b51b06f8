// Storage upon a database. A Put is one transaction that adds up what its plugin uses.
#include <mutex>

#include "cclb/registry/schema.h"
#include "cclb/registry/sql.h"
#include "weir/cclb/storage.h"

namespace weir::cclb {
namespace {

constexpr char kGet[] = "SELECT value FROM cc_lb_storage WHERE plugin = $1 AND key = $2";
constexpr char kLength[] = "SELECT CAST(length(value) AS BIGINT) FROM cc_lb_storage WHERE plugin = $1 AND key = $2";
constexpr char kUsed[] = "SELECT bytes FROM cc_lb_storage_used WHERE plugin = $1";
constexpr char kUse[] =
    "INSERT INTO cc_lb_storage_used (plugin, bytes) VALUES ($1, $2) ON CONFLICT (plugin) DO UPDATE SET bytes = excluded.bytes";
constexpr char kPut[] =
    "INSERT INTO cc_lb_storage (plugin, key, value) VALUES ($1, $2, $3) ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value";

Error Of(const RegistryFault& fault) { return {ErrorCode::kIo, fault.message}; }

class SqlStorage final : public Storage {
 public:
  explicit SqlStorage(std::unique_ptr<Sql> sql) : sql_(std::move(sql)) {}

  Result<std::optional<std::string>> Get(std::string_view plugin, std::string_view key) override {
    const std::lock_guard lock(mutex_);
    auto answer = sql_->Run(kGet, {SqlBytesView{plugin}, SqlBytesView{key}});
    if (!answer) return Of(answer.error());
    if (answer->rows.empty()) return std::optional<std::string>();
    auto* value = std::get_if<SqlBytes>(&answer->rows[0][0]);
    if (value == nullptr) return Error{ErrorCode::kIo, sql_->name() + ": a stored value is damaged"};
    return std::optional(std::move(value->bytes));
  }

  Result<void> Put(std::string_view plugin, std::string_view key, std::string_view value, uint64_t quota_bytes) override {
    const std::lock_guard lock(mutex_);
    bool fits = true;
    const auto done = PutRow(plugin, key, value, quota_bytes, &fits);
    if (!done) return Of(done.error());
    if (!fits) return Error{ErrorCode::kLimit, kQuotaExceeded};
    return {};
  }

 private:
  RegistryStatus PutRow(std::string_view plugin, std::string_view key, std::string_view value, uint64_t quota_bytes, bool* fits) {
    WEIR_TRY(auto transaction, Transaction::Begin(*sql_, Access::kWrite));
    WEIR_TRY(const uint64_t used, Number(kUsed, {SqlBytesView{plugin}}));
    WEIR_TRY(const SqlAnswer before, sql_->Run(kLength, {SqlBytesView{plugin}, SqlBytesView{key}}));
    const uint64_t key_bytes = plugin.size() + 1 + key.size();
    uint64_t replaced = 0;
    if (!before.rows.empty()) {
      WEIR_TRY(const uint64_t length, Number(before));
      replaced = key_bytes + length;
    }
    if (replaced > used) return Damaged();
    const uint64_t bytes = used - replaced + key_bytes + value.size();
    *fits = bytes <= quota_bytes;
    if (!*fits) return std::monostate();
    WEIR_TRY_VOID(sql_->Run(kUse, {SqlBytesView{plugin}, static_cast<int64_t>(bytes)}));
    WEIR_TRY_VOID(sql_->Run(kPut, {SqlBytesView{plugin}, SqlBytesView{key}, SqlBytesView{value}}));
    return transaction.Commit();
  }

  /// Of the only column of the only row; 0 without a row.
  RegistryResult<uint64_t> Number(const SqlAnswer& answer) const {
    if (answer.rows.empty()) return uint64_t{0};
    const auto* number = std::get_if<int64_t>(&answer.rows[0][0]);
    if (number == nullptr || *number < 0) return Damaged();
    return static_cast<uint64_t>(*number);
  }
  RegistryResult<uint64_t> Number(const char* text, const std::vector<SqlParameter>& parameters) {
    WEIR_TRY(const SqlAnswer answer, sql_->Run(text, parameters));
    return Number(answer);
  }
  RegistryFault Damaged() const {
    return {RegistryErrorName::kCorrupt, sql_->name() + ": what a plugin is said to store is not what it stores (weir cclb check)"};
  }

  std::mutex mutex_;  // a connection serves one call at a time
  const std::unique_ptr<Sql> sql_;
};

}  // namespace

RegistryResult<std::unique_ptr<Storage>> OpenStorage(const std::string& source, const StorageOptions& options) {
  WEIR_TRY(auto sql, OpenDatabase(source, options.busy_ms, options.durability == Durability::kPower ? Flush::kEachCommit : Flush::kLater));
  return std::unique_ptr<Storage>(std::make_unique<SqlStorage>(std::move(sql)));
}

}  // namespace weir::cclb
