// Configuration as JSON: {"key": "value"}.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::extism {

/// Keys with their new values, in order; of null the key is to be removed. nullopt: the text is no such object.
std::optional<std::vector<std::pair<std::string, std::optional<std::string>>>> ParseConfig(std::string_view json);

}  // namespace weir::extism
