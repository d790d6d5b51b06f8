// Every case of the registry's tests runs on both databases.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "cclb/registry/sql.h"
#include "cclb/registry/testing/postgres_cluster.h"
#include "weir/cclb/registry.h"

namespace weir::cclb::testing {

enum class Kind : uint8_t { kSqlite, kPostgres };

/// A folder that goes with the test.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The server of this program, started at its first use; null: none is installed (the test skips), or it does not start (it fails).
PostgresCluster* Cluster();

/// A new, empty database of that kind: its source for OpenRegistry. Empty: not to be had.
std::string NewSource(Kind kind, const TestFolder& folder);
/// A connection to it, to do what the registry would not.
std::unique_ptr<Sql> OpenSql(const std::string& source);

class RegistryTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override;
  /// Opened anew; fails the test where it does not open.
  std::unique_ptr<Registry> Open(const RegistryLimits& limits = {});
  std::string OtherSource();  ///< of the other kind

  TestFolder folder_;
  std::string source_;
};
#define WEIR_REGISTRY_KINDS(suite)                                                                                                \
  INSTANTIATE_TEST_SUITE_P(Both, suite, ::testing::Values(::weir::cclb::testing::Kind::kSqlite, ::weir::cclb::testing::Kind::kPostgres), \
                           [](const auto& info) { return info.param == ::weir::cclb::testing::Kind::kSqlite ? "Sqlite" : "Postgres"; })

/// A module and a record that fit: plugin "plugin-INDEX".
std::string ModuleOf(int index);
PluginRecord RecordOf(int index);
void StoreAll(Registry& registry, int count);
ModuleHash HashOf(std::string_view bytes);

/// Runs `body` in a process of its own; its result is the exit code. `reader`: the other end of what it writes.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<int(int write_fd)>& body);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  int fd() const { return fd_; }
  void Kill();   ///< kill -9, and waits
  int Wait();    ///< exit code; -1: ended by a signal

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
};

/// EXPECT_FAULT(result, kPluginMissing): failed under that name, with a message.
#define EXPECT_FAULT(result, expected)                                              \
  do {                                                                              \
    const auto& weir_result = (result);                                             \
    ASSERT_FALSE(weir_result.has_value());                                          \
    EXPECT_EQ(NameOf(weir_result.error().name), NameOf(RegistryErrorName::expected)) << weir_result.error().message; \
    EXPECT_FALSE(weir_result.error().message.empty());                              \
  } while (0)
/// ASSERT_GOOD(result): it has its value.
#define ASSERT_GOOD(result) ASSERT_TRUE((result).has_value()) << (result).error().message
#define EXPECT_GOOD(...)                                                            \
  do {                                                                              \
    const auto& weir_result = (__VA_ARGS__);                                        \
    EXPECT_TRUE(weir_result.has_value()) << weir_result.error().message;            \
  } while (0)

}  // namespace weir::cclb::testing
