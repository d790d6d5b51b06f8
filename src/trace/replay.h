// Plays records again: the same events to a plugin, which sees what it saw, and does what it did, or something else.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trace/record.h"
#include "weir/plugin.h"

namespace weir::trace {

/// Makes the plugin that plays, with this spec and host.
using PluginMaker = std::function<Result<std::unique_ptr<Plugin>>(const PluginSpec& spec, Host& host)>;

struct ReplayOptions {
  Strings ignore;  ///< words of calls that are not compared: "log"
};

/// Where a plugin first did something else.
struct Difference {
  std::string record;   ///< id
  uint64_t number = 0;  ///< of the event
  std::string event;    ///< its name
  std::string recorded, now;  ///< what it did, each for a person; empty: nothing more
  bool after_redacted = false;  ///< something that is not in the record was shown to it before
};

struct ReplayOutcome {
  size_t requests = 0, events = 0;
  size_t cut = 0;       ///< requests of which there is more than was recorded
  size_t without_start = 0;  ///< records whose start is not in the file: not played
  std::optional<Difference> difference;
};

/// The spec as it was recorded. kInvalidArgument: the record is no start, or says what there is not.
Result<PluginSpec> SpecOf(const Record& start);

/// Every start of `plugin` in `records` with all that followed, in the order in which it happened, until the first difference. The error: the
/// plugin could not be made at all.
Result<ReplayOutcome> Replay(const std::vector<Record>& records, std::string_view plugin, const PluginMaker& make, const ReplayOptions& options);

/// "add request_headers x-user: ann", one line.
std::string Describe(const Strings& words);

}  // namespace weir::trace
