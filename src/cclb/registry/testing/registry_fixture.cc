#include "cclb/registry/testing/registry_fixture.h"

#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/sha256.h"

namespace weir::cclb::testing {
namespace {

std::unique_ptr<PostgresCluster> cluster;  // of this program; ends with its tests

struct EndCluster : ::testing::Environment {
  void TearDown() override { cluster.reset(); }
};
const auto* const kEndCluster = ::testing::AddGlobalTestEnvironment(new EndCluster);

}  // namespace

PostgresCluster* Cluster() {
  static bool tried = false;
  if (!tried && !PostgresCluster::Programs().empty()) {
    auto made = std::make_unique<PostgresCluster>();
    if (made->Start()) cluster = std::move(made);
  }
  tried = true;
  return cluster.get();
}

TestFolder::TestFolder() : path_((std::filesystem::temp_directory_path() / "weir-registry-XXXXXX").string()) {
  if (!mkdtemp(path_.data())) std::abort();
}
TestFolder::~TestFolder() {
  std::error_code none;
  std::filesystem::remove_all(path_, none);
}

std::string NewSource(Kind kind, const TestFolder& folder) {
  static int made = 0;
  const std::string name = "test" + std::to_string(++made);
  if (kind == Kind::kSqlite) return folder / (name + ".db");
  if (!Cluster()) return "";
  const auto sql = OpenPostgres(Cluster()->Connection("postgres"), 10000);
  if (!sql || !(*sql)->Define("CREATE SCHEMA " + name)) return "";
  return Cluster()->Connection("postgres", "-c search_path=" + name);
}

std::unique_ptr<Sql> OpenSql(const std::string& source) {
  auto sql = source.starts_with("host=") ? OpenPostgres(source, 10000) : OpenSqlite(source, 10000);
  EXPECT_TRUE(sql.has_value()) << sql.error().message;
  return sql ? *std::move(sql) : nullptr;
}

void RegistryTest::SetUp() {
  if (GetParam() == Kind::kPostgres && PostgresCluster::Programs().empty()) GTEST_SKIP() << "no PostgreSQL server is installed (package postgresql)";
  source_ = NewSource(GetParam(), folder_);
  ASSERT_FALSE(source_.empty()) << "PostgreSQL does not start";
}

std::unique_ptr<Registry> RegistryTest::Open(const RegistryLimits& limits) {
  auto registry = OpenRegistry(source_, limits);
  if (!registry) {
    ADD_FAILURE() << registry.error().message;
    std::abort();
  }
  return *std::move(registry);
}

std::string RegistryTest::OtherSource() {
  // Where there is no server, the way from SQLite to SQLite is what can be shown.
  const bool postgres = GetParam() == Kind::kSqlite && !PostgresCluster::Programs().empty();
  return NewSource(postgres ? Kind::kPostgres : Kind::kSqlite, folder_);
}

ModuleHash HashOf(std::string_view bytes) { return Sha256({bytes}); }

std::string ModuleOf(int index) { return std::string("\0asm\1\0\0\0", 8) + "module " + std::to_string(index) + std::string(1000, '\0'); }

PluginRecord RecordOf(int index) {
  PluginRecord record;
  record.sha256 = HashOf(ModuleOf(index));
  record.plugin_name = "plugin-" + std::to_string(index);
  record.plugin_version = "1.0." + std::to_string(index);
  record.augmented_metadata = R"({"identity":{"plugin_name":"plugin-)" + std::to_string(index) + "\"}}";
  record.host_offer_hash = HashOf("offer");
  record.registered_at = 1000;
  record.last_handshake_at = 2000;
  record.expires_at = 2000 + 604800;
  return record;
}

void StoreAll(Registry& registry, int count) {
  for (int i = 0; i < count; ++i) EXPECT_GOOD(registry.Store(RecordOf(i), ModuleOf(i)));
}

ChildProcess::ChildProcess(const std::function<int(int)>& body) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  pid_ = fork();
  if (pid_ == 0) {
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    _exit(body(ends[1]));
  }
  close(ends[1]);
  fd_ = ends[0];
}
ChildProcess::~ChildProcess() {
  if (pid_ > 0) Kill();
  close(fd_);
}
void ChildProcess::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}
int ChildProcess::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace weir::cclb::testing
