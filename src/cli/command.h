// Other programs, started and waited for.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "weir/result.h"

namespace weir::cli {

struct CommandOutput {
  int exit_code = 0;  ///< 128 + signal when a signal ended it
  std::string text;   ///< standard output and error together, at most 1 MiB of it
};
/// Runs argv[0] (a path) to its end, with no input.
Result<CommandOutput> RunCommand(const std::vector<std::string>& argv);

/// Starts argv[0], which gets SIGTERM when this process dies. The signal mask of the child is empty.
Result<pid_t> StartCommand(const std::vector<std::string>& argv);

/// Becomes argv[0]; comes back only when that failed.
Error ExecCommand(const std::vector<std::string>& argv);

/// What a shell would say of a wait status.
int ExitCodeOf(int wait_status);

}  // namespace weir::cli
