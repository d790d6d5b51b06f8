// PostgreSQL, by libpq. Parameters and results are binary: {int} is eight bytes, most significant first.
#include <libpq-fe.h>

#include <unordered_map>

#include "cclb/registry/sql.h"

namespace weir::cclb {
namespace {

constexpr Oid kBigint = 20, kText = 25, kBytea = 17;  // pg_type.h: these never change
constexpr int kBinary = 1;
const std::vector<SqlWord> kWords = {{"{bytes}", "BYTEA"}, {"{int}", "BIGINT"}, {"{strict}", ""}};

struct Free {
  void operator()(PGresult* result) const { PQclear(result); }
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Answered = std::unique_ptr<PGresult, Free>;

struct StateRow {
  std::string_view prefix;  // of SQLSTATE
  RegistryErrorName name;
};
constexpr StateRow kStates[] = {
    {"08", RegistryErrorName::kUnavailable},     // connection
    {"40", RegistryErrorName::kUnavailable},     // deadlock
    {"55P03", RegistryErrorName::kUnavailable},  // lock_timeout
    {"57", RegistryErrorName::kUnavailable},     // shut down, cancelled
    {"22", RegistryErrorName::kInvalidRecord},   // a value that the type does not take
    {"23", RegistryErrorName::kCorrupt},         // a constraint: what is written was checked before
    {"XX", RegistryErrorName::kCorrupt},
};

std::string EightBytes(int64_t value) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (56 - 8 * i));
  return bytes;
}

int64_t FromEightBytes(const char* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return static_cast<int64_t>(value);
}

SqlValue ReadValue(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column)) return std::monostate();
  const char* const data = PQgetvalue(result, row, column);
  const auto size = static_cast<size_t>(PQgetlength(result, row, column));
  switch (PQftype(result, column)) {
    case kBigint:
      return FromEightBytes(data);
    case kBytea:
      return SqlBytes{std::string(data, size)};
    default:
      return std::string(data, size);
  }
}

void Ignore(void*, const PGresult*) {}

class Postgres final : public Sql {
 public:
  Postgres(uint32_t busy_ms, Flush flush) : busy_ms_(busy_ms), flush_(flush) {}
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;
  ~Postgres() override { PQfinish(connection_); }

  RegistryStatus Open(const std::string& connection) {
    char* problem = nullptr;
    const std::unique_ptr<PQconninfoOption, Free> options(PQconninfoParse(connection.c_str(), &problem));
    if (!options) {
      RegistryFault fault{RegistryErrorName::kInvalidSource, std::string("the connection string of the registry: ") + (problem ? problem : "?")};
      PQfreemem(problem);
      TrimEnd(&fault.message);
      return fault;
    }
    // What stands before "dbname" are defaults, what stands after it is fixed.
    const char* const names[] = {"connect_timeout", "fallback_application_name", "dbname", "client_encoding", nullptr};
    const char* const values[] = {"10", "weir", connection.c_str(), "UTF8", nullptr};
    connection_ = PQconnectdbParams(names, values, 1);
    name_ = std::string("PostgreSQL database ") + OrEmpty(PQdb(connection_)) + " at " + OrEmpty(PQhost(connection_));
    return SetUp();
  }

  const std::string& name() const override { return name_; }

  RegistryResult<SqlAnswer> Run(const char* text, const std::vector<SqlParameter>& parameters) override {
    auto answer = RunOnce(text, parameters);
    // Outside a transaction there are only reads: the server may have been restarted since.
    if (!answer && !in_transaction_ && Reconnected()) return RunOnce(text, parameters);
    return answer;
  }

