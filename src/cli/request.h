// `weir request`: one HTTP request through a chain of plugins in memory, and what became of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/request_timeline.h"
#include "cli/run_config.h"
#include "host/http_client.h"
#include "host/scripted_calls.h"
#include "memhost/memory_stream.h"
#include "weir/result.h"

namespace weir::cli {

/// The flags as given; empty: not given.
struct RequestOptions {
  std::vector<RunPlugin> plugins;
  std::string target = "/";                        ///< a path, or http://HOST/PATH
  std::string method;                              ///< GET, with a body POST
  std::vector<std::string> headers, trailers;      ///< "NAME: VALUE"
  std::string body;                                ///< TEXT, or @FILE
  std::string chunk;                               ///< SIZE of the parts in which the body arrives
  std::string response_status, response_file, response_body, response_chunk;
  std::vector<std::string> response_headers, response_trailers;
  std::vector<std::string> properties;             ///< PATH=VALUE
  std::vector<std::string> answers;                ///< NAME=STATUS[ BODY]
  std::string answers_file;
  std::vector<std::string> clusters, allow_hosts;  ///< as in `weir run`: real calls
  std::string wait, log_level;
  uint32_t times = 1;
  bool explain = false, json = false;
};

/// What upstreams that plugins call answer, in order: the last one for ever.
using Answers = std::vector<std::pair<std::string, CallScript>>;
/// "authz=200 granted", "authz=timeout", "authz=never", "greeter=grpc:0 hello".
Result<std::pair<std::string, CallScript>> ParseAnswerFlag(std::string_view text);
/// YAML or JSON; docs/request.md has the keys. The error names file, line and column.
Result<Answers> ParseAnswers(std::string_view text, const std::string& path);

/// Options, read and checked.
struct RequestPlan {
  std::vector<PluginSpec> plugins;
  HttpMessage request, response;
  GivenProperties given;
  Answers answers;
  ClientOptions client;      ///< real upstreams; none when empty
  bool real_calls = false;
  uint64_t wait_ms = kStreamWaitMs;
  LogLevel log_level = LogLevel::kInfo;
};
/// kInvalidArgument or kNotFound: names the flag or file, and the remedy.
Result<RequestPlan> PlanRequest(const RequestOptions& options);

struct LoggedLine {
  std::string level, plugin, text;
};
struct MadeCall {
  uint64_t number = 0;          ///< 0: refused
  std::string kind;             ///< "http", "grpc", "grpc_stream"
  std::string upstream, what;   ///< "GET /check", "package.Service/Method"
  std::string refused;          ///< "not_found" …; empty: it was made
  std::vector<std::string> events;  ///< "answer 200", "close 0"; none: no answer came
};
struct PluginState {
  std::string name;
  PluginStats stats;
  bool failed = false;          ///< during this request
};

/// One request with what followed.
struct RequestReport {
  HttpMessage sent, given;      ///< by the client; by the upstream, if it was asked
  StreamOutcome outcome;
  std::string local_by, local_details;  ///< the plugin that answered in place of the upstream
  std::string paused_by;                ///< End::kStuck: "auth on_request_headers"
  std::vector<LoggedLine> logs;
  std::vector<MadeCall> calls;
  std::vector<std::string> effects;     ///< metrics, ticks: lines of the trace
  std::vector<PluginState> plugins;
  std::vector<TimelineEntry> timeline;  ///< with `explain`
  bool failed() const;                  ///< a plugin trapped, ran out of time, or paused for ever
};
/// Sorts the lines of a trace into logs, calls and effects of `report`.
void ReadTrace(const Trace& trace, RequestReport& report);

/// What to try where something was missing: a flag, or a part of the plugin.
std::vector<std::string> RequestHints(const RequestReport& report);

struct RequestShow {
  bool explain = false, colour = false;
};
std::string RequestText(const RequestReport& report, const RequestShow& show);
std::string RequestJson(const RequestReport& report, bool explain);
/// Of plugins that did not start.
std::string RequestErrorJson(const std::string& message, const RequestReport& report, bool explain);
/// Lines of `before` and `after` with "- ", "+ " or "  " in front; long equal parts are left out.
std::vector<std::string> LineDiff(std::string_view before, std::string_view after);

/// 0: done; 1: a plugin failed; 2: bad input.
int SendRequest(const RequestOptions& options);

}  // namespace weir::cli
