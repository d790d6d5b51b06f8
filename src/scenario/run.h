// An exchange in memory, and what is not as it should be.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memhost/memory_stream.h"
#include "scenario/exchange.h"

namespace weir::scenarios {

/// Runs it through `chain` and compares: one line for each difference; none: as expected. Log lines are looked for in
/// world.trace(), which the caller clears before the next exchange.
std::vector<std::string> RunExchange(MemoryHost& world, std::span<Plugin* const> chain, const Exchange& exchange);

/// "log LEVEL NAME: TEXT" of a trace: the TEXT when it is a line of `plugin`, else nullopt.
std::optional<std::string_view> LoggedBy(std::string_view plugin, std::string_view trace_line);

}  // namespace weir::scenarios
