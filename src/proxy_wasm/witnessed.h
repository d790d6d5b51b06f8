// From calls across an instance's border, in raw values, to the events of weir::Witness.
#pragma once

#include <memory>

#include "engine/instance.h"
#include "weir/witness.h"

namespace weir::proxy_wasm {

/// For Linked::Create, whose instances are Vms. Null without a witness, which outlives them.
std::unique_ptr<engine::Observer> MakeObserver(Witness* witness);

}  // namespace weir::proxy_wasm
