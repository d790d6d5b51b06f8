// Where compiled code is kept between processes.
#pragma once

#include "weir/engine.h"
#include "weir/result.h"

namespace weir::capi {

/// EXTISM_CACHE_CONFIG as the reference reads it: empty is no cache, else the path of a file of Wasmtime's with `[cache]` and in it
/// `enabled` and `directory`; without the variable, Weir's own place.
Result<CodeCache> CacheOfEnvironment();

}  // namespace weir::capi
