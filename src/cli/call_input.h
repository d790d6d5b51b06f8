// Where the input of `weir call` comes from. A file goes straight into the plugin's memory.
#pragma once

#include <memory>
#include <string>

#include "cli/call.h"
#include "weir/extism.h"

namespace weir::cli {

class CallInput {
 public:
  /// kNotFound, kIo: of the file. Nothing is read yet, but a stream that several calls shall have.
  static Result<std::unique_ptr<CallInput>> Open(const CallRequest& request);
  ~CallInput();
  CallInput(const CallInput&) = delete;
  CallInput& operator=(const CallInput&) = delete;

  /// For one call; once, where it is a stream.
  extism::Input Next();

 private:
  CallInput() = default;
  Result<size_t> Read(std::span<uint8_t> room);

  std::string name_, text_;
  int fd_ = -1;               ///< -1: the input is text_
  bool own_fd_ = false;
  uint64_t file_bytes_ = 0;   ///< 0: a stream
};

}  // namespace weir::cli
