#include "measure/bench.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include "measure/guest_profiler.h"
#include "measure/symbols.h"
#include "weir/witness.h"

namespace weir::measure {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr double kRoundSeconds = 0.02;
constexpr int kStarts = 5, kCountedRequests = 20;
constexpr double kTimedSecondsMax = 1;

double Ms(SteadyClock::time_point since) { return std::chrono::duration<double, std::milli>(SteadyClock::now() - since).count(); }
double Seconds(SteadyClock::time_point since) { return Ms(since) / 1000; }

/// Times callbacks, or counts host calls: both at once would time the counting.
class Meter final : public Witness {
 public:
  explicit Meter(bool host_calls) : host_calls_(host_calls) {}
  bool hears_host_calls() const override { return host_calls_; }
  void OnCallback(const CallbackEvent&) override {}
  void OnCallbackEnd(const CallbackEvent& event, const CallbackEnd& end) override {
    memory_bytes = end.memory_bytes;
    if (counting) callbacks[std::string(event.name)].push_back(double(end.ns) / 1000);
  }
  void OnHostCall(const HostCallEvent& event) override {
    if (!counting) return;
    ++calls[std::string(event.name)];
    for (const CrossedValue& output : event.outputs) {
      const auto* bytes = std::get_if<std::string_view>(&output.value);
      if (bytes != nullptr && !bytes->empty()) ++allocations, allocated_bytes += bytes->size();
    }
  }
  bool counting = false;
  std::map<std::string, std::vector<double>> callbacks;  ///< µs of each call
  std::map<std::string, uint64_t> calls;
  uint64_t allocations = 0, allocated_bytes = 0, memory_bytes = 0;

 private:
  const bool host_calls_;
};

/// One plugin in a world of its own. Its witness outlives it.
class Bench {
 public:
  static Result<std::unique_ptr<Bench>> Make(Engine& engine, const std::shared_ptr<const Module>& module, const BenchPlan& plan, const PluginSpec& spec,
                                             Witness* witness) {
    auto bench = std::make_unique<Bench>(plan);
    bench->world_.host().witness = witness;
    WEIR_TRY(bench->plugin_, LoadPlugin(engine, module, spec, bench->world_.host()));
    bench->chain_.push_back(bench->plugin_.get());
    return bench;
  }
  explicit Bench(const BenchPlan& plan) : plan_(plan), upstream_([&](const HttpMessage&) { return plan.response; }), world_(LogLevel::kWarn) {
    world_.set_tracing(false);
    for (const auto& [upstream, script] : plan.answers) world_.scripted_calls().Script(upstream, script);
  }
  StreamOutcome Request() { return RunStream(world_, chain_, plan_.request, upstream_, kStreamWaitMs, plan_.given); }
  /// Mean µs of a request.
  double Round(uint64_t requests) {
    const auto begun = SteadyClock::now();
    for (uint64_t i = 0; i < requests; ++i) (void)Request();
    return Ms(begun) * 1000 / double(requests);
  }
  /// Requests until `seconds` have passed; how many.
  uint64_t RunFor(double seconds) {
    const auto begun = SteadyClock::now();
    uint64_t count = 0;
    do {
      (void)Request();
      ++count;
    } while (Seconds(begun) < seconds);
    return count;
  }
  /// Why the plugin no longer works, or empty.
  std::string Failure() const {
    if (!plugin_ || plugin_->stats().failures == 0) return {};
    return plugin_->stats().last_error;
  }

