#include "cli/terminal.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace weir::cli {
namespace {

void Print(std::string_view label, Style style, std::string_view message) {
  const Painter paint(STDERR_FILENO);
  std::string line = "weir: ";
  line += paint.On(style);
  line += label;
  line += paint.Off();
  for (char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    line.push_back((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F ? '?' : c);
  }
  line.push_back('\n');
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

Painter::Painter(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  enabled = isatty(fd) == 1 && !dumb && (no_color == nullptr || no_color[0] == '\0');
}

std::string_view Painter::On(Style style) const {
  constexpr std::string_view kCodes[] = {"\033[1m", "\033[31m", "\033[33m", "\033[32m", "\033[2m"};
  return enabled ? kCodes[static_cast<size_t>(style)] : std::string_view();
}
std::string_view Painter::Off() const { return enabled ? std::string_view("\033[0m") : std::string_view(); }

void PrintError(std::string_view message) { Print("error: ", Style::kRed, message); }
void PrintWarning(std::string_view message) { Print("warning: ", Style::kYellow, message); }
void Note(std::string_view message) { Print("", Style::kDim, message); }

}  // namespace weir::cli