  RegistryStatus Define(const std::string& text) override {
    const Answered result(PQexec(connection_, WithWords(text, kWords).c_str()));
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK && PQresultStatus(result.get()) != PGRES_TUPLES_OK) return Fail(result.get());
    return std::monostate();
  }

  RegistryStatus Begin(Access access) override {
    // The lock makes writers wait for one another, so that the row limit is exact.
    const char* const text = access == Access::kRead ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                                     : "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(8603930234867806561)";
    auto begun = Define(text);
    if (!begun && Reconnected()) begun = Define(text);
    in_transaction_ = begun.has_value();
    if (!begun) Define("ROLLBACK").has_value();
    return begun;
  }

  RegistryStatus Commit() override {
    // COMMIT of a failed transaction succeeds as ROLLBACK: the command tag tells.
    const Answered result(PQexec(connection_, "COMMIT"));
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return Fail(result.get());
    in_transaction_ = false;
    if (std::string_view(PQcmdStatus(result.get())) != "COMMIT") return RegistryFault{RegistryErrorName::kIo, name_ + ": the transaction was undone"};
    return std::monostate();
  }

  void Rollback() override {
    in_transaction_ = false;
    const Answered result(PQexec(connection_, "ROLLBACK"));
  }

  RegistryResult<bool> HasTable(const char* table) override {
    // Not by to_regclass(): it may answer from what this session knew before it waited for the lock.
    WEIR_TRY(const SqlAnswer answer, Run("SELECT 1::bigint FROM pg_catalog.pg_class WHERE relname = $1 AND pg_catalog.pg_table_is_visible(oid)",
                                         {std::string_view(table)}));
    return !answer.rows.empty();
  }

  /// The server has no check of its own that every user may run.
  RegistryResult<std::vector<std::string>> CheckStorage() override { return std::vector<std::string>(); }

 private:
  static const char* OrEmpty(const char* text) { return text ? text : ""; }
  static void TrimEnd(std::string* text) {
    while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  }

  RegistryFault Fail(const PGresult* result) const {
    RegistryErrorName name = RegistryErrorName::kIo;
    const char* const state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    if (PQstatus(connection_) != CONNECTION_OK) name = RegistryErrorName::kUnavailable;
    for (const StateRow& row : kStates) {
      if (state && std::string_view(state).starts_with(row.prefix)) name = row.name;
    }
    std::string message = name_ + ": " + PQerrorMessage(connection_);
    TrimEnd(&message);
    return {name, std::move(message)};
  }

  RegistryStatus SetUp() {
    prepared_.clear();
    if (PQstatus(connection_) != CONNECTION_OK) return Fail(nullptr);
    PQsetNoticeReceiver(connection_, Ignore, nullptr);
    const char* const encoding = PQparameterStatus(connection_, "server_encoding");
    if (!encoding || std::string_view(encoding) != "UTF8") {
      return RegistryFault{RegistryErrorName::kInvalidSource, name_ + ": its encoding is " + OrEmpty(encoding) +
                                                                  ": use a database made with ENCODING 'UTF8'"};
    }
    // An administrator may have traded durability for speed; here what is acknowledged is kept.
    const std::string wait = "SET lock_timeout = " + std::to_string(busy_ms_);
    if (flush_ == Flush::kLater) return Define(wait);
    return Define(wait + "; SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'");
  }

  /// True: the connection was gone and is there again.
  bool Reconnected() {
    if (PQstatus(connection_) == CONNECTION_OK) return false;
    PQreset(connection_);
    return SetUp().has_value();
  }

  RegistryResult<std::string> Prepared(const char* text, const std::vector<Oid>& types) {
    const auto found = prepared_.find(text);
    if (found != prepared_.end()) return found->second;
    std::string statement = "weir" + std::to_string(prepared_.size());
    const Answered result(PQprepare(connection_, statement.c_str(), WithWords(text, kWords).c_str(), static_cast<int>(types.size()), types.data()));
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return Fail(result.get());
    prepared_.emplace(text, statement);
    return statement;
  }

  RegistryResult<SqlAnswer> RunOnce(const char* text, const std::vector<SqlParameter>& parameters) {
    std::vector<Oid> types;
    std::vector<std::string> numbers(parameters.size());
    std::vector<const char*> values;
    std::vector<int> sizes, formats(parameters.size(), kBinary);
    for (size_t i = 0; i < parameters.size(); ++i) {
      std::string_view bytes;
      if (const auto* number = std::get_if<int64_t>(&parameters[i])) {
        bytes = numbers[i] = EightBytes(*number);
      } else if (const auto* characters = std::get_if<std::string_view>(&parameters[i])) {
        bytes = *characters;
      } else {
        bytes = std::get_if<SqlBytesView>(&parameters[i])->bytes;
      }
      constexpr Oid kTypes[] = {kBigint, kText, kBytea};
      types.push_back(kTypes[parameters[i].index()]);
      values.push_back(bytes.data() ? bytes.data() : "");  // a null pointer would be NULL
      sizes.push_back(static_cast<int>(bytes.size()));
    }
    WEIR_TRY(const std::string statement, Prepared(text, types));
    const Answered result(PQexecPrepared(connection_, statement.c_str(), static_cast<int>(values.size()), values.data(), sizes.data(),
                                         formats.data(), kBinary));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return Fail(result.get());
    return ReadAnswer(result.get());
  }

  static SqlAnswer ReadAnswer(PGresult* result) {
    SqlAnswer answer;
    for (int row = 0; row < PQntuples(result); ++row) {
      SqlRow& values = answer.rows.emplace_back();
      for (int column = 0; column < PQnfields(result); ++column) values.push_back(ReadValue(result, row, column));
    }
    for (const char* digit = PQcmdTuples(result); *digit >= '0' && *digit <= '9'; ++digit) {
      answer.changed = answer.changed * 10 + static_cast<uint64_t>(*digit - '0');
    }
    return answer;
  }

  const uint32_t busy_ms_;
  const Flush flush_;
  std::string name_;
  PGconn* connection_ = nullptr;
  bool in_transaction_ = false;
  std::unordered_map<const char*, std::string> prepared_;
};

}  // namespace

RegistryResult<std::unique_ptr<Sql>> OpenPostgres(const std::string& connection, uint32_t busy_ms, Flush flush) {
  auto postgres = std::make_unique<Postgres>(busy_ms, flush);
  WEIR_TRY_VOID(postgres->Open(connection));
  return std::unique_ptr<Sql>(std::move(postgres));
}

}  // namespace weir::cclb
