#include "cli/prefix.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace weir::cli {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPrefixName = "weir-run-";

Error SystemError(const std::string& what) { return {ErrorCode::kIo, what + ": " + std::strerror(errno)}; }

// Sockets live here: the path must leave room in the 108 bytes of sun_path.
bool Usable(const std::string& directory) {
  return !directory.empty() && directory.size() < 60 && access(directory.c_str(), W_OK | X_OK) == 0;
}

std::string Parent() {
  // As root the workers run as another user, who must be able to reach the sockets: not below a private directory.
  if (geteuid() == 0) return Usable("/run") ? "/run" : "/tmp";
  for (const char* name : {"XDG_RUNTIME_DIR", "TMPDIR"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && value[0] == '/' && Usable(value)) return value;
  }
  return "/tmp";
}

// A lock that can be taken has no living run behind it. One without a lock file is being made: left alone.
void RemoveEnded(const std::string& parent) {
  std::error_code fault;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, fault)) {
    const std::string path = entry.path().string();
    struct stat info;
    if (!entry.path().filename().string().starts_with(kPrefixName) || lstat(path.c_str(), &info) != 0) continue;
    if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid()) continue;
    const int lock = open((path + "/lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) continue;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
      std::error_code ignored;
      fs::remove_all(entry.path(), ignored);
    }
    close(lock);
  }
}

Result<void> WriteFile(const std::string& path, std::string_view content) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return SystemError(path);
  while (!content.empty()) {
    const ssize_t wrote = write(file, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const Error error = SystemError(path);
      close(file);
      return error;
    }
    content.remove_prefix(static_cast<size_t>(wrote));
  }
  close(file);
  return {};
}

}  // namespace

Result<std::string> MakePrefix() {
  const std::string parent = Parent();
  RemoveEnded(parent);
  std::string prefix = parent + "/" + std::string(kPrefixName) + "XXXXXX";
  if (mkdtemp(prefix.data()) == nullptr) return SystemError("cannot make a directory in " + parent);
  // Root's workers are another user: they may pass through, not list.
  if (geteuid() == 0 && chmod(prefix.c_str(), 0711) != 0) return SystemError(prefix);
  if (mkdir((prefix + "/tmp").c_str(), geteuid() == 0 ? 0711 : 0700) != 0) return SystemError(prefix + "/tmp");
  const int lock = open((prefix + "/lock").c_str(), O_RDWR | O_CREAT, 0600);  // stays open over exec: no O_CLOEXEC
  if (lock < 0 || flock(lock, LOCK_EX) != 0) return SystemError(prefix + "/lock");
  return prefix;
}

Result<void> WriteNginxConfig(const NginxConfig& config, const std::string& prefix, const std::string& conf_name) {
  for (const auto& [name, content] : config.files) WEIR_TRY_VOID(WriteFile(prefix + "/" + name, content));
  return WriteFile(prefix + "/" + conf_name, config.text);
}

Result<void> CheckCanListen(const std::string& text) {
  WEIR_TRY(const Address address, ParseAddress(text));
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_family = address.host.empty() ? AF_INET : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int fault = getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(), port.c_str(), &hints, &found);
  if (fault != 0) return Error{ErrorCode::kInvalidArgument, "cannot listen on " + text + ": " + gai_strerror(fault)};
  int error = 0;
  for (addrinfo* one = found; one != nullptr && error == 0; one = one->ai_next) {
    const int socket_fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) continue;  // a family this machine lacks: nginx says so
    const int yes = 1;
    setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);  // as nginx does
    if (bind(socket_fd, one->ai_addr, one->ai_addrlen) != 0) error = errno;
    close(socket_fd);
  }
  freeaddrinfo(found);
  if (error == 0) return {};
  std::string why = std::strerror(error);
  if (error == EADDRINUSE) why = "the port is in use by another program: stop that one, or give another port";
  if (error == EACCES) why = "ports below 1024 are for root: give a higher one (--listen 127.0.0.1:8080), or run as root";
  if (error == EADDRNOTAVAIL) why = "this machine has no such address: give one of its own, or 127.0.0.1";
  return Error{ErrorCode::kInvalidArgument, "cannot listen on " + text + ": " + why};
}

std::string AccessLogFor(const std::string& prefix) {
  const int log = open("/dev/stdout", O_WRONLY | O_APPEND | O_CLOEXEC);
  if (log < 0) return prefix + "/access.log";
  close(log);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND);
  }
  return "/dev/stdout";
}

}  // namespace weir::cli
