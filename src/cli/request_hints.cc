// What to do about that which a first try of `weir request` often meets.
#include <algorithm>

#include "cli/request.h"

namespace weir::cli {
namespace {

/// Of "proxy_http_call: upstream "NAME" is not known here: …": NAME as it is written there; empty: another line.
std::string_view UnknownUpstream(std::string_view line) {
  constexpr std::string_view kBefore = ": upstream \"", kBehind = "\" is not known here";
  const size_t at = line.find(kBefore), end = line.find(kBehind);
  if (at == line.npos || end == line.npos || end < at + kBefore.size()) return {};
  return line.substr(at + kBefore.size(), end - at - kBefore.size());
}

}  // namespace

std::vector<std::string> RequestHints(const RequestReport& report) {
  std::vector<std::string> hints;
  const auto add = [&hints](std::string hint) {
    if (std::count(hints.begin(), hints.end(), hint) == 0) hints.push_back(std::move(hint));
  };
  for (const LoggedLine& line : report.logs) {
    const std::string name(UnknownUpstream(line.text));
    if (!name.empty()) add("--answer '" + name + "=200 TEXT' answers calls to \"" + name + "\"; --cluster " + name + "=URL sends them to a real one");
  }
  for (const PluginState& plugin : report.plugins) {
    if (!plugin.failed || plugin.stats.last_error.find("proxy_on_context_create (context ") == std::string::npos) continue;
    add(plugin.name + " makes no context for a request: a plugin of ticks, queues or TCP alone is used without one; a filter in Rust needs get_type() and create_http_context()");
  }
  return hints;
}

}  // namespace weir::cli
