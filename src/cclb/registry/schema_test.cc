// Making the schema, upgrading it, and databases that are no registry.
#include "cclb/registry/schema.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "cclb/registry/export.h"
#include "cclb/registry/testing/registry_fixture.h"

namespace weir::cclb {
namespace {

using testing::ChildProcess;
using testing::Kind;
using testing::ModuleOf;
using testing::RecordOf;
using testing::RegistryTest;

class Schema : public RegistryTest {};
WEIR_REGISTRY_KINDS(Schema);

int64_t Versions(Sql& sql) {
  const auto answer = sql.Run("SELECT count(*) FROM cc_lb_migrations", {});
  return answer ? *std::get_if<int64_t>(&answer->rows[0][0]) : -1;
}

TEST_P(Schema, IsUpgradedStepByStep) {
  const auto all = Migrations();
  ASSERT_GE(all.size(), 2u);
  for (size_t steps = 1; steps <= all.size(); ++steps) {
    const auto sql = testing::OpenSql(source_);
    EXPECT_GOOD(Migrate(*sql, all.first(steps)));
    EXPECT_EQ(Versions(*sql), static_cast<int64_t>(steps));
    if (steps > 1) continue;
    EXPECT_GOOD(sql->Define("INSERT INTO cc_lb_modules VALUES " + std::string(GetParam() == Kind::kSqlite ? "(zeroblob(32), x'01')"
                                                                                                          : "(decode(repeat('00', 32), 'hex'), '\\x01')")));
  }
  const auto registry = Open();
  EXPECT_EQ(*registry->ReadModule(ModuleHash{}), "\1");  // what was there still is
  testing::StoreAll(*registry, 1);
}

TEST_P(Schema, ANewerOneIsRefusedAndUntouched) {
  testing::StoreAll(*Open(), 1);
  const auto sql = testing::OpenSql(source_);
  EXPECT_GOOD(sql->Define("INSERT INTO cc_lb_migrations VALUES (" + std::to_string(Migrations().size() + 1) + ", 'of the future', 1)"));
  const auto opened = OpenRegistry(source_);
  EXPECT_FAULT(opened, kSchemaNewer);
  EXPECT_NE(opened.error().message.find("use the newer weir"), std::string::npos);
  EXPECT_GOOD(sql->Define("DELETE FROM cc_lb_migrations WHERE name = 'of the future'"));
  EXPECT_EQ(*Open()->Count(), 1u);
}

TEST_P(Schema, AnotherProgramsStepsAreRefused) {
  Open();
  const auto sql = testing::OpenSql(source_);
  EXPECT_GOOD(sql->Define("UPDATE cc_lb_migrations SET name = 'else' WHERE version = 2"));
  EXPECT_FAULT(OpenRegistry(source_), kCorrupt);
  EXPECT_GOOD(sql->Define("DELETE FROM cc_lb_migrations WHERE version = 1"));
  EXPECT_FAULT(OpenRegistry(source_), kCorrupt);
  EXPECT_GOOD(sql->Define("DROP TABLE cc_lb_migrations"));
  EXPECT_FAULT(OpenRegistry(source_), kCorrupt);
}

TEST_P(Schema, AFailingStepUndoesAll) {
  Open();
  std::vector<Migration> steps(Migrations().begin(), Migrations().end());
  steps.push_back({"good", "CREATE TABLE cc_lb_more (a {int} NOT NULL){strict}"});
  steps.push_back({"bad", "CREATE TABLE cc_lb_plugins (a {int} NOT NULL)"});
  const auto sql = testing::OpenSql(source_);
  EXPECT_FALSE(Migrate(*sql, steps).has_value());
  EXPECT_EQ(Versions(*sql), static_cast<int64_t>(Migrations().size()));
  EXPECT_FALSE(*sql->HasTable("cc_lb_more"));
  testing::StoreAll(*Open(), 1);
}

TEST_P(Schema, ManyMayMakeItAtOnce) {
  for (int round = 0; round < 3; ++round) {
    source_ = testing::NewSource(GetParam(), folder_);
    std::vector<std::unique_ptr<ChildProcess>> all;
    for (int i = 0; i < 6; ++i) {
      all.push_back(std::make_unique<ChildProcess>([&](int fd) {
        const auto opened = OpenRegistry(source_, {.busy_ms = 120000});
        if (opened) return 0;
        if (write(fd, opened.error().message.data(), opened.error().message.size()) < 0) return 3;
        return 2;
      }));
    }
    for (const auto& one : all) {
      char text[500] = "";
      if (read(one->fd(), text, sizeof text - 1) < 0) text[0] = '?';
      EXPECT_EQ(one->Wait(), 0) << text;
    }
  }
}

// ---- SQLite -------------------------------------------------------------------------------------------------------------
class SqliteFile : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes) {
    const File file(std::fopen(path_.c_str(), "wb"));
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file.get()), bytes.size());
    return path_;
  }
  std::string Bytes() {
    std::string bytes(std::filesystem::file_size(path_), '\0');
    const File file(std::fopen(path_.c_str(), "rb"));
    EXPECT_EQ(std::fread(bytes.data(), 1, bytes.size(), file.get()), bytes.size());
    return bytes;
  }
  testing::TestFolder folder_;
  const std::string path_ = folder_ / "registry.db";
};

