#include "cclb/registry/testing/postgres_cluster.h"

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace weir::cclb::testing {
namespace {

constexpr int kStartSeconds = 120;

std::string TemporaryFolder() {
  const char* const given = std::getenv("TMPDIR");
  // The path of a Unix socket is short.
  return std::string(given && std::string_view(given).size() < 60 ? given : "/tmp") + "/weir-pg-XXXXXX";
}

}  // namespace

std::string PostgresCluster::Programs() {
  std::string best;
  int best_version = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    int version = 0;
    if (std::sscanf(entry.path().filename().c_str(), "%d", &version) != 1 || version <= best_version) continue;
    const auto bin = entry.path() / "bin";
    if (!std::filesystem::exists(bin / "initdb", none) || !std::filesystem::exists(bin / "postgres", none)) continue;
    best_version = version;
    best = bin.string();
  }
  return best;
}

pid_t PostgresCluster::Spawn(const std::vector<std::string>& command) const {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const std::string log = folder_ + "/log";
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(group_) != 0 || setuid(user_) != 0)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGINT);  // after setuid, which clears it; SIGINT: a fast, orderly end
  if (getppid() != parent) _exit(125);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(out, 1);
  dup2(out, 2);
  if (chdir(folder_.c_str()) != 0) _exit(124);
  execv(words[0], words.data());
  _exit(127);
}

bool PostgresCluster::Start() {
  if (geteuid() == 0) {
    const passwd* user = getpwnam("postgres");
    if (!user) user = getpwnam("nobody");
    if (!user) return std::fputs("no user \"postgres\" or \"nobody\" to run PostgreSQL as\n", stderr), false;
    user_ = user->pw_uid;
    group_ = user->pw_gid;
  }
  folder_ = TemporaryFolder();
  if (!mkdtemp(folder_.data())) return std::perror(folder_.c_str()), false;
  if (geteuid() == 0 && chown(folder_.c_str(), user_, group_) != 0) return std::perror(folder_.c_str()), false;
  int status = -1;
  waitpid(Spawn({Programs() + "/initdb", "-D", folder_ + "/data", "-U", "weir", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"}), &status, 0);
  if (status != 0) return std::fprintf(stderr, "initdb failed (status %d), see %s/log\n", status, folder_.c_str()), false;
  return Run();
}

bool PostgresCluster::Run() {
  // No fsync: a killed client is what the tests are about, and the server's own crashes lose nothing that the kernel has.
  server_ = Spawn({Programs() + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-c", "listen_addresses=", "-c", "fsync=off", "-c",
                   "shared_buffers=16MB", "-c", "max_connections=40"});
  return server_ > 0 && Await();
}

bool PostgresCluster::Await() {
  for (int tries = 0; tries < kStartSeconds * 50; ++tries) {
    if (PQping(Connection("postgres").c_str()) == PQPING_OK) return true;
    int status = 0;
    if (waitpid(server_, &status, WNOHANG) == server_) {
      server_ = -1;
      return std::fprintf(stderr, "postgres ended (status %d), see %s/log\n", status, folder_.c_str()), false;
    }
    usleep(20000);
  }
  return std::fprintf(stderr, "postgres is not ready, see %s/log\n", folder_.c_str()), false;
}

void PostgresCluster::Stop() {
  if (server_ <= 0) return;
  kill(server_, SIGINT);
  waitpid(server_, nullptr, 0);
  server_ = -1;
}

PostgresCluster::~PostgresCluster() {
  Stop();
  std::error_code none;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, none);
}

std::string PostgresCluster::Connection(const std::string& database, const std::string& options) const {
  return "host=" + folder_ + " user=weir dbname=" + database + (options.empty() ? "" : " options='" + options + "'");
}

}  // namespace weir::cclb::testing
