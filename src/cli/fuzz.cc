#include "cli/fuzz.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/log_text.h"
#include "cli/plugin_flags.h"
#include "cli/progress.h"
#include "cli/request.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "fuzz/found.h"
#include "scenario/text.h"

namespace weir::cli {
namespace {

namespace json = boost::json;
using namespace fuzz;

constexpr int kExitFound = 1, kExitUsage = 2;
constexpr double kSeconds = 60;
constexpr uint32_t kTimeoutMs = 250;  // of a callback, where --timeout says nothing: five times that of production, since machines are busy
constexpr size_t kLineBytesMax = 400;
constexpr uint64_t kBodyBytesMax = 16 << 20;

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string OutOf(const FuzzRequest& request) {
  return request.out.empty() ? std::filesystem::path(request.file).stem().string() + ".fuzz.textpb" : request.out;
}
bool IsYaml(const std::string& path) { return path.ends_with(".yaml") || path.ends_with(".yml"); }

/// Asked before the time is spent: whether it can be written, and is not a suite that somebody wrote.
Result<void> CheckOut(const std::string& path) {
  std::error_code fault;
  if (std::filesystem::exists(path, fault)) {
    std::string first;
    std::ifstream old(path);
    std::getline(old, first);
    if (!first.empty() && !first.starts_with(kMark)) return Invalid("--out " + path + ": it is there, and not of weir fuzz: give it another name");
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (access(folder.empty() ? "." : folder.c_str(), W_OK) != 0 || std::filesystem::is_directory(path, fault))
    return Invalid("--out " + path + ": it cannot be written; give a path in a directory that is there and yours");
  return {};
}

Result<FuzzOptions> FuzzOptionsOf(const FuzzRequest& request) {
  FuzzOptions options;
  RequestOptions given;
  given.plugins = {{.name = "test", .file = AbsolutePath(request.file), .options = OptionsOf(request.options)}};
  WEIR_TRY(RequestPlan plan, PlanRequest(given));
  options.spec = std::move(plan.plugins.front());
  options.spec.path = request.file;
  const auto& all = given.plugins.front().options;
  const auto is = [](std::string_view name) { return [name](const auto& option) { return option.first == name; }; };
  if (std::none_of(all.begin(), all.end(), is("timeout"))) options.spec.limits.callback_ms = kTimeoutMs;
  for (const auto& [name, value] : all)
    if (!name.starts_with("config")) options.options.push_back(name + "=" + value);
  options.cache = CodeCache::Default();
  options.seed = request.seed;
  options.runs_max = request.runs;
  options.seconds_max = request.runs == 0 ? kSeconds : 0;
  options.jobs = request.jobs;
  options.findings_max = request.findings_max;
  options.tcp = request.tcp;
  if (!request.time.empty()) {
    const auto ms = scenarios::Milliseconds(request.time);
    if (!ms || *ms == 0) return Invalid("--time " + request.time + ": wants a time such as 30s or 10m");
    options.seconds_max = *ms / 1000.0;
  }
  if (!request.body_max.empty()) {
    const auto bytes = scenarios::Size(request.body_max);
    if (!bytes || *bytes == 0 || *bytes > kBodyBytesMax) return Invalid("--max-body " + request.body_max + ": wants a size from 1 to 16m, such as 64k");
    options.body_bytes_max = *bytes;
  }
  for (const std::string& path : request.corpus) {
    auto inputs = ReadCorpus(path);
    if (!inputs) return Invalid("--corpus " + path + ": " + inputs.error().message);
    options.corpus.insert(options.corpus.end(), inputs->begin(), inputs->end());
  }
  WEIR_TRY_VOID(CheckOut(OutOf(request)));
  return options;
}

/// Line by line as text that JSON and a terminal take.
std::string Shown(const std::string& text) {
  std::string out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out += (begin == 0 ? "" : "\n") + LogText(std::string_view(text).substr(begin, end - begin), kLineBytesMax);
    begin = end + 1;
  }
  return out;
}

std::string ProgressText(const FuzzProgress& it) {
  char text[128];
  const double rate = it.seconds > 0 ? double(it.runs) / it.seconds : 0;
  std::snprintf(text, sizeof text, "%llu runs, %.0f/s, %zu kept, %zu found%s", static_cast<unsigned long long>(it.runs), rate, it.kept, it.findings, it.shrinking ? ", shrinking" : "");
  return text;
}

void Print(const FuzzReport& report, const std::string& out, const std::string& file) {
  const Painter paint(STDOUT_FILENO);
  for (const Finding& finding : report.findings) {
    std::printf("%sFOUND%s %s\n", std::string(paint.On(Style::kRed)).c_str(), std::string(paint.Off()).c_str(), Shown(finding.test.name()).c_str());
    const std::string detail = Shown(finding.fault.detail);
    for (size_t begin = detail.find('\n'); begin != detail.npos;) {
      const size_t end = detail.find('\n', begin + 1);
      std::printf("    %s\n", detail.substr(begin + 1, end == detail.npos ? end : end - begin - 1).c_str());
      begin = end;
    }
    std::printf("    run %llu, %llu times; its case shrank from %zu to %zu bytes in %llu runs%s\n", static_cast<unsigned long long>(finding.run), static_cast<unsigned long long>(finding.times),
                finding.bytes_before, finding.bytes_after, static_cast<unsigned long long>(finding.shrink_runs),
                finding.reproduced ? "" : "; it did not fail when it was run again");
  }
  std::printf("%llu runs in %.1f s (%.0f a second), %zu behaviours, %zu inputs kept: %zu found\n", static_cast<unsigned long long>(report.runs), report.seconds,
              report.seconds > 0 ? double(report.runs) / report.seconds : 0, report.features, report.kept, report.findings.size());
  if (!report.findings.empty()) std::printf("weir test --plugin %s --suite %s\n", Printable(file).c_str(), Printable(out).c_str());
}

void PrintJson(const FuzzReport& report, const std::string& out) {
  json::array findings;
  for (const Finding& finding : report.findings) {
    findings.push_back(json::object{{"property", Name(finding.fault.property)}, {"name", Shown(finding.test.name())}, {"title", Shown(finding.fault.title)},
                                    {"detail", Shown(finding.fault.detail)}, {"run", finding.run}, {"times", finding.times}, {"shrink_runs", finding.shrink_runs},
                                    {"bytes_before", finding.bytes_before}, {"bytes_after", finding.bytes_after}, {"reproduced", finding.reproduced}});
  }
  json::object all{{"runs", report.runs}, {"seconds", report.seconds}, {"shrink_runs", report.shrink_runs}, {"behaviours", report.features}, {"kept", report.kept}, {"findings", std::move(findings)}};
  if (!report.findings.empty()) all["suite"] = Shown(out);
  std::printf("%s\n", json::serialize(all).c_str());
}

}  // namespace

int Fuzz(const FuzzRequest& request) {
  const auto options = FuzzOptionsOf(request);
  if (!options) return PrintError(options.error().message), kExitUsage;
  Progress progress;
  const auto report = fuzz::Fuzz(*options, [&](const FuzzProgress& now) {
    const double by_time = options->seconds_max > 0 ? now.seconds / options->seconds_max : 0;
    const double by_runs = options->runs_max > 0 ? double(now.runs) / double(options->runs_max) : 0;
    progress.Show(std::max(by_time, by_runs), ProgressText(now));
  });
  progress.Clear();
  if (!report) return PrintError(report.error().message), kExitUsage;
  const std::string out = OutOf(request);
  if (!report->findings.empty()) {
    const std::string command = "weir fuzz " + std::filesystem::path(request.file).filename().string() + " --seed " + std::to_string(request.seed) + " --runs " + std::to_string(report->runs);
    std::ofstream file(out, std::ios::binary);
    file << SuiteOf(*report, command, IsYaml(out));
    file.close();
    if (!file) return PrintError("--out " + out + ": it cannot be written; give a path in a directory that is there and yours"), kExitUsage;
  }
  request.json ? PrintJson(*report, out) : Print(*report, out, request.file);
  return report->findings.empty() ? 0 : kExitFound;
}

}  // namespace weir::cli
