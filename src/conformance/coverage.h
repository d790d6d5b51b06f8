// Which functions, statuses, callbacks, phases and rules the cases show; what is not shown; the matrix of docs/conformance.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conformance/case.h"

namespace weir::conformance {

/// What no case shows, a line each: a host function, a status that it can answer, a callback, a rule that `rules_document`
/// (docs/proxy-wasm.md) has in brackets; and what cases name that is not there.
std::vector<std::string> Gaps(const std::vector<Case>& cases, std::string_view rules_document);

/// Markdown: host functions by versions, statuses, phases and embedders; callbacks; rules.
std::string Matrix(const std::vector<Case>& cases);

}  // namespace weir::conformance
