// SQLite: one file in WAL mode. Every commit of the registry is flushed to the disk (synchronous=FULL), so what was acknowledged outlives
// the process and the machine's power.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "cclb/registry/sql.h"

namespace weir::cclb {
namespace {

constexpr int kApplicationId = 0x77454952;  // "wEIR": tells our files from others'
const std::vector<SqlWord> kWords = {{"{bytes}", "BLOB"}, {"{int}", "INTEGER"}, {"{strict}", " STRICT"}};

RegistryErrorName NameOfCode(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return RegistryErrorName::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:  // what is written was checked before: so it is what was there
    case SQLITE_MISMATCH:
      return RegistryErrorName::kCorrupt;
    case SQLITE_TOOBIG:
      return RegistryErrorName::kInvalidRecord;
    default:
      return RegistryErrorName::kIo;
  }
}

const char* Remedy(RegistryErrorName name) {
  switch (name) {
    case RegistryErrorName::kUnavailable:
      return "; another process holds it: try again";
    case RegistryErrorName::kCorrupt:
      return "; restore it from an export";
    default:
      return "";
  }
}

/// The file with its permissions, where it is not there: modules in it are run, so nobody else may write them.
RegistryStatus MakeFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    close(fd);
    return std::monostate();
  }
  const int error = errno;
  struct stat info;
  if (error == EEXIST && stat(path.c_str(), &info) == 0) {
    if (S_ISREG(info.st_mode)) return std::monostate();
    return RegistryFault{RegistryErrorName::kInvalidSource, path + ": is no file; a registry is a file, or a connection string of PostgreSQL"};
  }
  return RegistryFault{RegistryErrorName::kIo, path + ": " + std::strerror(error)};
}

class Sqlite final : public Sql {
 public:
  explicit Sqlite(std::string path) : path_(std::move(path)) {}
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;
  ~Sqlite() override {
    for (const auto& [text, statement] : prepared_) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }

