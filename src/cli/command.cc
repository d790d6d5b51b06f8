#include "cli/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir::cli {
namespace {

constexpr size_t kOutputBytesMax = 1 << 20;

Error SystemError(const std::string& what) { return {ErrorCode::kIo, what + ": " + std::strerror(errno)}; }

std::vector<char*> Pointers(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

int ExitCodeOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Result<CommandOutput> RunCommand(const std::vector<std::string>& argv) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("pipe");
  const std::vector<char*> pointers = Pointers(argv);
  const pid_t child = fork();
  if (child < 0) {
    close(ends[0]);
    close(ends[1]);
    return SystemError("fork");
  }
  if (child == 0) {
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, 0);
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execv(pointers[0], pointers.data());
    dprintf(2, "%s: %s\n", pointers[0], std::strerror(errno));
    _exit(127);
  }
  close(ends[1]);
  CommandOutput output;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (output.text.size() < kOutputBytesMax) output.text.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return SystemError("waitpid");
  }
  output.exit_code = ExitCodeOf(status);
  return output;
}

Result<pid_t> StartCommand(const std::vector<std::string>& argv) {
  const std::vector<char*> pointers = Pointers(argv);
  const pid_t child = fork();
  if (child < 0) return SystemError("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execv(pointers[0], pointers.data());
    dprintf(2, "%s: %s\n", pointers[0], std::strerror(errno));
    _exit(127);
  }
  return child;
}

Error ExecCommand(const std::vector<std::string>& argv) {
  const std::vector<char*> pointers = Pointers(argv);
  execv(pointers[0], pointers.data());
  return SystemError(argv[0]);
}

}  // namespace weir::cli
