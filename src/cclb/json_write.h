// JSON out: strings with the reference's escapes, and a tree in canonical form.
#pragma once

#include <string>
#include <string_view>

#include "cclb/json_tree.h"

namespace weir::cclb {

/// Quoted. Only `"`, `\` and control characters are escaped.
void AppendString(std::string_view text, std::string* out);
/// Node `index` and all below it, as Json::text() has it.
void AppendCanonical(const JsonTree& tree, size_t index, std::string* out);

}  // namespace weir::cclb
