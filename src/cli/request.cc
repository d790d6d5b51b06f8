#include "cli/request.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "cli/terminal.h"
#include "cli/text.h"
#include "scenario/text.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

constexpr int kExitPluginFailed = 1, kExitBadInput = 2;

/// A plugin that did something wrong, as against one that is not there, or no plugin.
bool IsFailure(ErrorCode code) { return code == ErrorCode::kTrapped || code == ErrorCode::kRefused || code == ErrorCode::kLimit; }

// ---- the trace --------------------------------------------------------------------------------------------------------
MadeCall* FindCall(RequestReport& report, uint64_t number) {
  for (MadeCall& call : report.calls)
    if (call.number == number && number != 0) return &call;
  return nullptr;
}

/// "call authz GET /check -> 1", "grpc greeter hello.Greeter/SayHello (refused: not_found)"
MadeCall CallOf(std::string_view kind, std::string_view rest) {
  MadeCall call{.kind = std::string(kind == "call" ? "http" : kind)};
  constexpr std::string_view kRefused = " (refused: ", kArrow = " -> ";
  if (const size_t at = rest.rfind(kRefused); rest.ends_with(')') && at != rest.npos) {
    call.refused = rest.substr(at + kRefused.size(), rest.size() - at - kRefused.size() - 1);
    rest = rest.substr(0, at);
  } else if (const size_t arrow = rest.rfind(kArrow); arrow != rest.npos) {
    call.number = scenarios::Number(rest.substr(arrow + kArrow.size())).value_or(0);
    rest = rest.substr(0, arrow);
  }
  call.upstream = scenarios::Word(&rest);
  call.what = rest;
  return call;
}

constexpr std::string_view kCallKinds[] = {"call", "grpc", "grpc_stream"};
constexpr std::string_view kCallEvents[] = {"answer", "metadata", "message", "trailers", "close", "send", "close_send", "cancel"};
constexpr std::string_view kEffects[] = {"metric", "tick"};

