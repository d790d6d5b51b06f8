// What people read: answers go to standard output, these to standard error. Colours only on a terminal, never with NO_COLOR.
#pragma once

#include <string_view>

namespace weir::cli {

/// "weir: MESSAGE", red on a terminal. Control characters but newline and tab are shown as "?".
void PrintError(std::string_view message);
void PrintWarning(std::string_view message);
void Note(std::string_view message);

enum class Style : unsigned char { kBold, kRed, kYellow, kGreen, kDim };
/// Escape codes around what is printed to `fd` next; empty when it is no terminal.
struct Painter {
  explicit Painter(int fd);
  std::string_view On(Style style) const;
  std::string_view Off() const;
  bool enabled = false;
};

}  // namespace weir::cli
