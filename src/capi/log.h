// The log of the process: a file, or lines kept for extism_log_drain.
#pragma once

#include "weir/extism.h"

namespace weir::capi {

/// For every plugin, also before the process says where it logs: until then it is off.
extism::LogSink ProcessLog();

}  // namespace weir::capi
