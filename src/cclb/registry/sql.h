// One connection to a database, as the registry needs it: SQLite and PostgreSQL behind five calls.
//
// Statements are written once for both. Parameters are $1, $2 … and appear first in that order (SQLite numbers them by appearance).
// Where the two differ in a word, the text has it in braces: {bytes}, {int}, {strict}.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weir/cclb/registry.h"
#include "weir/result.h"

namespace weir::cclb {

/// A column's value: NULL, {int}, TEXT, {bytes}.
struct SqlBytes {
  std::string bytes;
  friend bool operator==(const SqlBytes&, const SqlBytes&) = default;
};
struct SqlBytesView {
  std::string_view bytes;
};
using SqlValue = std::variant<std::monostate, int64_t, std::string, SqlBytes>;
/// A parameter: borrowed for the call.
using SqlParameter = std::variant<int64_t, std::string_view, SqlBytesView>;
using SqlRow = std::vector<SqlValue>;

enum class Access : uint8_t {
  kRead,   ///< a snapshot: what others commit meanwhile does not show
  kWrite,  ///< one writer at a time, over all processes
};

struct SqlAnswer {
  std::vector<SqlRow> rows;
  uint64_t changed = 0;  ///< rows that an INSERT, UPDATE or DELETE touched
};

class Sql {
 public:
  virtual ~Sql() = default;
  virtual const std::string& name() const = 0;
  /// The statement, prepared at its first use and kept. `text` lives as long as the program: it is the key.
  virtual RegistryResult<SqlAnswer> Run(const char* text, const std::vector<SqlParameter>& parameters) = 0;
  /// Statements without parameters or answer: definitions. Several, separated by ';'.
  virtual RegistryStatus Define(const std::string& text) = 0;
  virtual RegistryStatus Begin(Access access) = 0;
  virtual RegistryStatus Commit() = 0;
  /// After a failure; none of its own is told, for the connection then begins anew.
  virtual void Rollback() = 0;
  virtual RegistryResult<bool> HasTable(const char* table) = 0;
  /// Does the database itself find faults? A line each.
  virtual RegistryResult<std::vector<std::string>> CheckStorage() = 0;
};

/// What a commit waits for. Either way it is whole or not there, and outlives the process.
enum class Flush : uint8_t {
  kEachCommit,  ///< the disk: it outlives a loss of power
  kLater,       ///< nothing (SQLite), or what the server is set to
};
RegistryResult<std::unique_ptr<Sql>> OpenSqlite(const std::string& path, uint32_t busy_ms, Flush flush = Flush::kEachCommit);
RegistryResult<std::unique_ptr<Sql>> OpenPostgres(const std::string& connection, uint32_t busy_ms, Flush flush = Flush::kEachCommit);
/// The one or the other, with its schema up to date.
RegistryResult<std::unique_ptr<Sql>> OpenDatabase(const std::string& source, uint32_t busy_ms, Flush flush = Flush::kEachCommit);

/// A transaction that is undone unless Commit() was called.
class Transaction {
 public:
  static RegistryResult<Transaction> Begin(Sql& sql, Access access) {
    auto begun = sql.Begin(access);
    if (!begun) return std::move(begun).error();
    return Transaction(&sql);
  }
  Transaction(Transaction&& other) noexcept : sql_(std::exchange(other.sql_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() {
    if (sql_) sql_->Rollback();
  }
  RegistryStatus Commit() {
    auto committed = sql_->Commit();
    if (committed) sql_ = nullptr;
    return committed;
  }

 private:
  explicit Transaction(Sql* sql) : sql_(sql) {}
  Sql* sql_;
};

/// `text` with every {word} replaced by what `words` has for it.
struct SqlWord {
  std::string_view word, text;
};
std::string WithWords(std::string_view text, const std::vector<SqlWord>& words);

}  // namespace weir::cclb
