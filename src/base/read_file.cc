#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "weir/engine.h"

namespace weir {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr size_t kFileBytesMax = 1 << 30;    // of a plugin or its configuration
constexpr size_t kStreamBytesMax = 64 << 20;  // of a pipe or device, whose end is not known: "/dev/zero" has none

Error SystemError(const std::string& path, int error) {
  return {error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(error)};
}

Error TooLarge(const std::string& path, size_t max) {
  return {ErrorCode::kLimit, path + ": is larger than " + std::to_string(max >> 20) + " MiB"};
}

}  // namespace

Result<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, errno);
  struct stat info;
  std::string bytes;
  const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const size_t max = regular ? kFileBytesMax : kStreamBytesMax;
  if (regular && info.st_size > static_cast<off_t>(max)) {
    close(fd);
    return TooLarge(path, max);
  }
  if (regular) bytes.reserve(static_cast<size_t>(info.st_size) + 1);
  for (;;) {
    const size_t had = bytes.size();
    const size_t room = bytes.capacity() - had > kChunk ? bytes.capacity() - had : kChunk;
    bytes.resize(had + room);
    const ssize_t got = read(fd, bytes.data() + had, room);
    const int error = errno;
    bytes.resize(had + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && error == EINTR) continue;
    if (bytes.size() > max) {
      close(fd);
      return TooLarge(path, max);
    }
    if (got <= 0) {
      close(fd);
      if (got < 0) return SystemError(path, error);
      return bytes;
    }
  }
}

}  // namespace weir
