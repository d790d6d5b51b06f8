#include "suite/runner.h"

#include <re2/re2.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/nearest_name.h"
#include "suite/run.h"

namespace weir::suite {
namespace {

using Clock = std::chrono::steady_clock;
using SharedModule = std::shared_ptr<const Module>;

constexpr uint64_t kEpochOffsetNs = 1'000'000;
constexpr uint64_t kTimeMaxSecs = uint64_t{INT64_MAX} / 1'000'000'000;
constexpr std::string_view kLevels[] = {"UNDEFINED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"};

double Since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Modules by path, each read and compiled once.
class Modules {
 public:
  Modules(Engine& engine, const CodeCache& cache) : engine_(engine), cache_(cache) {}
  Result<SharedModule> Load(const std::string& path) {
    Slot* slot = nullptr;
    {
      const std::lock_guard lock(mutex_);
      slot = &slots_[path];
    }
    const std::lock_guard lock(slot->mutex);
    if (!slot->tried) {
      slot->tried = true;
      slot->module = Make(path);
    }
    return slot->module;
  }

 private:
  struct Slot {
    std::mutex mutex;
    bool tried = false;
    Result<SharedModule> module = SharedModule();
  };
  Result<SharedModule> Make(const std::string& path) {
    WEIR_TRY(const std::string wasm, ReadFile(path));
    auto loaded = engine_.Load(wasm, path, cache_);
    if (!loaded) return std::move(loaded).error();
    WEIR_TRY_VOID(CheckPlugin(*loaded->module, path));
    return loaded->module;
  }
  Engine& engine_;
  const CodeCache& cache_;
  std::mutex mutex_;
  std::map<std::string, Slot> slots_;
};

/// A suite with a plugin, and its cases' places in the report.
struct Work {
  SuiteFile file;
  std::string plugin_path, config_path;
  std::string log_path;
  std::optional<PluginSource> plugin;
  std::optional<CaseWorld> world;
};

class Runner {
 public:
  explicit Runner(const RunOptions& options) : options_(options) {}

  Result<Report> Run(const std::function<void(const CaseReport&)>& done) {
    const auto begin = Clock::now();
    WEIR_TRY_VOID(Prepare());
    Report report;
    struct Job {
      Work* work;
      int test;
      size_t place;
    };
    std::vector<Job> jobs;
    for (const auto& work : works_) {
      for (int i = 0; i < work->file.suite.test_size(); ++i) {
        const pb::Test& test = work->file.suite.test(i);
        CaseReport& one = report.cases.emplace_back();
        one.suite = work->file.path;
        one.plugin = work->plugin_path;
        one.name = test.name();
        one.line = size_t(i) < work->file.lines.size() ? work->file.lines[size_t(i)] : 0;
        if (filter_ == nullptr || re2::RE2::PartialMatch(test.name(), *filter_)) jobs.push_back({work.get(), i, report.cases.size() - 1});
      }
    }
    if (jobs.empty() && filter_ != nullptr) return Bad("--filter " + options_.filter + ": no case has such a name");
    std::atomic<size_t> next = 0;
    std::mutex mutex;
    std::vector<bool> ended(jobs.size());
    size_t told = 0;
    const auto play = [&] {
      for (size_t i = next++; i < jobs.size(); i = next++) {
        CaseReport& one = report.cases[jobs[i].place];
        RunOne(*jobs[i].work, jobs[i].work->file.suite.test(jobs[i].test), &one);
        const std::lock_guard lock(mutex);
        ended[i] = true;
        for (; told < jobs.size() && ended[told]; ++told) done(report.cases[jobs[told].place]);
      }
    };
    const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
    const unsigned count = unsigned(std::min<size_t>(options_.jobs == 0 ? processors : options_.jobs, std::max<size_t>(1, jobs.size())));
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < count; ++i) threads.emplace_back(play);
    play();
    for (std::thread& thread : threads) thread.join();
    for (const CaseReport& one : report.cases) {
      using enum CaseReport::Result;
      ++(one.result == kPassed ? report.passed : one.result == kFailed ? report.failed : report.skipped);
    }
    report.seconds = Since(begin);
    return report;
  }

