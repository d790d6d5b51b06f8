// A stream of a plugin (stdout, stderr) as lines of the log. Runtimes write a line in pieces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wasi/context.h"

namespace weir::wasi {

class LineBuffer {
 public:
  LineBuffer(const WasiContext& context, LogLevel level) : context_(context), level_(level) {}

  /// Bytes taken: all, or less when more than kLinesMax lines end in them.
  size_t Write(std::string_view bytes);
  /// The line that has begun goes to the log as it is.
  void Flush();
  bool empty() const { return line_.empty() && !cut_; }

  /// Log lines of one Write: the guest's deadline is looked at between two of them.
  static constexpr uint32_t kLinesMax = 256;

 private:
  void Emit();

  const WasiContext& context_;
  const LogLevel level_;
  std::string line_;  ///< begun, at most line_bytes_max
  bool cut_ = false;  ///< more came: it is dropped up to the next newline
};

}  // namespace weir::wasi
