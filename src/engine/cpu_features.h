// What this CPU can do, as a key: code that was compiled on another may use instructions that are not here.
#pragma once

#include <string>

namespace weir::engine {

std::string CpuFeatures();

}  // namespace weir::engine
