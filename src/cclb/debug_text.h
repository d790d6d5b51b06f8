// Text as Rust's {:?} prints it, for logs that match the reference's.
#pragma once

#include <string>
#include <string_view>

namespace weir::cclb {

/// Quoted; quote, backslash, controls and characters that do not print are escaped.
std::string DebugText(std::string_view text);

}  // namespace weir::cclb
