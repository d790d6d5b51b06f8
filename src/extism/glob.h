// Patterns of allowed_hosts: `*` any text, `?` a character, `[ab]`, `[a-z]`, `[!a]` one of a set.
#pragma once

#include <string_view>

namespace weir::extism {

/// A pattern that is none (an open bracket, `***`, a `**` that is no path component) matches its own text alone.
bool HostMatches(std::string_view pattern, std::string_view host);

}  // namespace weir::extism
