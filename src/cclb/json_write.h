// JSON out: strings with the reference's escapes, and a tree in canonical form.
#pragma once

#include <string>
#include <string_view>

#include "cclb/json_tree.h"
#include "cclb/out.h"

namespace weir::cclb {

/// Quoted. Only `"`, `\` and control characters are escaped.
void AppendString(std::string_view text, Out* out);
std::string Quoted(std::string_view text);
/// Node `index` and all below it, as Json::text() has it.
void AppendCanonical(const JsonTree& tree, size_t index, Out* out);
std::string CanonicalText(const JsonTree& tree, size_t index);

}  // namespace weir::cclb