 private:
  const BenchPlan& plan_;
  const Upstream upstream_;
  MemoryHost world_;
  std::unique_ptr<Plugin> plugin_;
  std::vector<Plugin*> chain_;
};

/// All that is measured of one version.
class Subject {
 public:
  Subject(Engine& engine, const BenchPlan& plan, const BenchSubject& of) : engine_(engine), plan_(plan), of_(of) {
    numbers.name = of.spec.path;
    numbers.wasm_bytes = of.wasm.size();
  }
  Result<void> Prepare() {
    const auto begun = SteadyClock::now();
    WEIR_TRY(module_, engine_.Compile(of_.wasm, of_.spec.path));
    numbers.compile_ms = Ms(begun);
    numbers.code_bytes = module_->code_bytes();
    std::vector<double> starts;
    for (int i = 0; i < kStarts; ++i) {
      const auto start = SteadyClock::now();
      WEIR_TRY(bench_, Bench::Make(engine_, module_, plan_, of_.spec, nullptr));
      starts.push_back(Ms(start));
    }
    numbers.start_ms = Percentile(starts, 0.5);
    const StreamOutcome outcome = bench_->Request();
    WEIR_TRY_VOID(Fine());
    if (outcome.end == StreamOutcome::End::kStuck) {
      return Error{ErrorCode::kRefused, of_.spec.path + ": the request stays paused: the plugin waits for something that does not come (an answer to a call?)"};
    }
    numbers.local = outcome.local;
    for (const auto& [name, value] : outcome.response.headers)
      if (name == ":status") std::from_chars(value.data(), value.data() + value.size(), numbers.status);
    return {};
  }
  /// How many requests fill a round.
  uint64_t Calibrate() {
    const uint64_t warm = bench_->RunFor(0.1);
    numbers.requests += warm;
    return std::max<uint64_t>(1, uint64_t(double(warm) / 0.1 * kRoundSeconds));
  }
  void Round(uint64_t requests) {
    numbers.rounds_us.push_back(bench_->Round(requests));
    numbers.requests += requests;
  }
  Result<void> Callbacks() {
    Meter meter(false);
    WEIR_TRY(auto timed, Bench::Make(engine_, module_, plan_, of_.spec, &meter));
    (void)timed->RunFor(0.05);
    numbers.memory_bytes_start = meter.memory_bytes;
    meter.counting = true;
    const uint64_t requests = timed->RunFor(std::min(plan_.seconds, kTimedSecondsMax));
    meter.counting = false;
    for (auto& [name, values] : meter.callbacks)
      numbers.callbacks.push_back({name, double(values.size()) / double(requests), Summarize(values)});
    numbers.memory_bytes_end = meter.memory_bytes;
    return {};
  }
  Result<void> HostCalls() {
    Meter meter(true);
    WEIR_TRY(auto counted, Bench::Make(engine_, module_, plan_, of_.spec, &meter));
    (void)counted->Request();
    meter.counting = true;
    for (int i = 0; i < kCountedRequests; ++i) (void)counted->Request();
    uint64_t all = 0;
    for (const auto& [name, count] : meter.calls) {
      numbers.host_calls.push_back({name, double(count) / kCountedRequests});
      all += count;
    }
    std::ranges::stable_sort(numbers.host_calls, std::greater(), &HostCallNumbers::per_request);
    numbers.host_calls_per_request = double(all) / kCountedRequests;
    numbers.allocations_per_request = double(meter.allocations) / kCountedRequests;
    numbers.allocated_bytes_per_request = double(meter.allocated_bytes) / kCountedRequests;
    meter.counting = false;
    return {};
  }
  Result<std::vector<Stack>> Profile() {
    Symbols symbols;
    WEIR_TRY_VOID(symbols.Add(engine_, *module_));
    GuestProfiler profiler(symbols);
    WEIR_TRY_VOID(profiler.Start(plan_.profile_hz));
    (void)bench_->RunFor(plan_.seconds);
    profiler.Stop();
    return profiler.Stacks();
  }
  Result<void> Fine() const {
    const std::string failure = bench_->Failure();
    if (failure.empty()) return {};
    return Error{ErrorCode::kTrapped, of_.spec.path + " failed at this request: " + failure};
  }
  SubjectNumbers numbers;

 private:
  Engine& engine_;
  const BenchPlan& plan_;
  const BenchSubject& of_;
  std::shared_ptr<const Module> module_;
  std::unique_ptr<Bench> bench_;
};

}  // namespace

Result<BenchReport> RunBench(const BenchPlan& plan) {
  const auto say = [&](double share, std::string_view what) {
    if (plan.progress) plan.progress(share, what);
  };
  WEIR_TRY(const auto engine, Engine::Create());
  std::vector<std::unique_ptr<Subject>> subjects;
  subjects.push_back(std::make_unique<Subject>(*engine, plan, plan.subject));
  if (plan.against) subjects.push_back(std::make_unique<Subject>(*engine, plan, *plan.against));
  for (auto& subject : subjects) {
    say(0, "compile");
    WEIR_TRY_VOID(subject->Prepare());
  }
  Bench nobody(plan);
  std::vector<uint64_t> fill;
  for (auto& subject : subjects) fill.push_back(subject->Calibrate());
  const uint64_t empty_fill = std::max<uint64_t>(1, uint64_t(double(nobody.RunFor(0.05)) / 0.05 * kRoundSeconds / 4));

  // In turns, the order changed each round: what slows the machine down slows all of them.
  std::vector<double> empty_us;
  const int rounds = std::max(5, int(plan.seconds / kRoundSeconds));
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < subjects.size(); ++i) {
      const size_t which = round % 2 == 0 ? i : subjects.size() - 1 - i;
      subjects[which]->Round(fill[which]);
      WEIR_TRY_VOID(subjects[which]->Fine());
    }
    empty_us.push_back(nobody.Round(empty_fill));
    say(0.7 * double(round + 1) / rounds, "requests");
  }
  BenchReport report;
  for (auto& subject : subjects) {
    say(0.75, "callbacks");
    WEIR_TRY_VOID(subject->Callbacks());
    WEIR_TRY_VOID(subject->HostCalls());
    subject->numbers.us = MedianInterval(subject->numbers.rounds_us);
  }
  if (plan.profile_hz != 0) {
    say(0.85, "profile");
    WEIR_TRY(report.profile, subjects[0]->Profile());
    for (const Stack& stack : report.profile) report.profile_samples += stack.samples;
  }
  say(1, "");
  report.embedder_us = MedianInterval(empty_us);
  report.subject = std::move(subjects[0]->numbers);
  if (plan.against) {
    report.against = std::move(subjects[1]->numbers);
    report.ratio = RatioInterval(report.subject.rounds_us, report.against->rounds_us);
  }
  return report;
}

}  // namespace weir::measure
