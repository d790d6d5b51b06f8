#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "weir/engine.h"

namespace weir {
namespace {

constexpr size_t kChunk = 64 << 10;

Error SystemError(const std::string& path, int error) {
  return {error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(error)};
}

}  // namespace

Result<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, errno);
  struct stat info;
  std::string bytes;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) bytes.reserve(static_cast<size_t>(info.st_size) + 1);
  for (;;) {
    const size_t had = bytes.size();
    const size_t room = bytes.capacity() - had > kChunk ? bytes.capacity() - had : kChunk;
    bytes.resize(had + room);
    const ssize_t got = read(fd, bytes.data() + had, room);
    const int error = errno;
    bytes.resize(had + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && error == EINTR) continue;
    if (got <= 0) {
      close(fd);
      if (got < 0) return SystemError(path, error);
      return bytes;
    }
  }
}

}  // namespace weir
