#include "suite/weir_world.h"

#include <algorithm>

#include "proxy_wasm/plugin.h"
#include "scenario/text.h"
#include "suite/headers.h"

namespace weir::suite {
namespace {

HeaderList ListOf(const google::protobuf::RepeatedPtrField<pb::Header>& headers) {
  HeaderList list;
  for (const pb::Header& header : headers) list.emplace_back(LowerName(header.key()), header.value());
  return list;
}

CallScript ScriptOf(const pb::Answer& answer) {
  CallScript script;
  if (answer.never()) {
    script = SilentScript();
  } else if (answer.failure() != pb::Answer::NONE) {
    script = FailureScript(CallFailure(answer.failure()));  // the same numbers
  } else if (answer.has_grpc()) {
    const pb::Grpc& grpc = answer.grpc();
    script = GrpcScript({grpc.message().begin(), grpc.message().end()}, GrpcStatus(grpc.status()), grpc.status_message(), ListOf(grpc.metadata()),
                        ListOf(grpc.trailer()));
  } else {
    script = HttpScript(answer.status() == 0 ? 200 : answer.status(), answer.body(), ListOf(answer.header()), ListOf(answer.trailer()));
  }
  script.after_ms = answer.after_ms();
  return script;
}
static_assert(uint8_t(CallFailure::kProtocol) == pb::Answer::PROTOCOL && uint8_t(CallFailure::kTimeout) == pb::Answer::TIMEOUT);

}  // namespace

WeirWorld::WeirWorld(const CaseWorld& world, const pb::Test& test) : world_(world), test_(test), host_(world.log_level) {
  constexpr uint64_t kTraceBytesMax = 16 << 20;
  host_.set_trace_bytes_max(kTraceBytesMax);
  host_.clock().set_start_realtime_ns(world.time_ns);
  host_.set_random_seed(1);  // a case gives the same in every run
  host_.host().witness = world.witness;
}

Result<void> WeirWorld::Start() {
  AddUpstreams();
  first_space_ = "test";
  if (!test_.plugin().empty()) {
    const pb::Plugin& first = test_.plugin(0);
    first_space_ = !first.vm_id().empty() ? first.vm_id() : !first.name().empty() ? first.name() : first_space_;
  }
  for (const pb::SharedValue& value : test_.shared_data()) {
    const StoreStatus status = host_.shared_data().Set(SpaceOf(value), value.key(), value.value(), 0);
    if (status != StoreStatus::kOk) return Error{ErrorCode::kLimit, "shared_data " + Quoted(value.key()) + ": over the limit of the shared data"};
  }
  if (!test_.plugin().empty()) {
    for (int i = 0; i < test_.plugin_size(); ++i) WEIR_TRY_VOID(AddPlugin(test_.plugin(i), size_t(i) + 1));
    return {};
  }
  if (world_.plugin == nullptr) return Error{ErrorCode::kInvalidArgument, "no plugin: give --plugin FILE.wasm, or the case a plugin { wasm: … }"};
  PluginSpec spec = world_.spec;
  spec.name = "test";
  spec.path = world_.plugin->path;
  spec.configuration = world_.plugin->configuration;
  return Load(world_.plugin->module, std::move(spec));
}

void WeirWorld::AddUpstreams() {
  for (const pb::Upstream& upstream : test_.upstream()) {
    for (const pb::Answer& answer : upstream.answer()) host_.scripted_calls().Script(upstream.name(), ScriptOf(answer));
    if (upstream.answer().empty()) host_.scripted_calls().Script(upstream.name(), HttpScript(200));
  }
}

Result<void> WeirWorld::AddPlugin(const pb::Plugin& plugin, size_t number) {
  const auto bad = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, "plugin " + std::to_string(number) + ": " + what}; };
  PluginSpec spec = world_.spec;
  spec.name = !plugin.name().empty() ? plugin.name() : number == 1 ? "test" : "test-" + std::to_string(number);
  spec.root_id = plugin.root_id();
  spec.vm_id = plugin.vm_id();
  spec.vm_configuration = plugin.vm_config_text();
  spec.configuration = plugin.config_text();
  if (!plugin.config().empty()) {
    if (plugin.has_config_text()) return bad("config and config_text: keep one");
    WEIR_TRY(spec.configuration, ReadBeside(world_.file.folder, plugin.config()));
  }
  for (const std::string& option : plugin.option()) {
    const size_t equals = option.find('=');
    if (equals == option.npos) return bad("option wants name=value, not \"" + option + "\"");
    if (const auto wrong = scenarios::SetPluginOption(&spec, option.substr(0, equals), option.substr(equals + 1)); !wrong.empty())
      return bad("option " + Quoted(option) + ": " + wrong);
  }
  if (plugin.wasm().empty()) {
    if (world_.plugin == nullptr) return bad("it names no wasm, and there is no --plugin");
    spec.path = world_.plugin->path;
    if (plugin.config().empty() && !plugin.has_config_text()) spec.configuration = world_.plugin->configuration;
    return Load(world_.plugin->module, std::move(spec));
  }
  spec.path = PathBeside(world_.file.folder, plugin.wasm());
  WEIR_TRY(auto module, world_.load(spec.path));
  return Load(std::move(module), std::move(spec));
}

Result<void> WeirWorld::Load(std::shared_ptr<const Module> module, PluginSpec spec) {
  WEIR_TRY(auto plugin, LoadPlugin(world_.engine, std::move(module), std::move(spec), host_.host()));
  plugins_.push_back(std::move(plugin));
  chain_.push_back(plugins_.back().get());
  return {};
}

Result<void> WeirWorld::Shutdown() {
  Result<void> ended;
  for (const auto& plugin : plugins_) {
    // Every family that there is; another one would end in its destructor.
    if (auto one = static_cast<proxy_wasm::ProxyWasmPlugin&>(*plugin).Shutdown(); !one && ended) ended = std::move(one);
  }
  return ended;
}