  RegistryStatus Open(uint32_t busy_ms, Flush flush) {
    if (path_.empty() || path_.find('\0') != path_.npos) return RegistryFault{RegistryErrorName::kInvalidSource, "the registry's path is empty"};
    WEIR_TRY_VOID(MakeFile(path_));
    // "./" keeps SQLite from reading ":memory:" or "file:" in a path.
    const std::string plain = path_.front() == '/' ? path_ : "./" + path_;
    const int opened = sqlite3_open_v2(plain.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    if (opened != SQLITE_OK) return Fail();
    sqlite3_busy_timeout(db_, static_cast<int>(busy_ms));
    sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    WEIR_TRY_VOID(Define("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON"));
    WEIR_TRY(const bool marked, IsMarked());
    WEIR_TRY_VOID(UseWal(busy_ms));
    if (!marked) WEIR_TRY_VOID(Define("PRAGMA application_id=" + std::to_string(kApplicationId)));
    return Define(std::string("PRAGMA synchronous=") + (flush == Flush::kEachCommit ? "FULL" : "NORMAL") + "; PRAGMA journal_size_limit=67108864");
  }

  const std::string& name() const override { return path_; }

  RegistryResult<SqlAnswer> Run(const char* text, const std::vector<SqlParameter>& parameters) override {
    WEIR_TRY(sqlite3_stmt* const statement, Prepared(text));
    int code = SQLITE_OK;
    for (size_t i = 0; i < parameters.size() && code == SQLITE_OK; ++i) code = Bind(statement, static_cast<int>(i + 1), parameters[i]);
    SqlAnswer answer;
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    for (; code == SQLITE_ROW; code = sqlite3_step(statement)) answer.rows.push_back(ReadRow(statement));
    std::optional<RegistryFault> fault;
    if (code != SQLITE_DONE) fault = Fail();
    answer.changed = static_cast<uint64_t>(sqlite3_changes64(db_));
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (fault) return std::move(*fault);
    return answer;
  }

  RegistryStatus Define(const std::string& text) override {
    if (sqlite3_exec(db_, WithWords(text, kWords).c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return Fail();
    return std::monostate();
  }

  RegistryStatus Begin(Access access) override { return Define(access == Access::kWrite ? "BEGIN IMMEDIATE" : "BEGIN"); }
  RegistryStatus Commit() override { return Define("COMMIT"); }
  void Rollback() override {
    if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }

  RegistryResult<bool> HasTable(const char* table) override {
    WEIR_TRY(const SqlAnswer answer, Run("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1", {std::string_view(table)}));
    return !answer.rows.empty();
  }

  RegistryResult<std::vector<std::string>> CheckStorage() override {
    std::vector<std::string> faults;
    for (const char* check : {"PRAGMA integrity_check", "PRAGMA foreign_key_check"}) {
      WEIR_TRY(const SqlAnswer answer, Run(check, {}));
      for (const SqlRow& row : answer.rows) {
        const auto* text = std::get_if<std::string>(&row[0]);
        if (!text || *text == "ok") continue;
        faults.push_back(row.size() == 1 ? *text : *text + ": a row that refers to one that is gone");
      }
    }
    return faults;
  }

 private:
  RegistryFault Fail() const {
    const int code = sqlite3_extended_errcode(db_);
    const RegistryErrorName name = NameOfCode(code);
    return {name, path_ + ": " + sqlite3_errmsg(db_) + Remedy(name)};
  }

  /// Ours (true) or empty (false). A database of another program is not touched.
  RegistryResult<bool> IsMarked() {
    WEIR_TRY(auto snapshot, Transaction::Begin(*this, Access::kRead));
    WEIR_TRY(const SqlAnswer tables, Run("SELECT count(*) FROM sqlite_schema", {}));
    WEIR_TRY(const SqlAnswer id, Run("PRAGMA application_id", {}));
    if (id.rows[0][0] == SqlValue(int64_t{kApplicationId})) return true;
    if (id.rows[0][0] == SqlValue(int64_t{0}) && tables.rows[0][0] == SqlValue(int64_t{0})) return false;
    return RegistryFault{RegistryErrorName::kCorrupt, path_ + ": is a database of another program, no registry"};
  }

  /// Of several processes that open a new file at once, SQLite lets one change the mode and does not let the others wait.
  RegistryStatus UseWal(uint32_t busy_ms) {
    constexpr uint32_t kStepMs = 5;
    for (uint32_t waited_ms = 0;; waited_ms += kStepMs) {
      const auto answer = Run("PRAGMA journal_mode=WAL", {});
      if (answer && answer->rows.size() == 1 && answer->rows[0][0] == SqlValue(std::string("wal"))) return std::monostate();
      if (!answer && (answer.error().name != RegistryErrorName::kUnavailable || waited_ms >= busy_ms)) return answer.error();
      if (answer) return RegistryFault{RegistryErrorName::kIo, path_ + ": this file system has no shared memory, which several processes need (WAL)"};
      usleep(kStepMs * 1000);
    }
  }

  RegistryResult<sqlite3_stmt*> Prepared(const char* text) {
    const auto found = prepared_.find(text);
    if (found != prepared_.end()) return found->second;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, WithWords(text, kWords).c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) return Fail();
    prepared_.emplace(text, statement);
    return statement;
  }

  static int Bind(sqlite3_stmt* statement, int index, const SqlParameter& parameter) {
    if (const auto* number = std::get_if<int64_t>(&parameter)) return sqlite3_bind_int64(statement, index, *number);
    const auto* text = std::get_if<std::string_view>(&parameter);
    const std::string_view bytes = text ? *text : std::get_if<SqlBytesView>(&parameter)->bytes;
    const char* const data = bytes.data() ? bytes.data() : "";  // a null pointer would be NULL
    if (text) return sqlite3_bind_text64(statement, index, data, bytes.size(), SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(statement, index, data, bytes.size(), SQLITE_STATIC);
  }

  static SqlRow ReadRow(sqlite3_stmt* statement) {
    SqlRow row(static_cast<size_t>(sqlite3_column_count(statement)));
    for (int i = 0; i < static_cast<int>(row.size()); ++i) {
      SqlValue& value = row[static_cast<size_t>(i)];
      const int type = sqlite3_column_type(statement, i);
      if (type == SQLITE_INTEGER) value = static_cast<int64_t>(sqlite3_column_int64(statement, i));
      if (type != SQLITE_TEXT && type != SQLITE_BLOB) continue;
      const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, i));
      std::string bytes(data ? data : "", static_cast<size_t>(sqlite3_column_bytes(statement, i)));
      if (type == SQLITE_TEXT) {
        value = std::move(bytes);
      } else {
        value = SqlBytes{std::move(bytes)};
      }
    }
    return row;
  }

  const std::string path_;
  sqlite3* db_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> prepared_;
};

}  // namespace

RegistryResult<std::unique_ptr<Sql>> OpenSqlite(const std::string& path, uint32_t busy_ms, Flush flush) {
  auto sqlite = std::make_unique<Sqlite>(path);
  WEIR_TRY_VOID(sqlite->Open(busy_ms, flush));
  return std::unique_ptr<Sql>(std::move(sqlite));
}

}  // namespace weir::cclb
