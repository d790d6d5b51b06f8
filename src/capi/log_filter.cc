#include "capi/log_filter.h"

#include <strings.h>

#include <algorithm>
#include <optional>

namespace weir::capi {
namespace {

using extism::LogLevel;

constexpr std::string_view kPluginTarget = "extism::pdk";

constexpr struct {
  std::string_view name;
  char digit;
  LogLevel level;
} kLevels[] = {
    {"off", '0', LogLevel::kOff},   {"error", '1', LogLevel::kError}, {"warn", '2', LogLevel::kWarn},
    {"info", '3', LogLevel::kInfo}, {"debug", '4', LogLevel::kDebug}, {"trace", '5', LogLevel::kTrace},
};

std::optional<LogLevel> LevelOf(std::string_view text) {
  for (const auto& row : kLevels) {
    const bool named = text.size() == row.name.size() && strncasecmp(text.data(), row.name.data(), text.size()) == 0;
    if (named || (text.size() == 1 && text[0] == row.digit)) return row.level;
  }
  return std::nullopt;
}

struct Directive {
  std::string_view target;  ///< a prefix of targets
  LogLevel level = LogLevel::kTrace;
};

/// LEVEL, TARGET, or TARGET=LEVEL. Those of spans never match what a plugin writes, which is in none.
std::optional<Directive> ParseDirective(std::string_view text) {
  constexpr std::string_view kSpanSigns = "[]{}";
  if (text.empty() || text.find_first_of(kSpanSigns) != text.npos) return std::nullopt;
  const size_t sign = text.find('=');
  if (sign == text.npos) {
    if (const auto level = LevelOf(text)) return Directive{"", *level};
    return Directive{text};
  }
  const auto level = LevelOf(text.substr(sign + 1));
  if (!level) return std::nullopt;
  return Directive{text.substr(0, sign), *level};
}

}  // namespace

LogFilter ParseLogFilter(std::string_view text) {
  // One level is that of the host and its plugins; "off" is a list of one.
  if (const auto level = LevelOf(text); level && *level != LogLevel::kOff) return {*level, *level};
  LogFilter filter;
  size_t matched = 0;
  bool any = false;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const auto directive = ParseDirective(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (!directive) continue;
    any = true;
    filter.most = std::min(filter.most, directive->level);
    // The longest target that matches counts, of equal ones the last.
    if (kPluginTarget.starts_with(directive->target) && directive->target.size() >= matched) {
      matched = directive->target.size();
      filter.plugins = directive->level;
    }
  }
  if (!any) return {LogLevel::kError, LogLevel::kError};
  return filter;
}

}  // namespace weir::capi
