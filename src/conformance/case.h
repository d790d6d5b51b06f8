// A conformance case: a transcript of what the host calls in a guest, what the guest calls in the host, and what both answer,
// with the traffic that makes it happen. The guest is made of the transcript (guest.h). docs/conformance.md has the format.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "abi/host_function.h"
#include "conformance/value.h"
#include "host/scripted_calls.h"
#include "proxy_wasm/types.h"
#include "scenario/exchange.h"
#include "weir/plugin.h"
#include "weir/result.h"

namespace weir::conformance {

/// What a host call is expected to answer.
struct Answer {
  Value status;                 ///< kAny where the function has no result
  std::vector<Value> outputs;   ///< those of return pointers, in order; fewer: the rest is not looked at
};

/// One thing a guest does in a callback.
struct Step {
  enum class Kind : uint8_t { kCall, kTrap, kLoop, kNested } kind = Kind::kCall;
  int line = 0;
  const abi::HostFunction* row = nullptr;
  std::string_view module;      ///< "env" or WASI's
  std::vector<Value> args;      ///< one each Wasm parameter; kAny: the guest's own choice
  Answer strict, lenient;
  size_t nested = 0;            ///< kNested: index of the block, which is called by the call that follows
};

/// One call of a callback, or of a start function or allocator.
struct Block {
  int line = 0;
  size_t plugin = 0;            ///< index
  std::string function;         ///< exported name
  std::vector<Value> args;      ///< expected
  bool args_given = false;
  bool held = false;            ///< earlier ones without end of stream are answered with PAUSE, unseen
  size_t instance = 0;          ///< after so many restarts: a new instance plays again what the first one played
  bool at_unload = false;
  bool nested = false;          ///< of an allocator, inside of a call
  std::vector<Step> steps;
  std::optional<Value> returns;
};

struct CasePlugin {
  PluginSpec spec;
  std::string wat;              ///< a guest of its own; empty: made of the blocks
  std::optional<size_t> guest_of;  ///< index of the plugin whose guest it has
  std::vector<std::string> exports, ignored, variables;
  bool allocator = true;
};

/// An upstream of calls, and what each call of it gets.
struct Cluster {
  std::string name, kind;  ///< "http", "silent", "failure", "grpc"
  CallScript script;
};

/// What the runner does, in order.
struct Event {
  enum class Kind : uint8_t { kExchange, kWait, kTcp, kForeign, kMetric } kind;
  size_t exchange = 0;
  uint64_t wait_ms = 0;
  int line = 0;                 ///< kTcp: the line, what happens ("connect", "client" …) and its bytes
  std::string what = {}, bytes = {};  ///< kMetric: the line of the metrics
  uint32_t id = 0;              ///< kForeign: the function
};

struct Case {
  std::string name;             ///< "http-fields/get-header-map-value.not-found"
  std::string about;
  std::string section;          ///< heading of the specification, by the folder
  std::vector<std::string> rules;  ///< ids of docs/proxy-wasm.md, or the one of the name
  uint8_t versions = 0;         ///< bits of proxy_wasm::Version
  bool lenient = true, strict = true;
  std::string not_nginx;        ///< why it does not run through NGINX
  std::string expect_load;      ///< the plugin is refused with this text
  std::vector<CasePlugin> plugins;
  std::vector<Cluster> clusters;
  std::vector<Block> blocks;    ///< in the order of the transcript
  std::vector<scenarios::Exchange> exchanges;
  std::vector<Event> events;
};

/// The error names `name` and the line.
Result<Case> ParseCase(std::string_view text, std::string_view name);

/// A function that a guest may export and a block may be of: a callback, a start function or an allocator.
struct ExportRow {
  std::string_view name;
  uint8_t versions;
  size_t params, old_params;    ///< of 0.1.0, where it has fewer
  bool result;
  int64_t returns;              ///< where a block says nothing
  size_t count(proxy_wasm::Version version) const {
    return version == proxy_wasm::Version::k0_1_0 && old_params != 0 ? old_params : params;
  }
};
const ExportRow* FindExport(std::string_view name);

}  // namespace weir::conformance
