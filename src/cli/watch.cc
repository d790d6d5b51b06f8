#include "cli/watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "cli/command.h"
#include "cli/prefix.h"
#include "cli/terminal.h"

namespace weir::cli {
namespace {

constexpr int kSettleMs = 150;  // a file that a compiler still writes is left alone until it was still for so long
constexpr int kPollMs = 1000;   // inotify sees nothing of a network file system: look anyway

// What tells one version of a file from the next.
struct Stamp {
  ino_t inode = 0;
  off_t size = -1;
  int64_t changed_ns = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp StampOf(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return {};
  return {info.st_ino, info.st_size, int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

class Watch {
 public:
  Watch(const WatchedRun& run, pid_t nginx) : run_(run), nginx_(nginx), inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}
  ~Watch() {
    if (inotify_ >= 0) close(inotify_);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  int fd() const { return inotify_; }

  void Add(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      stamps_.try_emplace(file, StampOf(file));
      // The directory, not the file: editors and compilers replace the file by another.
      const std::string directory = std::filesystem::path(file).parent_path().string();
      if (inotify_ >= 0 && directories_.insert(directory).second) {
        inotify_add_watch(inotify_, directory.empty() ? "." : directory.c_str(),
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB);
      }
    }
  }

  void Look() {
    char events[4096];
    while (inotify_ >= 0 && read(inotify_, events, sizeof events) > 0) {
    }
    std::set<std::string> changed;
    for (;;) {
      bool moving = false;
      for (auto& [file, stamp] : stamps_) {
        const Stamp now = StampOf(file);
        if (now == stamp) continue;
        stamp = now;
        changed.insert(file);
        moving = true;
      }
      if (!moving) break;
      poll(nullptr, 0, kSettleMs);
    }
    if (changed.empty()) return;
    std::string names;
    for (const std::string& file : changed) {
      names += (names.empty() ? "" : ", ") + std::filesystem::path(file).filename().string();
    }
    Reload(names);
  }

  void Reload(const std::string& why) {
    const Result<void> done = TryReload();
    if (done) {
      Note("reloaded: " + why);
    } else {
      PrintError("not reloaded (" + why + "), the version before keeps serving: " + done.error().message);
    }
  }

 private:
  Result<void> TryReload() {
    WEIR_TRY(const RunConfig config, LoadRunConfig(run_.request));
    Add(FilesOf(config));
    WatchedRun next = run_;
    if (next.places.module.empty() && !config.plugins.empty()) {
      WEIR_TRY(next.places.module, FindModule(run_.nginx, kHttpModule));
    }
    WEIR_TRY_VOID(WriteAndTest(config, next, "nginx.conf.next"));
    const std::string conf = run_.places.prefix + "/nginx.conf";
    if (std::rename((conf + ".next").c_str(), conf.c_str()) != 0) {
      return Error{ErrorCode::kIo, conf + ": " + std::strerror(errno)};
    }
    kill(nginx_, SIGHUP);
    return {};
  }

  const WatchedRun& run_;
  const pid_t nginx_;
  const int inotify_;
  std::map<std::string, Stamp> stamps_;
  std::set<std::string> directories_;
};

// Signals as a descriptor, from before NGINX starts so that none is lost.
int OpenSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGWINCH}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

std::vector<std::string> NginxCommand(const WatchedRun& run, const std::string& conf_name) {
  std::vector<std::string> command = {run.nginx.path,         "-e", "stderr", "-p", run.places.prefix + "/", "-c",
                                      run.places.prefix + "/" + conf_name};
  command.insert(command.end(), run.request.nginx_arguments.begin(), run.request.nginx_arguments.end());
  return command;
}

Result<void> WriteAndTest(const RunConfig& config, const WatchedRun& run, const std::string& conf_name) {
  WEIR_TRY_VOID(WriteNginxConfig(MakeNginxConfig(config, run.places), run.places.prefix, conf_name));
  std::vector<std::string> command = NginxCommand(run, conf_name);
  command.insert(command.begin() + 1, {"-t", "-q"});
  WEIR_TRY(const CommandOutput output, RunCommand(command));
  if (output.exit_code == 0) return {};  // NGINX says its warnings again when it starts
  for (const std::string& warning : Warnings(output.text, run.places.prefix)) PrintWarning(warning);
  std::string errors = ReadableErrors(output.text, run.nginx, run.places.prefix);
  if (errors.empty()) errors = run.nginx.path + " -t ended with " + std::to_string(output.exit_code) + " and said nothing";
  return Error{ErrorCode::kInvalidArgument, std::move(errors)};
}

int RunAndWatch(const WatchedRun& run, const std::vector<std::string>& argv) {
  const int signals = OpenSignals();
  const Result<pid_t> nginx = StartCommand(argv);
  if (!nginx) {
    PrintError(nginx.error().message);
    return 1;
  }
  Watch watch(run, *nginx);
  if (!run.request.yaml_file.empty()) watch.Add({run.request.yaml_file});
  if (const Result<RunConfig> config = LoadRunConfig(run.request)) watch.Add(FilesOf(*config));
  for (;;) {
    pollfd ready[] = {{signals, POLLIN, 0}, {watch.fd(), POLLIN, 0}};
    poll(ready, 2, kPollMs);
    signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGHUP) {
        watch.Reload("SIGHUP");
      } else if (signal != SIGCHLD) {
        kill(*nginx, signal);
      }
    }
    int status = 0;
    if (waitpid(*nginx, &status, WNOHANG) == *nginx) {
      close(signals);
      return ExitCodeOf(status);
    }
    watch.Look();
  }
}

}  // namespace weir::cli
