// Pieces of text that several commands print.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cli {

/// "812 B", "44 KiB", "23.4 MiB".
std::string BytesText(uint64_t bytes);
/// Names and bodies come from outside: control characters would act on the terminal, so they are shown as "?".
std::string Printable(std::string_view text);
std::string Join(std::span<const std::string> items, std::string_view separator = ", ");
/// Filled up with blanks to `width`.
std::string Padded(std::string_view text, size_t width);

}  // namespace weir::cli
