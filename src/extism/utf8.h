// UTF-8, and what Rust says of text that is none: those words are part of error messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::extism {

/// nullopt: it is UTF-8. Else "invalid utf-8 sequence of 1 bytes from index 3" or "incomplete utf-8 byte sequence from index 3".
std::optional<std::string> Utf8Fault(std::string_view text);

}  // namespace weir::extism
