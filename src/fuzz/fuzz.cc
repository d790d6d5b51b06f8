#include "fuzz/fuzz.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "fuzz/generator.h"
#include "fuzz/shrink.h"
#include "suite/runner.h"

namespace weir::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kRound = 64;           // candidates between two looks at what they showed
constexpr size_t kKeptMax = 4096;       // inputs
constexpr size_t kFeaturesMax = 1 << 20;
constexpr unsigned kFreshPercent = 25;  // of candidates; the others change an input that was kept
constexpr int kShrinkRuns = 3000, kShrinkRunsSlow = 80;  // the latter where each one uses a callback's time
constexpr double kShrinkSeconds = 30;

double Since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

struct Candidate {
  pb::Test test;
  Behaviour behaviour;
  std::optional<Fault> fault;
  bool ran = false;
};

class Fuzzer {
 public:
  Fuzzer(const FuzzOptions& options, const std::function<void(const FuzzProgress&)>& progress) : options_(options), progress_(progress) {}

  Result<FuzzReport> Run() {
    WEIR_TRY_VOID(Prepare());
    const auto begin = Clock::now();
    double shrinking = 0;
    while (!Over(Since(begin) - shrinking)) {
      std::vector<Candidate> round(RoundSize());
      RunRound(&round, begin, shrinking);
      for (Candidate& one : round) {
        if (!one.ran) break;
        ++report_.runs;
        Keep(one);
        const auto before = Clock::now();
        if (one.fault) Found(one);
        shrinking += Since(before);
      }
      report_.seconds = Since(begin) - shrinking;
      Tell(false);
    }
    report_.features = features_.size();
    report_.kept = kept_.size();
    return std::move(report_);
  }

 private:
  Result<void> Prepare() {
    WEIR_TRY(const std::string wasm, ReadFile(options_.spec.path));
    // From here on the runner of suites is the one that loads it, case by case.
    EngineOptions engine;
    engine.pooling = false;
    WEIR_TRY(engine_, Engine::Create(engine));
    WEIR_TRY(auto loaded, engine_->Load(wasm, options_.spec.path, options_.cache));
    WEIR_TRY_VOID(CheckPlugin(*loaded.module, options_.spec.path));
    source_ = {loaded.module, options_.spec.path, options_.spec.configuration};
    source_without_configuration_ = {loaded.module, options_.spec.path, ""};
    world_.emplace(suite::CaseWorld{.engine = *engine_, .file = file_, .plugin = &source_, .spec = options_.spec});
    const auto has = [&](std::string_view name) { return loaded.module->exports_function(name); };
    known_.words = WordsOfModule(wasm);
    known_.request_body = has("proxy_on_request_body");
    known_.response_body = has("proxy_on_response_body");
    known_.request_trailers = has("proxy_on_request_trailers");
    known_.response_trailers = has("proxy_on_response_trailers");
    // SDKs export the callbacks of both kinds, whichever the plugin is.
    const bool http = has("proxy_on_request_headers") || has("proxy_on_response_headers") || known_.request_body || known_.response_body;
    const bool tcp = has("proxy_on_new_connection") || has("proxy_on_downstream_data") || has("proxy_on_upstream_data");
    known_.tcp = options_.tcp || (tcp && !http);
    known_.body_bytes_max = options_.body_bytes_max;
    judge_.emplace(*world_, known_.request_body || known_.response_body);
    return Starts();
  }

  /// A plugin that does not start with this configuration has nothing to be fuzzed.
  Result<void> Starts() {
    pb::Test test;
    test.set_no_trap(true);
    const suite::CaseOutcome outcome = suite::RunCase(*world_, test);
    if (outcome.failures.empty()) return {};
    return Error{ErrorCode::kRefused, (outcome.plugin_fault ? outcome.plugin_fault->why : outcome.failures.front().text) +
                                          "\nit does not start, so there is nothing to fuzz: give it the configuration that it wants (--config FILE)"};
  }

  bool Over(double seconds) const {
    if (options_.runs_max != 0 && report_.runs >= options_.runs_max) return true;
    if (options_.seconds_max > 0 && seconds >= options_.seconds_max) return true;
    return report_.findings.size() >= options_.findings_max;
  }
  size_t RoundSize() const { return options_.runs_max == 0 ? kRound : size_t(std::min<uint64_t>(kRound, options_.runs_max - report_.runs)); }

