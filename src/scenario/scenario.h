// A scenario file as data. The format is docs/scenarios.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scenario/exchange.h"
#include "weir/plugin.h"
#include "weir/result.h"

namespace weir::scenarios {

struct PluginLine {
  std::string guest;
  PluginSpec spec;
};

struct Scenario {
  std::string about;
  std::string only;  ///< "", "memory" or "nginx"
  std::vector<PluginLine> plugins;
  HeaderList variables;  ///< "ngx.NAME" before each exchange
  std::vector<Exchange> exchanges;
};

/// The error names `file` and the line.
Result<Scenario> Parse(std::string_view text, std::string_view file);

}  // namespace weir::scenarios
