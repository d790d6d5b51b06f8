#include "cli/bench.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>

#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "measure/bench.h"

namespace weir::cli {
namespace {

namespace json = boost::json;
using namespace measure;
constexpr int kExitFailed = 1, kExitUsage = 2;
constexpr uint32_t kProfileHz = 2000;

Result<BenchPlan> PlanOf(const BenchRequest& request) {
  WEIR_TRY(RequestPlan given, PlanRequest(request.request));
  BenchPlan plan;
  plan.subject.spec = given.plugins.front();
  plan.subject.spec.path = request.file;
  WEIR_TRY(plan.subject.wasm, ReadFile(request.file));
  if (!request.against.empty()) {
    plan.against = plan.subject;
    plan.against->spec.path = request.against;
    WEIR_TRY(plan.against->wasm, ReadFile(request.against));
    if (!request.against_config.empty()) {
      WEIR_TRY(plan.against->spec.configuration, ReadFile(request.against_config));
    }
  }
  if (given.real_calls) return Error{ErrorCode::kInvalidArgument, "--cluster and --allow-host: a network is not measured; --answer NAME=ANSWER answers calls in memory"};
  plan.request = std::move(given.request);
  plan.response = std::move(given.response);
  plan.given = std::move(given.given);
  plan.answers = std::move(given.answers);
  plan.seconds = request.seconds;
  plan.profile_hz = request.flame.empty() && request.folded.empty() ? 0 : kProfileHz;
  return plan;
}

// ---- for people

void PrintSubject(const SubjectNumbers& it, const Interval& embedder) {
  const Painter paint(STDOUT_FILENO);
  const auto bold = [&](std::string_view text) { return std::string(paint.On(Style::kBold)) + std::string(text) + std::string(paint.Off()); };
  std::printf("%s  %s; %s of native code, compiled in %.0f ms, started in %.2f ms\n", bold(Printable(it.name)).c_str(), BytesText(it.wasm_bytes).c_str(),
              BytesText(it.code_bytes).c_str(), it.compile_ms, it.start_ms);
  std::printf("  a request    %s (95 %%: %.2f to %.2f), of which %.2f are Weir's without a plugin; answered %u%s\n", bold([&] {
                char text[32];
                std::snprintf(text, sizeof text, "%.2f µs", it.us.middle);
                return std::string(text);
              }()).c_str(), it.us.low, it.us.high, embedder.middle, it.status, it.local ? " by the plugin" : "");
  std::printf("\n  %-44s %9s %10s %10s %10s\n", "callback", "a request", "median µs", "p99 µs", "most µs");
  for (const CallbackNumbers& row : it.callbacks) {
    std::printf("  %-44s %9.4g %10.2f %10.2f %10.2f\n", row.name.c_str(), row.per_request, row.us.median, row.us.p99, row.us.max);
  }
  std::printf("\n  %-44s %9s\n", "host call", "a request");
  for (const HostCallNumbers& row : it.host_calls) std::printf("  %-44s %9.4g\n", row.name.c_str(), row.per_request);
  if (it.host_calls.empty()) std::printf("  none\n");
  std::printf("\n  guest memory %s", BytesText(it.memory_bytes_end).c_str());
  if (it.memory_bytes_end > it.memory_bytes_start) std::printf(", %s more than after the first requests: with more of them, does it go on?", BytesText(it.memory_bytes_end - it.memory_bytes_start).c_str());
  std::printf("; a request takes %.4g allocations for answers of the host, %.4g bytes\n\n", it.allocations_per_request, it.allocated_bytes_per_request);
}

void PrintRatio(const BenchReport& report) {
  const Interval& ratio = report.ratio;
  const double percent = (ratio.middle - 1) * 100;
  std::printf("%s against %s: %.3f of its time (95 %%: %.3f to %.3f): ", Printable(report.subject.name).c_str(), Printable(report.against->name).c_str(), ratio.middle,
              ratio.low, ratio.high);
  if (ratio.low <= 1 && ratio.high >= 1) {
    std::printf("no difference that can be told\n");
  } else {
    std::printf("%.1f %% %s\n", percent < 0 ? -percent : percent, percent < 0 ? "faster" : "slower");
  }
}

// ---- for programs

json::object JsonOf(const Interval& it) { return {{"median", it.middle}, {"low", it.low}, {"high", it.high}}; }

json::object JsonOf(const SubjectNumbers& it) {
  json::array callbacks, host_calls;
  for (const CallbackNumbers& row : it.callbacks) {
    callbacks.push_back(json::object{{"name", row.name}, {"per_request", row.per_request}, {"calls", row.us.count}, {"median_us", row.us.median},
                                     {"p99_us", row.us.p99}, {"mean_us", row.us.mean}, {"max_us", row.us.max}});
  }
  for (const HostCallNumbers& row : it.host_calls) host_calls.push_back(json::object{{"name", row.name}, {"per_request", row.per_request}});
  return {{"file", it.name}, {"wasm_bytes", it.wasm_bytes}, {"code_bytes", it.code_bytes}, {"compile_ms", it.compile_ms}, {"start_ms", it.start_ms},
          {"status", it.status}, {"local_response", it.local}, {"requests", it.requests}, {"request_us", JsonOf(it.us)}, {"callbacks", std::move(callbacks)},
          {"host_calls", std::move(host_calls)}, {"host_calls_per_request", it.host_calls_per_request},
          {"allocations_per_request", it.allocations_per_request}, {"allocated_bytes_per_request", it.allocated_bytes_per_request},
          {"memory_bytes", json::object{{"start", it.memory_bytes_start}, {"end", it.memory_bytes_end}}}};
}

void PrintJson(const BenchReport& report) {
  json::object all{{"plugin", JsonOf(report.subject)}, {"without_plugin_us", JsonOf(report.embedder_us)}};
  if (report.against) {
    all["against"] = JsonOf(*report.against);
    all["ratio"] = JsonOf(report.ratio);
  }
  if (report.profile_samples != 0) all["profile_samples"] = report.profile_samples;
  std::printf("%s\n", json::serialize(all).c_str());
}

bool WriteText(const std::string& path, const std::string& text) {
  if (path.empty()) return true;
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) PrintError("cannot write " + path);
  return bool(out);
}

}  // namespace

int Bench(const BenchRequest& request) {
  auto plan = PlanOf(request);
  if (!plan) return PrintError(plan.error().message), kExitUsage;
  Progress progress;
  plan->progress = [&](double share, std::string_view what) { progress.Show(share, what); };
  const auto report = RunBench(*plan);
  progress.Clear();
  if (!report) {
    const bool failed = report.error().code == ErrorCode::kTrapped || report.error().code == ErrorCode::kRefused;
    return PrintError(report.error().message), failed ? kExitFailed : kExitUsage;
  }
  if (request.json) {
    PrintJson(*report);
  } else {
    PrintSubject(report->subject, report->embedder_us);
    if (report->against) {
      PrintSubject(*report->against, report->embedder_us);
      PrintRatio(*report);
    }
  }
  if (!WriteText(request.folded, FoldedStacks(report->profile))) return kExitUsage;
  if (request.flame.empty()) return 0;
  if (!WriteText(request.flame, FlameGraph(report->profile, report->subject.name))) return kExitUsage;
  std::fflush(stdout);
  Note("flame graph of " + std::to_string(report->profile_samples) + " samples: " + request.flame + " (open it in a browser)");
  return 0;
}

}  // namespace weir::cli
