// What `allow=` lets a plugin use, checked against the table of host functions.
#pragma once

#include "proxy_wasm/statuses.h"
#include "weir/plugin.h"

namespace weir::proxy_wasm {

inline constexpr Groups kAllGroups = ~Groups{0};

/// The groups that it allows. kInvalidArgument: one of them has no such name.
Result<Groups> GroupsOf(const Allow& allow);
/// "http_call"; empty for kAlways.
std::string_view Name(Group group);
/// Whether that list, of upstreams or of foreign functions, has `name`.
bool Allows(const std::optional<std::vector<std::string>>& list, std::string_view name);

}  // namespace weir::proxy_wasm
