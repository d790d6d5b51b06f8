// The command `weir check`: flags, files, and how findings are shown.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "cli/check.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "scenario/text.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

constexpr int kExitFindings = 1, kExitBadInput = 2;
constexpr size_t kDetailsShown = 4;

Style StyleOf(Severity severity) { return severity == Severity::kError ? Style::kRed : severity == Severity::kWarning ? Style::kYellow : Style::kDim; }

std::string Counted(size_t count, std::string_view what) { return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s"); }

std::string Summary(const CheckReport& report) {
  return Counted(report.count(Severity::kError), "error") + ", " + Counted(report.count(Severity::kWarning), "warning") + ", " +
         Counted(report.count(Severity::kNote), "note");
}

std::string Details(const Finding& finding, bool all) {
  std::string text;
  const size_t shown = all ? finding.details.size() : std::min(finding.details.size(), kDetailsShown);
  for (size_t i = 0; i < shown; ++i) text += (i == 0 ? ": " : "; ") + Printable(finding.details[i]);
  if (shown < finding.details.size()) text += " and " + std::to_string(finding.details.size() - shown) + " more (--json lists them)";
  return text;
}

/// What to change, by language: of the plugin's own, of every one when that cannot be told.
std::vector<std::pair<std::string_view, std::string_view>> FixesOf(const CheckReport& report, const CheckRow& row) {
  std::vector<std::pair<std::string_view, std::string_view>> fixes;
  const Language own = report.inspection.language;
  for (size_t i = 0; i < kLanguages; ++i) {
    const auto language = Language(i + 1);
    if (!row.fixes[i].empty() && (own == Language::kUnknown || own == language)) fixes.emplace_back(LanguageName(language), row.fixes[i]);
  }
  if (!row.fix.empty()) fixes.insert(fixes.begin(), {"", row.fix});
  return fixes;
}

std::string Head(const CheckReport& report) {
  const Inspection& in = report.inspection;
  std::string text = in.family.empty() ? "no plugin of a known kind" : in.family + (in.versions.empty() ? "" : " ABI " + Join(in.versions));
  if (!in.sdk.empty()) text += ", " + in.sdk;
  text += ", " + BytesText(in.module.file_bytes);
  if (report.compile_ms) text += ", compiled in " + std::to_string(*report.compile_ms) + " ms of CPU time to " + BytesText(report.native_bytes);
  return text;
}

void PrintTable(bool json) {
  boost::json::array rows;
  for (const CheckRow& row : CheckRows()) {
    if (!json) {
      std::printf("%-22s %-8s %s\n", std::string(row.name).c_str(), std::string(SeverityName(row.severity)).c_str(), std::string(row.what).c_str());
      continue;
    }
    boost::json::object fixes;
    if (!row.fix.empty()) fixes["any"] = row.fix;
    for (size_t i = 0; i < kLanguages; ++i)
      if (!row.fixes[i].empty()) fixes[LanguageName(Language(i + 1))] = row.fixes[i];
    rows.push_back(boost::json::object{{"id", row.name}, {"severity", SeverityName(row.severity)}, {"what", row.what}, {"fix", std::move(fixes)}});
  }
  if (json) std::printf("%s\n", boost::json::serialize(boost::json::object{{"checks", std::move(rows)}}).c_str());
}

Result<CheckLimits> LimitsOf(const CheckRequest& request) {
  CheckLimits limits;
  PluginSpec spec;
  const auto option = [&](std::string_view flag, std::string_view key, const std::string& value) -> Result<void> {
    if (value.empty()) return {};
    const std::string wrong = scenarios::SetPluginOption(&spec, key, value);
    if (wrong.empty()) return {};
    return Error{ErrorCode::kInvalidArgument, std::string(flag) + " " + value + ": " + wrong};
  };
  WEIR_TRY_VOID(option("--memory", "memory", request.memory));
  WEIR_TRY_VOID(option("--statuses", "statuses", request.statuses));
  limits.memory_bytes = spec.limits.memory_bytes;
  limits.statuses = spec.statuses;
  if (!request.max_size.empty()) {
    const auto size = scenarios::Size(request.max_size);
    if (!size) return Error{ErrorCode::kInvalidArgument, "--max-size " + request.max_size + ": wants a size such as 4m"};
    limits.size_bytes = *size;
  }
  if (!request.max_compile.empty()) {
    const auto time_ms = scenarios::Milliseconds(request.max_compile);
    if (!time_ms)
      return Error{ErrorCode::kInvalidArgument, "--max-compile " + request.max_compile + ": wants a time such as 500ms or 5s"};
    limits.compile_ms = *time_ms;
  }
  return limits;
}

/// The exit code of one file.
int CheckFile(const std::string& file, const CheckRequest& request, const CheckLimits& limits) {
  const auto bad = [&](const Error& error) {
    if (request.json)
      std::printf("%s\n", boost::json::serialize(boost::json::object{{"file", file}, {"ok", false}, {"error", error.message}, {"findings", boost::json::array()}}).c_str());
    std::fflush(stdout);
    PrintError(error.message);
    return kExitBadInput;
  };
  const Result<std::string> bytes = ReadFile(file);
  if (!bytes) return bad(bytes.error());
  Result<CheckReport> report = CheckModuleBytes(*bytes, file, limits);
  if (!report) return bad(report.error());
  const bool long_enough = bytes->size() > (1u << 20) && isatty(STDERR_FILENO) == 1;
  if (!request.no_compile && long_enough) std::fprintf(stderr, "compiling %s …", Printable(file).c_str());
  if (!request.no_compile) CheckCompiled(*report, *bytes, limits);
  if (!request.no_compile && long_enough) std::fputs("\r\033[K", stderr);
  const bool passed = report->count(Severity::kError) == 0 && !(request.strict && report->count(Severity::kWarning) > 0);
  const std::string text = request.json ? CheckJson(*report, passed) : CheckText(*report, request.fix, Painter(STDOUT_FILENO).enabled);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return passed ? 0 : kExitFindings;
}

}  // namespace

