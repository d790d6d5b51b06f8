#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "weir/engine.h"

namespace weir {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr size_t kFileBytesMax = 1 << 30;  // of a plugin or its configuration

Error SystemError(const std::string& path, int error) {
  return {error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(error)};
}

Error TooLarge(const std::string& path) { return {ErrorCode::kLimit, path + ": is larger than 1 GiB"}; }

}  // namespace

Result<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, errno);
  struct stat info;
  std::string bytes;
  const bool known = fstat(fd, &info) == 0;
  const bool device = known && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode));  // "/dev/zero" has no end
  const bool regular = known && S_ISREG(info.st_mode);
  const bool too_large = regular && info.st_size > static_cast<off_t>(kFileBytesMax);
  if (device || too_large) {
    close(fd);
    return device ? Error{ErrorCode::kIo, path + ": is a device, not a file"} : TooLarge(path);
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
    if (bytes.size() > kFileBytesMax) {
      close(fd);
      return TooLarge(path);
    }
    if (got <= 0) {
      close(fd);
      if (got < 0) return SystemError(path, error);
      return bytes;
    }
  }
}

}  // namespace weir
