// A plugin's part of a TCP connection, noted in the trace: "tap on_downstream_data 5 end -> pause", "tap close downstream".
#pragma once

#include <memory>

#include "memhost/memory_host.h"
#include "weir/plugin.h"

namespace weir {

/// Null when the plugin is down. `stream` outlives the filter.
std::unique_ptr<TcpFilter> NewTracedTcpFilter(Plugin& plugin, TcpStream& stream, MemoryHost& world);

}  // namespace weir