std::string CheckText(const CheckReport& report, bool fix, bool colour) {
  Painter paint(-1);
  paint.enabled = colour;
  const auto painted = [&](Style style, const std::string& text) { return std::string(paint.On(style)) + text + std::string(paint.Off()); };
  std::string out = painted(Style::kBold, Printable(report.inspection.file)) + ": " + Printable(Head(report)) + "\n";
  for (const Finding& finding : report.findings) {
    const CheckRow& row = RowOf(finding.id);
    out += "  " + painted(StyleOf(row.severity), Padded(SeverityName(row.severity), 8)) + Padded(row.name, 21) + " " +
           (finding.subject.empty() ? "" : Printable(finding.subject) + ": ") + Printable(finding.message) + Details(finding, false) + "\n";
    if (!fix) continue;
    for (const auto& [language, text] : FixesOf(report, row)) {
      out += "          " + painted(Style::kGreen, "fix") + (language.empty() ? "" : " (" + std::string(language) + ")") + ": " + std::string(text) + "\n";
    }
  }
  const bool loads = report.count(Severity::kError) == 0;
  return out + painted(loads ? Style::kGreen : Style::kRed, Summary(report)) + (fix || report.findings.empty() ? "" : "  (--fix says what to change)") + "\n";
}

std::string CheckJson(const CheckReport& report, bool passed) {
  const Inspection& in = report.inspection;
  boost::json::object out{{"file", in.file}, {"ok", passed}, {"error", nullptr}, {"bytes", in.module.file_bytes}};
  out["family"] = in.family.empty() ? boost::json::value(nullptr) : boost::json::value(in.family);
  out["abi_versions"] = boost::json::array(in.versions.begin(), in.versions.end());
  out["sdk"] = in.sdk.empty() ? boost::json::value(nullptr) : boost::json::value(in.sdk);
  out["compile_ms"] = report.compile_ms ? boost::json::value(*report.compile_ms) : boost::json::value(nullptr);
  out["native_bytes"] = report.compile_ms ? boost::json::value(report.native_bytes) : boost::json::value(nullptr);
  out["errors"] = report.count(Severity::kError);
  out["warnings"] = report.count(Severity::kWarning);
  out["notes"] = report.count(Severity::kNote);
  boost::json::array findings;
  for (const Finding& finding : report.findings) {
    const CheckRow& row = RowOf(finding.id);
    boost::json::object fixes;
    for (const auto& [language, text] : FixesOf(report, row)) fixes[language.empty() ? "any" : language] = text;
    findings.push_back(boost::json::object{{"id", row.name},
                                           {"severity", SeverityName(row.severity)},
                                           {"subject", finding.subject},
                                           {"message", finding.message},
                                           {"details", boost::json::array(finding.details.begin(), finding.details.end())},
                                           {"fix", std::move(fixes)}});
  }
  out["findings"] = std::move(findings);
  return boost::json::serialize(out) + "\n";
}

int Check(const CheckRequest& request) {
  if (request.list) return PrintTable(request.json), 0;
  const Result<CheckLimits> limits = LimitsOf(request);
  if (!limits) {
    PrintError(limits.error().message + " (see weir check --help)");
    return kExitBadInput;
  }
  int code = 0;
  for (const std::string& file : request.files) code = std::max(code, CheckFile(file, request, *limits));
  return code;
}

}  // namespace weir::cli
