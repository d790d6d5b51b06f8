#include "cli/call_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weir::cli {
namespace {

constexpr uint64_t kStreamBytesMax = 1 << 30;  // a stream's end is not known, and /dev/zero has none
constexpr size_t kChunkBytes = 64 << 10;

}  // namespace

Result<std::unique_ptr<CallInput>> CallInput::Open(const CallRequest& request) {
  std::unique_ptr<CallInput> input(new CallInput);
  if (!request.input_file) {
    input->text_ = request.input.value_or("");
    return input;
  }
  input->name_ = *request.input_file;
  input->own_fd_ = input->name_ != "-";
  input->fd_ = input->own_fd_ ? open(input->name_.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (input->fd_ < 0) return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, input->name_ + ": " + std::strerror(errno)};
  struct stat info;
  // Standard input may be a file of which a part has been read.
  if (input->own_fd_ && fstat(input->fd_, &info) == 0 && S_ISREG(info.st_mode)) input->file_bytes_ = static_cast<uint64_t>(info.st_size);
  if (input->file_bytes_ > 0 || request.count == 1) return input;
  for (size_t got = 1; got > 0;) {
    const size_t had = input->text_.size();
    if (had > kStreamBytesMax) return Error{ErrorCode::kLimit, input->name_ + ": is longer than " + std::to_string(kStreamBytesMax) + " bytes"};
    input->text_.resize(had + kChunkBytes);
    WEIR_TRY(got, input->Read({reinterpret_cast<uint8_t*>(input->text_.data()) + had, kChunkBytes}));
    input->text_.resize(had + got);
  }
  if (input->own_fd_) close(input->fd_);
  input->fd_ = -1;
  return input;
}

CallInput::~CallInput() {
  if (own_fd_ && fd_ >= 0) close(fd_);
}

Result<size_t> CallInput::Read(std::span<uint8_t> room) {
  while (true) {
    const ssize_t got = read(fd_, room.data(), room.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) return Error{ErrorCode::kIo, name_ + ": " + std::strerror(errno)};
  }
}

extism::Input CallInput::Next() {
  if (fd_ < 0) return text_;
  if (file_bytes_ == 0) return extism::Input::Stream([this](std::span<uint8_t> room) { return Read(room); }, kStreamBytesMax);
  return extism::Input::Fill(file_bytes_, [this](std::span<uint8_t> room) -> Result<size_t> {
    lseek(fd_, 0, SEEK_SET);
    size_t total = 0;
    for (size_t got = 1; got > 0 && total < room.size(); total += got) {
      WEIR_TRY(got, Read(room.subspan(total)));
    }
    return total;
  });
}

}  // namespace weir::cli
