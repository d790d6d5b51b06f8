#include "conformance/runner.h"

#include "conformance/guest.h"
#include "conformance/judge.h"
#include "engine/instance.h"
#include "host/prometheus.h"
#include "memhost/memory_tcp.h"
#include "scenario/run.h"

namespace weir::conformance {
namespace {

using proxy_wasm::Version;

/// Turns the clock of `world`, ticks and queues on the way.
void Wait(MemoryHost& world, uint64_t ms) {
  const uint64_t end_ns = world.clock().MonotonicNs() + ms * 1'000'000;
  for (;;) {
    const uint64_t now_ns = world.clock().MonotonicNs();
    if (now_ns > end_ns || !world.Step((end_ns - now_ns) / 1'000'000)) break;
  }
  const uint64_t now_ns = world.clock().MonotonicNs();
  if (now_ns < end_ns) world.clock().AdvanceMs((end_ns - now_ns) / 1'000'000);
}

/// As Prometheus reads them. Histograms of plugins are left out: in one process they have no buckets.
std::string MetricsOf(MemoryHost& world) {
  std::vector<MetricReading> defined;
  for (const auto& one : world.metrics().Read())
    if (one.type != MetricType::kHistogram) defined.push_back({one.name, one.type, {one.value}});
  return PrometheusText(world.metrics().ReadOwn(), defined, {});
}
/// What is wrong, or empty.
std::string CheckMetric(MemoryHost& world, const Event& event) {
  const std::string text = "\n" + MetricsOf(world), series = "\n" + event.bytes.substr(0, event.bytes.rfind(' ') + 1);
  if (text.find("\n" + event.bytes + "\n") != text.npos) return "";
  const size_t at = text.find(series);
  return "wanted " + event.bytes + ", got " + (at == text.npos ? "none of that name" : text.substr(at + 1, text.find('\n', at + 1) - at - 1));
}

/// Foreign functions of an embedder, for the cases of proxy_call_foreign_function.
void AddForeign(MemoryHost& world) {
  using Code = ForeignAnswer::Status;
  auto& functions = world.foreign_functions();
  functions["conformance.echo"] = [](Plugin&, std::string_view argument) { return ForeignAnswer{Code::kOk, std::string(argument)}; };
  functions["conformance.bad_argument"] = [](Plugin&, std::string_view) { return ForeignAnswer{Code::kBadArgument, {}}; };
  functions["conformance.internal_failure"] = [](Plugin&, std::string_view) { return ForeignAnswer{Code::kInternalFailure, {}}; };
}

/// The transcript of all plugins: their lines of the log that begin with the mark.
std::vector<std::string> Said(const Case& one, const Trace& trace) {
  std::vector<std::string> said;
  for (const std::string& entry : trace) {
    for (const CasePlugin& plugin : one.plugins) {
      const auto text = scenarios::LoggedBy(plugin.spec.name, entry);
      if (text && text->starts_with(kMark)) said.emplace_back(*text);
    }
  }
  return said;
}

/// One TCP connection of a case.
class Tcp {
 public:
  Tcp(MemoryHost& world, std::span<Plugin* const> chain) : world_(world), chain_(chain) {}
  /// What is not as it should be, or empty.
  std::string Do(const Event& event) {
    constexpr uint64_t kTurnMs = 200;  // of ticks that a paused connection is given
    if (event.what == "connect") {
      End();
      stream_.emplace(world_, chain_);
      stream_->Connect();
    }
    if (!stream_) return "there is no connection: tcp connect comes first";
    if (event.what == "client") stream_->Feed(TcpSide::kDownstream, event.bytes);
    if (event.what == "backend") stream_->Feed(TcpSide::kUpstream, event.bytes);
    if (event.what == "client-end") stream_->Feed(TcpSide::kDownstream, "", EndOfStream::kYes);
    if (event.what == "backend-end") stream_->Feed(TcpSide::kUpstream, "", EndOfStream::kYes);
    if (event.what == "client-close") stream_->Close(TcpSide::kDownstream);
    if (event.what == "backend-close") stream_->Close(TcpSide::kUpstream);
    const uint64_t stop_ns = world_.clock().MonotonicNs() + kTurnMs * 1'000'000;
    while (world_.clock().MonotonicNs() < stop_ns && stream_->Turn((stop_ns - world_.clock().MonotonicNs()) / 1'000'000)) {
    }
    const bool backend = event.what == "expect-backend";
    if (backend || event.what == "expect-client") {
      const std::string& got = stream_->passed(backend ? TcpSide::kDownstream : TcpSide::kUpstream);
      if (got != event.bytes) return event.what.substr(7) + ": wanted " + Shown(event.bytes) + ", got " + Shown(got);
    }
    if (event.what == "expect-closed" && !stream_->closed()) return "the connection is open";
    if (event.what == "expect-open" && stream_->closed()) return "the connection is closed";
    return "";
  }
  void End() {
    if (stream_) stream_->Finish();
    stream_.reset();
  }