TEST_F(SqliteFile, IsItsOwnersAlone) {
  ASSERT_GOOD(OpenRegistry(path_));
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(SqliteFile, GarbageIsRefusedAndUntouched) {
  for (const std::string& bytes : {std::string(5000, 'x'), std::string("short"), std::string("SQLite format 3\0", 16) + std::string(4080, '\0')}) {
    const auto opened = OpenRegistry(Write(bytes));
    EXPECT_FAULT(opened, kCorrupt);
    EXPECT_EQ(Bytes(), bytes);
  }
}

TEST_F(SqliteFile, AnotherProgramsDatabaseIsRefusedAndUntouched) {
  {
    ASSERT_GOOD(OpenRegistry(path_));
    const auto sql = testing::OpenSql(path_);
    EXPECT_GOOD(sql->Define("PRAGMA application_id=0; PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  const std::string before = Bytes();
  EXPECT_FAULT(OpenRegistry(path_), kCorrupt);
  EXPECT_EQ(Bytes(), before);
}

TEST_F(SqliteFile, DamageAnywhereNeverCrashes) {
  {
    const auto registry = OpenRegistry(path_);
    ASSERT_GOOD(registry);
    testing::StoreAll(**registry, 20);
  }
  const std::string whole = Bytes();
  int told = 0;
  for (size_t at = 0; at < whole.size(); at += 997) {
    std::string damaged = whole;
    for (size_t i = at; i < std::min(at + 200, damaged.size()); ++i) damaged[i] = static_cast<char>(damaged[i] ^ 0x5A);
    std::filesystem::remove(path_ + "-wal");
    std::filesystem::remove(path_ + "-shm");
    const auto registry = OpenRegistry(Write(damaged));
    if (!registry) {
      ++told;
      continue;
    }
    const auto records = (*registry)->List();
    const auto faults = (*registry)->Check();
    for (int i = 0; i < 20; ++i) LoadModule(**registry, RecordOf(i).sha256).has_value();
    (*registry)->Store(RecordOf(30), ModuleOf(30)).has_value();
    told += !records || !faults || !faults->empty();
  }
  EXPECT_GT(told, 0);
  for (const size_t size : {whole.size() / 2, size_t{4096}, size_t{100}}) {
    std::filesystem::remove(path_ + "-wal");
    std::filesystem::remove(path_ + "-shm");
    const auto registry = OpenRegistry(Write(whole.substr(0, size)));
    if (!registry) continue;
    const auto faults = (*registry)->Check();
    EXPECT_TRUE(!faults || !faults->empty()) << size;
  }
}

TEST_F(SqliteFile, APathIsAPath) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  for (const char* name : {":memory:", "file:x?mode=memory", "./a=b"}) {
    ASSERT_GOOD(OpenRegistry(name));
    EXPECT_TRUE(std::filesystem::exists(folder_ / name)) << name;
  }
  std::filesystem::current_path(before);
  EXPECT_FAULT(OpenRegistry(""), kInvalidSource);
  EXPECT_FAULT(OpenRegistry(folder_.path()), kInvalidSource);
  EXPECT_FAULT(OpenRegistry(folder_ / "no/such/folder"), kIo);
}

// ---- PostgreSQL ---------------------------------------------------------------------------------------------------------
TEST(Postgres, BadConnectionStringsAreNamed) {
  EXPECT_FAULT(OpenRegistry("nonsense=1"), kInvalidSource);
  EXPECT_FAULT(OpenRegistry("postgres://[broken"), kInvalidSource);
  EXPECT_FAULT(OpenRegistry("host=/no/such/folder dbname=x password=secret"), kUnavailable);
  EXPECT_EQ(OpenRegistry("host=/no/such/folder dbname=x password=secret").error().message.find("secret"), std::string::npos);
}

class PostgresServer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::PostgresCluster::Programs().empty()) GTEST_SKIP() << "no PostgreSQL server is installed (package postgresql)";
    ASSERT_NE(testing::Cluster(), nullptr);
    source_ = testing::NewSource(Kind::kPostgres, folder_);
  }
  testing::TestFolder folder_;
  std::string source_;
};

TEST_F(PostgresServer, ARestartedServerIsFoundAgain) {
  const auto registry = OpenRegistry(source_);
  ASSERT_GOOD(registry);
  testing::StoreAll(**registry, 2);
  testing::Cluster()->Stop();
  EXPECT_FAULT((*registry)->Count(), kUnavailable);
  EXPECT_FAULT((*registry)->Store(RecordOf(2), ModuleOf(2)), kUnavailable);
  ASSERT_TRUE(testing::Cluster()->Run());
  EXPECT_EQ(*(*registry)->Count(), 2u);
  testing::Cluster()->Stop();
  ASSERT_TRUE(testing::Cluster()->Run());
  EXPECT_GOOD((*registry)->Store(RecordOf(2), ModuleOf(2)));  // gone meanwhile, unnoticed
  EXPECT_EQ(*(*registry)->Count(), 3u);
}

TEST_F(PostgresServer, ADatabaseOfAnotherEncodingIsRefused) {
  const auto sql = testing::OpenSql(source_);
  EXPECT_GOOD(sql->Define("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"));
  EXPECT_FAULT(OpenRegistry(testing::Cluster()->Connection("latin")), kInvalidSource);
}

TEST_F(PostgresServer, WhatIsAcknowledgedIsFlushedWhateverTheServersDefault) {
  std::string source = source_;
  source.insert(source.rfind('\''), " -c synchronous_commit=off");
  const auto answer = testing::OpenSql(source)->Run("SELECT current_setting('synchronous_commit')", {});
  ASSERT_GOOD(answer);
  EXPECT_EQ(answer->rows[0][0], SqlValue(std::string("on")));
}

TEST_F(PostgresServer, AUriWorksToo) {
  const std::string host = testing::Cluster()->Connection("x").substr(5);
  EXPECT_GOOD(OpenRegistry("postgres:///postgres?user=weir&host=" + host.substr(0, host.find(' '))));
}

}  // namespace
}  // namespace weir::cclb
