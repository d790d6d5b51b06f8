// What the host offers plugins beside the kernel, in the module extism:host/env: configuration, variables, HTTP, logging.
// And the way into host functions of the embedder.
#pragma once

#include <vector>

#include "engine/world.h"

namespace weir::extism {

std::vector<engine::WorldFunction> EnvFunctions();

/// A WorldThunk whose `env` is a HostFunction.
bool CallHostFunction(engine::World& world, void* env, engine::RawValue* slots) noexcept;

}  // namespace weir::extism
