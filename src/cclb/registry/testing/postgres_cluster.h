// A PostgreSQL server of the tests' own: on a Unix socket in a new folder, as an unprivileged user, gone when the tests end.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace weir::cclb::testing {

class PostgresCluster {
 public:
  PostgresCluster() = default;
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;
  ~PostgresCluster();

  /// The newest server that is installed in Debian's places; empty: there is none.
  static std::string Programs();
  /// Makes and starts one; false after saying why on standard error. Once.
  bool Start();
  void Stop();
  bool Run();  ///< starts the one that was stopped

  /// A connection string for `database`, plus " options='…'" where `options` is not empty.
  std::string Connection(const std::string& database, const std::string& options = "") const;

 private:
  pid_t Spawn(const std::vector<std::string>& command) const;
  bool Await();
  std::string folder_;
  pid_t server_ = -1;
  uid_t user_ = 0;
  gid_t group_ = 0;
};

}  // namespace weir::cclb::testing