template <class List>
bool Contains(const List& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

void ReadLine(std::string_view line, RequestReport& report) {
  std::string_view rest = line;
  const std::string_view word = scenarios::Word(&rest);
  if (word == "log") {
    const std::string_view level = scenarios::Word(&rest);
    const size_t colon = rest.find(": ");
    if (colon != rest.npos) report.logs.push_back({std::string(level), std::string(rest.substr(0, colon)), std::string(rest.substr(colon + 2))});
  } else if (Contains(kCallKinds, word)) {
    report.calls.push_back(CallOf(word, rest));
  } else if (Contains(kCallEvents, word)) {
    const std::string_view number = scenarios::Word(&rest);
    if (MadeCall* call = FindCall(report, scenarios::Number(number).value_or(0))) call->events.push_back(std::string(word) + (rest.empty() ? "" : " " + std::string(rest)));
  } else if (Contains(kEffects, word)) {
    report.effects.emplace_back(line);
  } else if (word != "stream") {  // of a plugin, by its name
    const std::string_view what = scenarios::Word(&rest);
    if (what == "local_response" && report.local_by.empty()) report.local_by = word;
    if (what.starts_with("on_") && rest.ends_with("-> pause")) report.paused_by = std::string(word) + " " + std::string(what);
  }
}

// ---- the run -----------------------------------------------------------------------------------------------------------
/// The world of the plugins and its services; made once, then a request after the other.
class Runner {
 public:
  Runner(const RequestPlan& plan, bool explain) : plan_(plan), explain_(explain), world_(plan.log_level), timeline_(world_) {
    for (const auto& [upstream, script] : plan.answers) world_.scripted_calls().Script(upstream, script);
    if (plan.real_calls) world_.set_client(plan.client);
    if (explain) world_.host().witness = &timeline_;
  }

  Result<void> Load() {
    WEIR_TRY(engine_, Engine::Create({.pooling = false}));
    for (const PluginSpec& spec : plan_.plugins) {
      std::shared_ptr<const Module>& module = modules_[spec.path];
      if (!module) {
        WEIR_TRY(const std::string bytes, ReadFile(spec.path));
        WEIR_TRY(const Engine::Loaded loaded, engine_->Load(bytes, spec.path, CodeCache::Default()));
        module = loaded.module;
      }
      WEIR_TRY(auto plugin, LoadPlugin(*engine_, module, spec, world_.host()));
      plugins_.push_back(std::move(plugin));
      traced_.push_back(world_.Traced(*plugins_.back()));
      chain_.push_back(traced_.back().get());
    }
    return {};
  }

  /// What the plugins said while they started is of the first request.
  RequestReport Run() {
    RequestReport report{.sent = plan_.request, .given = plan_.response};
    std::vector<uint64_t> failures;
    for (const auto& plugin : plugins_) failures.push_back(plugin->stats().failures);
    report.outcome = RunStream(world_, chain_, plan_.request, [&](const HttpMessage&) { return plan_.response; }, plan_.wait_ms, plan_.given);
    report.local_details = report.outcome.local_details;
    if (explain_) report.timeline = timeline_.Take();
    ReadTrace(world_.trace(), report);
    world_.trace().clear();
    for (size_t i = 0; i < plugins_.size(); ++i) {
      const PluginStats& stats = plugins_[i]->stats();
      report.plugins.push_back({plugins_[i]->spec().name, stats, stats.failures > failures[i]});
    }
    return report;
  }
  /// Of plugins that did not load: their log says why.
  RequestReport Unloaded() {
    RequestReport report;
    if (explain_) report.timeline = timeline_.Take();
    ReadTrace(world_.trace(), report);
    return report;
  }

 private:
  const RequestPlan& plan_;
  const bool explain_;
  MemoryHost world_;
  Timeline timeline_;
  std::unique_ptr<Engine> engine_;
  std::map<std::string, std::shared_ptr<const Module>> modules_;
  std::vector<std::unique_ptr<Plugin>> plugins_, traced_;
  std::vector<Plugin*> chain_;
};

}  // namespace

bool RequestReport::failed() const {
  return outcome.end == StreamOutcome::End::kStuck || std::any_of(plugins.begin(), plugins.end(), [](const PluginState& plugin) { return plugin.failed; });
}

void ReadTrace(const Trace& trace, RequestReport& report) {
  for (const std::string& line : trace) ReadLine(line, report);
}

int SendRequest(const RequestOptions& options) {
  const Result<RequestPlan> plan = PlanRequest(options);
  if (!plan) {
    if (options.json) std::fputs(RequestErrorJson(plan.error().message, {}, false).c_str(), stdout);
    std::fflush(stdout);
    PrintError(plan.error().message + (plan.error().code == ErrorCode::kInvalidArgument ? " (see weir request --help)" : ""));
    return kExitBadInput;
  }
  Runner runner(*plan, options.explain);
  const RequestShow show{.explain = options.explain, .colour = Painter(STDOUT_FILENO).enabled};
  if (const Result<void> loaded = runner.Load(); !loaded) {
    const RequestReport report = runner.Unloaded();
    const std::string text = options.json ? RequestErrorJson(loaded.error().message, report, options.explain) : RequestText(report, show);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    PrintError(loaded.error().message);
    return IsFailure(loaded.error().code) ? kExitPluginFailed : kExitBadInput;
  }
  bool failed = false;
  for (uint32_t i = 0; i < options.times; ++i) {
    const RequestReport report = runner.Run();
    failed |= report.failed();
    std::string text = options.json ? RequestJson(report, options.explain) : RequestText(report, show);
    if (!options.json && options.times > 1) text = "--- " + std::to_string(i + 1) + " of " + std::to_string(options.times) + "\n" + text;
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  return failed ? kExitPluginFailed : 0;
}

}  // namespace weir::cli