 private:
  MemoryHost& world_;
  const std::span<Plugin* const> chain_;
  std::optional<MemoryTcpStream> stream_;
};

}  // namespace

std::string Run::Mode() const {
  return std::string(proxy_wasm::Name(version)) + (statuses == Statuses::kStrict ? " strict" : " lenient");
}

std::vector<Run> RunsOf(const Case& one) {
  std::vector<Run> runs;
  for (Version version : {Version::k0_1_0, Version::k0_2_0, Version::k0_2_1}) {
    if ((one.versions & uint8_t(version)) == 0) continue;
    if (one.lenient) runs.push_back({&one, version, Statuses::kLenient});
    if (one.strict) runs.push_back({&one, version, Statuses::kStrict});
  }
  return runs;
}

Result<std::string> GuestWasm(const Run& run, size_t plugin) { return engine::WatToWasm(GuestWat(*run.one, plugin, run.version)); }

Result<std::unique_ptr<Runner>> Runner::Create() {
  EngineOptions options;
  options.parallel_compilation = false;  // the guests are small
  options.pooling = false;
  WEIR_TRY(auto engine, Engine::Create(options));
  return std::unique_ptr<Runner>(new Runner(std::move(engine)));
}

Result<std::shared_ptr<const Module>> Runner::Compile(const Run& run, size_t plugin) {
  if (last_ != run.one->name) modules_.clear();
  last_ = run.one->name;
  auto& module = modules_[std::string(proxy_wasm::Name(run.version)) + " " + std::to_string(plugin)];
  if (module) return module;
  WEIR_TRY(const std::string wasm, GuestWasm(run, plugin));
  WEIR_TRY(module, engine_->Compile(wasm, run.one->name + ".wasm"));
  return module;
}

std::vector<std::string> Runner::Play(const Run& run) {
  const Case& one = *run.one;
  MemoryHost world;
  AddForeign(world);
  for (const Cluster& cluster : one.clusters) world.scripted_calls().Script(cluster.name, cluster.script);
  Trace trace;  // of all exchanges
  auto keep = [&] {
    trace.insert(trace.end(), world.trace().begin(), world.trace().end());
    world.trace().clear();
  };
  std::vector<std::unique_ptr<Plugin>> plugins;
  std::vector<Plugin*> chain;
  for (size_t i = 0; i < one.plugins.size(); ++i) {
    auto module = Compile(run, i);
    if (!module) return {"guest: " + module.error().message};
    PluginSpec spec = one.plugins[i].spec;
    spec.path = one.name + ".wasm";
    spec.statuses = run.statuses;
    auto plugin = LoadPlugin(*engine_, *module, std::move(spec), world.host());
    if (!one.expect_load.empty()) {
      if (plugin) return {"load: expected it to fail with \"" + one.expect_load + "\", it did not"};
      if (plugin.error().message.find(one.expect_load) == std::string::npos)
        return {"load\n  expected  \"" + one.expect_load + "\"\n  got       \"" + plugin.error().message + "\""};
      return Judge(ExpectedLines(one, run.version, run.statuses), Said(one, world.trace()));
    }
    if (!plugin) return {"load: " + plugin.error().message};
    plugins.push_back(*std::move(plugin));
    chain.push_back(plugins.back().get());
  }
  std::vector<std::string> problems;
  Tcp tcp(world, chain);
  for (const Event& event : one.events) {
    if (event.kind == Event::Kind::kWait) {
      Wait(world, event.wait_ms);
      continue;
    }
    if (event.kind == Event::Kind::kMetric) {
      if (std::string problem = CheckMetric(world, event); !problem.empty()) problems.push_back("metric of line " + std::to_string(event.line) + ": " + problem);
      continue;
    }
    if (event.kind == Event::Kind::kForeign) {
      for (Plugin* plugin : chain) plugin->OnForeignFunction(event.id, event.bytes);
      continue;
    }
    if (event.kind == Event::Kind::kTcp) {
      if (std::string problem = tcp.Do(event); !problem.empty()) problems.push_back("tcp of line " + std::to_string(event.line) + ": " + problem);
      continue;
    }
    const auto& exchange = one.exchanges[event.exchange];
    for (std::string& problem : scenarios::RunExchange(world, chain, exchange))
      problems.push_back("request of line " + std::to_string(exchange.line) + ": " + std::move(problem));
    keep();
  }
  tcp.End();
  const std::vector<ExpectedLine> expected = ExpectedLines(one, run.version, run.statuses);
  keep();
  const bool unload = !expected.empty() && expected.back().at_unload;
  auto end = [&] { chain.clear(), plugins.clear(), keep(); };
  if (unload) end();
  auto judged = Judge(expected, Said(one, trace));
  problems.insert(problems.begin(), judged.begin(), judged.end());
  if (!unload) end();
  return problems;
}

}  // namespace weir::conformance