  void RunRound(std::vector<Candidate>* round, Clock::time_point begin, double shrinking) {
    std::atomic<size_t> next = 0;
    const auto play = [&] {
      for (size_t i = next++; i < round->size(); i = next++) {
        // The first one always: each round gets on.
        if (i > 0 && options_.seconds_max > 0 && Since(begin) - shrinking >= options_.seconds_max) return;
        Candidate& one = (*round)[i];
        Make(report_.runs + i, &one.test);
        one.fault = judge_->Examine(&one.test, &one.behaviour);
        one.behaviour.features();
        one.ran = true;
      }
    };
    const unsigned jobs = options_.jobs == 0 ? std::max(1u, std::thread::hardware_concurrency()) : options_.jobs;
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < jobs; ++i) threads.emplace_back(play);
    play();
    for (std::thread& thread : threads) thread.join();
  }

  /// Of run `number`, from 0; the same whichever thread asks.
  void Make(uint64_t number, pb::Test* test) const {
    if (number < options_.corpus.size()) {
      *test = options_.corpus[size_t(number)];
    } else {
      Random random(options_.seed * 0x100000001b3 + number);
      Generator generator(known_, random);
      if (kept_.empty() || random.Chance(kFreshPercent)) {
        *test = generator.Fresh();
      } else {
        // Newer ones more often: what has just been reached leads on.
        const size_t newest = std::min<size_t>(kept_.size(), 16);
        *test = random.Chance(40) ? kept_[kept_.size() - 1 - random.Below(newest)] : random.Pick(kept_);
        generator.Mutate(test, random.Pick(kept_));
      }
    }
    Sanitize(test, options_.body_bytes_max);
    test->set_no_trap(true);
  }

  /// New names for all, and the input where it showed something new.
  void Keep(Candidate& one) {
    known_.asked.Add(one.behaviour.asked());
    bool fresh = false;
    for (const uint64_t feature : one.behaviour.features())
      if (features_.size() < kFeaturesMax) fresh = features_.insert(feature).second || fresh;
    if (!fresh || one.fault || kept_.size() >= kKeptMax) return;
    kept_.push_back(one.test);
  }

  void Found(Candidate& one) {
    const auto known = std::find_if(report_.findings.begin(), report_.findings.end(), [&](const Finding& finding) { return finding.fault.key == one.fault->key; });
    if (known != report_.findings.end()) {
      ++known->times;
      return;
    }
    if (report_.findings.size() >= options_.findings_max) return;
    Tell(true);
    Finding finding{.fault = *one.fault, .test = one.test, .run = report_.runs};
    finding.bytes_before = one.test.ByteSizeLong();
    const bool slow = one.fault->property == Property::kTimeout;
    const StillFails still = [&](pb::Test& test) {
      ++finding.shrink_runs;
      const auto fault = judge_->Examine(&test);
      if (!fault || fault->key != finding.fault.key) return false;
      finding.fault = *fault;
      return true;
    };
    finding.test = Shrink(one.test, still, {.runs_max = slow ? kShrinkRunsSlow : kShrinkRuns, .seconds_max = kShrinkSeconds});
    finding.bytes_after = finding.test.ByteSizeLong();
    finding.test.set_name(std::string(Name(finding.fault.property)) + " " + std::to_string(report_.findings.size() + 1) + ": " + finding.fault.title);
    finding.reproduced = Reproduces(&finding);
    report_.shrink_runs += finding.shrink_runs;
    report_.findings.push_back(std::move(finding));
  }

  /// As `weir test` will run it: with what the case itself says of the plugin, and the limits that are the default there.
  bool Reproduces(Finding* finding) {
    pb::Plugin plugin;
    if (!options_.spec.configuration.empty()) plugin.set_config_text(options_.spec.configuration);
    for (const std::string& option : options_.options) plugin.add_option(option);
    const bool has_timeout = std::any_of(options_.options.begin(), options_.options.end(), [](const std::string& option) { return option.starts_with("timeout="); });
    if (finding->fault.property == Property::kTimeout && !has_timeout) plugin.add_option("timeout=" + std::to_string(options_.spec.limits.callback_ms) + "ms");
    if (plugin.ByteSizeLong() > 0) *finding->test.add_plugin() = plugin;
    suite::CaseWorld world = *world_;
    world.spec = PluginSpec();
    world.spec.limits.callback_ms = suite::kTestTimeoutMs;
    world.plugin = &source_without_configuration_;
    return Judge(world, true).Fails(finding->test);
  }

  void Tell(bool shrinking) {
    if (progress_) progress_({report_.runs, report_.seconds, kept_.size(), report_.findings.size(), shrinking});
  }

  const FuzzOptions& options_;
  const std::function<void(const FuzzProgress&)>& progress_;
  suite::SuiteFile file_;
  suite::PluginSource source_, source_without_configuration_;
  std::unique_ptr<Engine> engine_;
  std::optional<suite::CaseWorld> world_;
  std::optional<Judge> judge_;
  Knowledge known_;
  std::vector<pb::Test> kept_;
  std::set<uint64_t> features_;
  FuzzReport report_;
};

}  // namespace

Result<FuzzReport> Fuzz(const FuzzOptions& options, const std::function<void(const FuzzProgress&)>& progress) { return Fuzzer(options, progress).Run(); }

}  // namespace weir::fuzz
