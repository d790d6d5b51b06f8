// A case as the tester runs it: a new instance, one stream, the phases in order. docs/test.md has the rules.
#include "host/metrics.h"
#include "host/queues.h"
#include "host/shared_data.h"
#include "proxy_wasm/link.h"
#include "proxy_wasm/plugin.h"
#include "suite/run.h"
#include "suite/tester_calls.h"

namespace weir::suite {
namespace {

using Phase = TesterState::Phase;
using proxy_wasm::Context;

class FrozenClock final : public Clock {
 public:
  explicit FrozenClock(uint64_t now_ns) : now_ns_(now_ns) {}
  uint64_t RealtimeNs() override { return now_ns_; }
  uint64_t MonotonicNs() override { return now_ns_; }

 private:
  uint64_t now_ns_;
};

/// What the guest writes to its standard output and error; and what the core says of a plugin.
class TesterLog final : public Log {
 public:
  explicit TesterLog(TesterState& state) : state_(state) {}
  void Write(LogLevel level, std::string_view, std::string_view line) override { state_.AddLog(level, line); }
  LogLevel level() const override { return LogLevel::kDebug; }  // at kTrace the core would explain each refused call

 private:
  TesterState& state_;
};

/// Never asked: its host functions answer UNIMPLEMENTED.
class NoMetrics final : public Metrics {
 public:
  std::optional<uint32_t> Define(MetricType, std::string_view, std::string_view) override { return std::nullopt; }
  std::optional<MetricType> TypeOf(uint32_t) override { return std::nullopt; }
  void Increment(uint32_t, int64_t) override {}
  void Record(uint32_t, uint64_t) override {}
  uint64_t Get(uint32_t) override { return 0; }
};
/// Periods are taken, and nothing ticks.
class NoTimers final : public Timers {
 public:
  void SetTick(Plugin&, uint32_t) override {}
};

/// Nothing of it is asked: the tester's host functions answer from TesterState.
class NoStream final : public HttpStream {
 public:
  HeaderMap* headers(HeaderMapKind) override { return nullptr; }
  bool headers_writable(HeaderMapKind) override { return false; }
  std::optional<std::string_view> body(Direction) override { return std::nullopt; }
  bool ReplaceBody(Direction, size_t, size_t, std::string_view) override { return false; }
  void Resume(Direction) override {}
  bool SendLocalResponse(LocalResponse) override { return false; }
  void Reset(Direction) override {}
  void ClearRouteCache() override {}
  std::optional<PropertyValue> property(Property) override { return std::nullopt; }
  std::optional<std::string> custom_property(std::string_view) override { return std::nullopt; }
  HeaderList custom_properties() override { return {}; }
  bool SetCustomProperty(std::string_view, std::string_view) override { return false; }
  void Fail() override {}
};

class TesterRun {
 public:
  TesterRun(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking)
      : world_(world), test_(test), input_(world, test, chunking), clock_(world.time_ns) {
    state_.test = &test;
    state_.log_level = world.log_level;
  }

  CaseOutcome Run() {
    if (Load() && Stream()) End();
    filter_.reset();
    plugin_.reset();
    outcome_.log = std::move(state_.all_logs);
    return std::move(outcome_);
  }

 private:
  PhaseCheck Check(std::string_view phase) { return PhaseCheck(std::string(phase), world_.file.folder, &outcome_.failures); }
  void Fail(std::string_view phase, std::string text) { outcome_.failures.push_back({std::string(phase), std::move(text)}); }
  /// The instance is gone: the case ends here.
  bool Dead(std::string_view phase, const std::string& why) {
    Fail(phase, PluginFailure(why, state_.logs));
    return false;
  }

  bool Load() {
    PluginSpec spec = world_.spec;
    spec.name = "test";
    spec.path = world_.plugin->path;
    spec.configuration = world_.plugin->configuration;
    spec.statuses = Statuses::kStrict;
    const auto version = proxy_wasm::DeclaredVersion(*world_.plugin->module);
    auto plugin = proxy_wasm::ProxyWasmPlugin::Load(world_.engine, world_.plugin->module, *version, std::move(spec), host_, &dialect_);
    if (!plugin) {
      state_.logs = state_.all_logs;
      return Dead("plugin_init", plugin.error().message);
    }
    plugin_ = std::move(*plugin);
    Check("plugin_init").Logs(test_.plugin_init(), state_.logs);
    return true;
  }

  bool Stream() {
    state_.logs.clear();
    filter_ = plugin_->NewHttpFilter(stream_);
    if (!filter_) return Dead("stream_init", plugin_->stats().last_error);
    Check("stream_init").Logs(test_.stream_init(), state_.logs);
    return (!test_.has_request_headers() || Headers("request_headers", test_.request_headers(), Direction::kRequest)) &&
           Bodies("request_body", test_.request_body(), Direction::kRequest) &&
           (!test_.has_response_headers() || Headers("response_headers", test_.response_headers(), Direction::kResponse)) &&
           Bodies("response_body", test_.response_body(), Direction::kResponse);
  }

