// A scenario file as data. The format is docs/scenarios.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memhost/given_properties.h"
#include "weir/http.h"
#include "weir/plugin.h"
#include "weir/result.h"

namespace weir::scenarios {

struct PluginLine {
  std::string guest;
  PluginSpec spec;
};

struct Expected {
  HeaderList headers;                   ///< the joined values of each name, in order of first mention
  std::vector<std::string> no_headers;
  std::optional<std::string> body;
};

struct LogLine {
  std::string plugin, text;
};

struct Exchange {
  int line = 0;  ///< of its `request`
  std::string method, target;
  HeaderList request_headers;
  std::vector<std::string> request_body;
  std::string status = "200";
  GivenProperties given;
  HeaderList response_headers;
  std::vector<std::string> response_body;
  bool upstream_given = false;  ///< without: 200 with the body "upstream"

  enum class Upstream : uint8_t { kAny, kNothing, kMessage } expect_upstream = Upstream::kAny;
  std::string upstream_method, upstream_target;
  Expected upstream;
  std::string client_status;  ///< "reset" or a number
  Expected client;
  std::vector<LogLine> logs, no_logs;
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