std::string WeirWorld::failure() const {
  for (const auto& plugin : plugins_)
    if (plugin->stats().failures > 0) return plugin->stats().last_error;
  return "";
}

void WeirWorld::BeginPhase() {
  for (std::string& line : Logs()) all_logs_.push_back(std::move(line));
  host_.trace().clear();
  calls_before_ = host_.scripted_calls().seen().size();
}

std::vector<std::string> WeirWorld::Logs() {
  std::vector<std::string> logs;
  for (const std::string& line : host_.trace()) {
    constexpr std::string_view kLog = "log ";
    if (!line.starts_with(kLog)) continue;
    const size_t level_end = line.find(' ', kLog.size());
    if (level_end == line.npos) continue;
    std::string_view text(line);
    text.remove_prefix(level_end + 1);
    if (chain_.size() <= 1) text.remove_prefix(std::min(text.find(": ") + 2, text.size()));
    logs.emplace_back(text);
  }
  return logs;
}

void WeirWorld::Advance(uint64_t ms, const std::function<bool()>& turn) {
  ManualClock& clock = host_.clock();
  const uint64_t stop_ns = clock.MonotonicNs() + ms * 1'000'000;
  constexpr size_t kTurnsMax = 100'000;  // a plugin that calls itself for ever ends its case
  for (size_t i = 0; i < kTurnsMax; ++i) {
    if (turn()) continue;
    const uint64_t now_ns = clock.MonotonicNs();
    const uint64_t left_ms = stop_ns > now_ns ? (stop_ns - now_ns) / 1'000'000 : 0;
    if (host_.Step(left_ms)) continue;
    clock.AdvanceMs(left_ms);
    return;
  }
}

std::string WeirWorld::SpaceOf(const pb::SharedValue& value) const { return value.vm_id().empty() ? first_space_ : value.vm_id(); }

void WeirWorld::Check(const pb::Expectation& expected, PhaseCheck& check) {
  CheckCalls(expected, check);
  CheckShared(expected, check);
  CheckMetrics(expected, check);
}

// Each call that is listed must be there, after the one that is listed before it.
void WeirWorld::CheckCalls(const pb::Expectation& expected, PhaseCheck& check) {
  const auto& seen = host_.scripted_calls().seen();
  size_t at = std::min(calls_before_, seen.size());
  for (const pb::Call& call : expected.call()) {
    const auto fits = [&](const ScriptedCalls::Seen& one) {
      const std::string& upstream = one.http ? one.http->upstream : one.grpc->upstream;
      const std::string method = one.grpc ? one.grpc->service + "/" + one.grpc->method : "";
      return (call.upstream().empty() || upstream == call.upstream()) && (call.grpc_method().empty() || method == call.grpc_method());
    };
    const auto found = std::find_if(seen.begin() + ptrdiff_t(at), seen.end(), fits);
    const std::string name = "call " + (call.grpc_method().empty() ? "" : Quoted(call.grpc_method()) + " ") + "to " + Quoted(call.upstream());
    if (found == seen.end()) {
      std::string others;
      for (size_t i = calls_before_; i < seen.size(); ++i)
        others += (others.empty() ? ", calls of this phase go to " : ", ") + (seen[i].http ? seen[i].http->upstream : seen[i].grpc->upstream);
      check.Fail("expected a " + name + ", there is none" + (others.empty() ? "" : others));
      continue;
    }
    at = size_t(found - seen.begin()) + 1;
    pb::Expectation headers;
    *headers.mutable_has_header() = call.has_header();
    check.Headers(headers, found->http ? found->http->headers : found->grpc->metadata);
    std::vector<std::string> bodies = found->messages;
    if (found->http) bodies = {found->http->body};
    if (found->grpc && found->grpc->message && bodies.empty()) bodies = {*found->grpc->message};
    check.Texts(name + " with a body", call.body(), bodies);
  }
}

void WeirWorld::CheckShared(const pb::Expectation& expected, PhaseCheck& check) {
  for (const pb::SharedValue& value : expected.shared_data()) {
    const auto entry = host_.shared_data().Get(SpaceOf(value), value.key());
    const std::string name = "shared data " + Quoted(value.key()) + ": ";
    if (value.absent()) {
      if (entry) check.Fail(name + "expected none, it is " + Quoted(entry->value));
    } else if (!entry) {
      check.Fail(name + "expected " + Quoted(value.value()) + ", there is none in the name space " + Quoted(SpaceOf(value)));
    } else if (entry->value != value.value()) {
      check.Fail(name + "expected " + Quoted(value.value()) + ", got " + Quoted(entry->value));
    }
  }
}

void WeirWorld::CheckMetrics(const pb::Expectation& expected, PhaseCheck& check) {
  if (expected.metric().empty()) return;
  const auto readings = host_.metrics().Read();
  for (const pb::Metric& metric : expected.metric()) {
    const auto found = std::find_if(readings.begin(), readings.end(), [&](const auto& reading) { return reading.name == metric.name(); });
    const std::string name = "metric " + Quoted(metric.name()) + ": ";
    if (metric.absent()) {
      if (found != readings.end()) check.Fail(name + "expected none, it is " + std::to_string(found->value));
    } else if (found == readings.end()) {
      std::string all;
      for (const auto& reading : readings) all += (all.empty() ? "; there are " : ", ") + reading.name;
      check.Fail(name + "there is none" + all);
    } else if (metric.has_value() && found->value != uint64_t(metric.value())) {
      check.Fail(name + "expected " + std::to_string(metric.value()) + ", got " + std::to_string(found->value));
    }
  }
}

}  // namespace weir::suite
