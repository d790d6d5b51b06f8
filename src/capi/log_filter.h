// What of the log is wanted: a level, or a list of TARGET=LEVEL as the tracing library of the reference reads it.
#pragma once

#include <string_view>

#include "weir/extism.h"

namespace weir::capi {

struct LogFilter {
  extism::LogLevel most = extism::LogLevel::kOff;     ///< the finest level of any target: what plugins are told
  extism::LogLevel plugins = extism::LogLevel::kOff;  ///< of what plugins write
};
/// Never fails: what is no filter is passed over.
LogFilter ParseLogFilter(std::string_view text);

}  // namespace weir::capi
