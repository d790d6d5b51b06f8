// Numbers of calls.
#pragma once

#include <atomic>

#include "weir/call.h"

namespace weir {

/// The next number of this process: several clients of one process never give the same.
inline CallToken NewCallToken() {
  static std::atomic<CallToken> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace weir