 private:
  static Error Bad(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

  Result<void> Prepare() {
    if (!options_.filter.empty()) {
      filter_ = std::make_unique<re2::RE2>(options_.filter, re2::RE2::Quiet);
      if (!filter_->ok()) return Bad("--filter " + options_.filter + ": " + filter_->error() + " (the syntax is that of RE2)");
    }
    if (!options_.log_level.empty()) {
      level_ = int(std::find(std::begin(kLevels), std::end(kLevels), options_.log_level) - std::begin(kLevels));
      if (level_ == 0 || size_t(level_) >= std::size(kLevels)) return Bad("--log-level is TRACE, DEBUG, INFO, WARN, ERROR or CRITICAL");
    }
    if (const std::string& path = options_.log_file; !path.empty()) {
      std::FILE* file = std::fopen(path.c_str(), "ae");
      if (file == nullptr) return Bad("--log-file " + path + ": it cannot be written; give a path in a directory that is there and yours");
      std::fclose(file);
    }
    EngineOptions engine;
    engine.pooling = false;
    WEIR_TRY(engine_, Engine::Create(engine));
    modules_ = std::make_unique<Modules>(*engine_, options_.cache);
    std::string faults;
    for (const Batch& batch : options_.batches) {
      for (const std::string& path : batch.suites) {
        auto work = Make(batch, path);
        if (!work) {
          faults += (faults.empty() ? "" : "\n") + work.error().message;
        } else {
          works_.push_back(*std::move(work));
        }
      }
    }
    if (!faults.empty()) return Bad(std::move(faults));
    return {};
  }

  Result<std::unique_ptr<Work>> Make(const Batch& batch, const std::string& path) {
    auto file = ReadSuite(path);
    if (!file) return std::move(file).error();
    auto work = std::make_unique<Work>();
    work->file = *std::move(file);
    const pb::Env& env = work->file.suite.env();
    work->plugin_path = batch.plugin.empty() ? env.wasm_path() : batch.plugin;
    work->config_path = batch.config.empty() ? env.config_path() : batch.config;
    work->log_path = options_.log_file.empty() ? env.log_path() : options_.log_file;
    for (const pb::Test& test : work->file.suite.test()) WEIR_TRY_VOID(LoadOwnPlugins(work->file, test));
    if (work->plugin_path.empty() && NeedsPlugin(work->file.suite))
      return Bad(path + ": no plugin: give --plugin FILE.wasm, or wasm_path in env of the suite");
    std::string config;
    if (!work->config_path.empty()) {
      auto bytes = ReadFile(work->config_path);
      if (!bytes) return Bad("the plugin's configuration: " + bytes.error().message);
      config = *std::move(bytes);
    }
    if (!work->plugin_path.empty()) {
      WEIR_TRY(SharedModule module, modules_->Load(work->plugin_path));
      work->plugin = PluginSource{std::move(module), work->plugin_path, std::move(config)};
    }
    const int level = level_ != 0 ? level_ : env.log_level();
    if (size_t(level) >= std::size(kLevels)) return Bad(path + ": env has no log_level " + std::to_string(level));
    work->world.emplace(CaseWorld{.engine = *engine_,
                                  .file = work->file,
                                  .plugin = work->plugin ? &*work->plugin : nullptr,
                                  .spec = options_.spec,
                                  .log_level = level == 0 ? LogLevel::kInfo : LogLevel(level - 1),
                                  .time_ns = env.time_secs() == 0 ? kEpochOffsetNs : std::min<uint64_t>(env.time_secs(), kTimeMaxSecs) * 1'000'000'000,
                                  .load = [this](const std::string& wasm) { return modules_->Load(wasm); }});
    return work;
  }

  static bool NeedsPlugin(const pb::TestSuite& suite) {
    return std::any_of(suite.test().begin(), suite.test().end(), [](const pb::Test& test) {
      return test.plugin().empty() || std::any_of(test.plugin().begin(), test.plugin().end(), [](const auto& plugin) { return plugin.wasm().empty(); });
    });
  }
  /// Those that a case names itself: a bad one is bad input too.
  Result<void> LoadOwnPlugins(const SuiteFile& file, const pb::Test& test) {
    for (const pb::Plugin& plugin : test.plugin()) {
      if (plugin.wasm().empty()) continue;
      auto module = modules_->Load(PathBeside(file.folder, plugin.wasm()));
      if (!module) return Bad(file.path + ": case \"" + test.name() + "\": " + module.error().message);
    }
    return {};
  }

  void RunOne(const Work& work, const pb::Test& test, CaseReport* out) {
    const auto begin = Clock::now();
    CaseOutcome outcome = RunWhole(*work.world, test, options_.any_chunking);
    out->failures = std::move(outcome.failures);
    out->result = out->failures.empty() ? CaseReport::Result::kPassed : CaseReport::Result::kFailed;
    out->log = std::move(outcome.log);
    out->seconds = Since(begin);
    if (!work.log_path.empty()) WriteLog(work.log_path, *out);
  }

  void WriteLog(const std::string& path, const CaseReport& one) {
    // Not opened anew: it would have a place of its own in a file.
    const bool to_stdout = path == "/dev/stdout", to_stderr = path == "/dev/stderr";
    if (to_stdout && options_.quiet_stdout) return;
    const std::lock_guard lock(log_mutex_);
    std::FILE* file = to_stdout ? stdout : to_stderr ? stderr : std::fopen(path.c_str(), "ae");
    if (file == nullptr) return;
    std::fprintf(file, "--- Starting test: %s ---\n", one.name.c_str());
    for (const std::string& line : one.log) std::fprintf(file, "%s\n", line.c_str());
    std::fprintf(file, "--- Finished test: %s ---\n", one.name.c_str());
    to_stdout || to_stderr ? std::fflush(file) : std::fclose(file);
  }

  const RunOptions& options_;
  int level_ = 0;  ///< pb::Env::LogLevel; 0: the suite's
  std::unique_ptr<re2::RE2> filter_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Modules> modules_;
  std::vector<std::unique_ptr<Work>> works_;
  std::mutex log_mutex_;
};

}  // namespace

Result<Report> RunSuites(const RunOptions& options, const std::function<void(const CaseReport&)>& done) {
  return Runner(options).Run(done);
}

}  // namespace weir::suite