  void End() {
    state_.logs.clear();
    state_.headers_open = false;
    filter_->OnFinish();
    if (plugin_->stats().failures > 0) return (void)Dead("stream_destroy", plugin_->stats().last_error);
    Check("stream_destroy").Logs(test_.stream_destroy(), state_.logs);
    filter_.reset();
    state_.logs.clear();
    auto ended = static_cast<proxy_wasm::ProxyWasmPlugin&>(*plugin_).Shutdown();
    if (!ended) Dead("plugin_destroy", ended.error().message);
  }

  /// What a phase that does not call the plugin gives, after a local reply.
  bool Skipped() {
    state_.logs.clear();
    return state_.replied;
  }

  bool Headers(std::string_view phase, const pb::Invocation& invocation, Direction direction) {
    auto input = input_.Headers(invocation.input(), direction);
    if (!input) return Fail(phase, input.error().message), false;
    PhaseResult result;
    const bool skipped = Skipped();
    if (!skipped) {
      state_.headers.clear();
      for (const auto& [key, value] : *input) state_.headers.Add(key, value);
      state_.phase = direction == Direction::kRequest ? Phase::kRequestHeaders : Phase::kResponseHeaders;
      state_.headers_open = true;
      state_.stops = false;
      const size_t count = state_.headers.size();
      const FilterStatus status = direction == Direction::kRequest ? filter_->OnRequestHeaders(count, EndOfStream::kNo)
                                                                   : filter_->OnResponseHeaders(count, EndOfStream::kNo);
      state_.headers_open = false;
      if (status == FilterStatus::kFailed) return Dead(phase, plugin_->stats().last_error);
      result.action = static_cast<Context&>(*filter_).last_action();
      // Continue and ContinueAndEndStream; a local reply stops whatever the callback answers.
      result.goes_on = !state_.stops && (result.action == 0 || result.action == 2);
      result.headers = state_.headers.List();
      TakeReply(&result);
    }
    return Checked(phase, invocation.result(), std::move(result), !skipped && state_.replied);
  }

  bool Bodies(std::string_view phase, const google::protobuf::RepeatedPtrField<pb::Invocation>& all, Direction direction) {
    auto bodies = input_.Bodies(all);
    if (!bodies) return Fail(phase, bodies.error().message), false;
    for (int i = 0; i < all.size(); ++i) {
      PhaseResult result;
      const bool replied_before = state_.replied;
      auto& pieces = (*bodies)[size_t(i)];
      for (size_t piece = 0; piece < pieces.size(); ++piece) {
        if (Skipped()) continue;
        state_.phase = direction == Direction::kRequest ? Phase::kRequestBody : Phase::kResponseBody;
        state_.body = std::move(pieces[piece]);
        const EndOfStream end = piece + 1 == pieces.size() ? EndOfStream::kYes : EndOfStream::kNo;
        const FilterStatus status = direction == Direction::kRequest ? filter_->OnRequestBody(state_.body.size(), end)
                                                                     : filter_->OnResponseBody(state_.body.size(), end);
        if (status == FilterStatus::kFailed) return Dead(phase, plugin_->stats().last_error);
        result.body += state_.body;
        state_.body.clear();
      }
      if (!Checked(phase, all[i].result(), std::move(result), !replied_before && state_.replied)) return false;
    }
    return true;
  }

  void TakeReply(PhaseResult* result) {
    if (!state_.replied) return;
    result->http_code = state_.http_code;
    result->grpc_code = state_.grpc_code;
    result->details = state_.details;
    result->body = state_.reply_body;
  }
  bool Checked(std::string_view phase, const pb::Expectation& expected, PhaseResult result, bool replied) {
    result.logs = state_.logs;
    Check(phase).All(expected, result, Stops::kFail);
    outcome_.phases.push_back({std::string(phase), std::move(result), replied});
    return true;
  }

  const CaseWorld& world_;
  const pb::Test& test_;
  CaseInput input_;
  CaseOutcome outcome_;
  TesterState state_;
  TesterDialect dialect_{state_};
  TesterLog log_{state_};
  FrozenClock clock_;
  InProcessSharedData shared_data_{clock_};
  InProcessQueues queues_;
  NoMetrics metrics_;
  NoTimers timers_;
  ForeignFunctions foreign_functions_;
  NoCalls calls_;
  Host host_{log_, clock_, shared_data_, queues_, metrics_, timers_, foreign_functions_, calls_};
  NoStream stream_;
  std::unique_ptr<Plugin> plugin_;
  std::unique_ptr<HttpFilter> filter_;  // dies before the plugin
};

}  // namespace

CaseOutcome RunAsTester(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking) {
  if (world.plugin == nullptr) {
    CaseOutcome outcome;
    outcome.failures.push_back({"plugin_init", "no plugin: give --plugin FILE.wasm, or wasm_path in env of the suite"});
    return outcome;
  }
  return TesterRun(world, test, chunking).Run();
}

}  // namespace weir::suite
