#include "cli/test.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>

#include "cli/terminal.h"

namespace weir::cli {
namespace {

namespace json = boost::json;
using suite::CaseReport;
using suite::Failure;
using suite::Report;

constexpr int kExitFailed = 1, kExitBadInput = 2;
constexpr std::string_view kResults[] = {"passed", "failed", "skipped"};

/// Bytes that a terminal, JSON and XML can show: what is no UTF-8, and control characters but tab and newline, become "?".
std::string Shown(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    bool good = length > 0 && i + length <= text.size() && (c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f;
    for (size_t j = 1; good && j < length; ++j) good = (static_cast<unsigned char>(text[i + j]) & 0xc0) == 0x80;
    if (good && length == 3) {  // no surrogates, none of the two that XML excludes, no longer spelling of a shorter one
      const auto second = static_cast<unsigned char>(text[i + 1]), third = static_cast<unsigned char>(text[i + 2]);
      good = !(c == 0xe0 && second < 0xa0) && !(c == 0xed && second >= 0xa0) && !(c == 0xef && second == 0xbf && third >= 0xbe);
    }
    if (good && length == 4) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      good = !(c == 0xf0 && second < 0x90) && !(c == 0xf4 && second >= 0x90);
    }
    if (good) {
      out.append(text.substr(i, length));
      i += length;
    } else {
      out += '?';
      ++i;
    }
  }
  return out;
}

std::string TextOf(const Failure& failure) { return "[" + failure.phase + "] " + failure.text; }

void PrintCase(const CaseReport& one, bool verbose) {
  const Painter paint(STDOUT_FILENO);
  const bool failed = one.result == CaseReport::Result::kFailed;
  if (!failed && !verbose) return;
  const std::string on(paint.On(failed ? Style::kRed : Style::kGreen)), off(paint.Off());
  std::printf("%s%s%s %s:%d: %s%s%s%s\n", on.c_str(), failed ? "FAIL" : "ok  ", off.c_str(), Shown(one.suite).c_str(), one.line, Shown(one.name).c_str(),
              one.plugin.empty() ? "" : " (", Shown(one.plugin).c_str(), one.plugin.empty() ? "" : ")");
  for (const Failure& failure : one.failures) std::printf("  %s\n", Shown(TextOf(failure)).c_str());
  if (!failed || !verbose) return;
  for (const std::string& line : one.log) std::printf("  log: %s\n", Shown(line).c_str());
}

json::object JsonOf(const CaseReport& one) {
  json::array failures;
  for (const Failure& failure : one.failures) failures.push_back(json::object{{"phase", Shown(failure.phase)}, {"text", Shown(failure.text)}});
  json::object out{{"suite", Shown(one.suite)}, {"line", one.line},           {"plugin", Shown(one.plugin)},
                   {"name", Shown(one.name)},   {"result", kResults[size_t(one.result)]}, {"seconds", one.seconds},
                   {"failures", std::move(failures)}};
  json::array log;
  for (const std::string& line : one.log) log.push_back(json::string(Shown(line)));
  out["log"] = std::move(log);
  return out;
}

void PrintJson(const Report& report) {
  json::array cases;
  for (const CaseReport& one : report.cases) cases.push_back(JsonOf(one));
  const json::object all{{"passed", report.passed}, {"failed", report.failed}, {"skipped", report.skipped}, {"seconds", report.seconds}, {"cases", std::move(cases)}};
  std::printf("%s\n", json::serialize(all).c_str());
}

// ---- JUnit: one testsuite for each suite with its plugin ----------------------------------------------------------------------
std::string Xml(std::string_view text) {
  std::string out;
  for (char c : Shown(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n': out += "&#10;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", seconds);
  return text;
}

std::string JunitOf(const Report& report) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"" + std::to_string(report.cases.size()) + "\" failures=\"" +
                    std::to_string(report.failed) + "\" skipped=\"" + std::to_string(report.skipped) + "\" time=\"" + Seconds(report.seconds) + "\">\n";
  for (size_t i = 0; i < report.cases.size();) {
    size_t end = i, failed = 0, skipped = 0;
    std::string cases;
    const CaseReport& first = report.cases[i];
    for (; end < report.cases.size() && report.cases[end].suite == first.suite && report.cases[end].plugin == first.plugin; ++end) {
      const CaseReport& one = report.cases[end];
      cases += "    <testcase name=\"" + Xml(one.name) + "\" classname=\"" + Xml(one.suite) + "\" file=\"" + Xml(one.suite) + "\" line=\"" +
               std::to_string(one.line) + "\" time=\"" + Seconds(one.seconds) + "\"";
      if (one.result == CaseReport::Result::kPassed) {
        cases += "/>\n";
        continue;
      }
      cases += ">\n";
      if (one.result == CaseReport::Result::kSkipped) cases += "      <skipped/>\n", ++skipped;
      if (one.result == CaseReport::Result::kFailed) ++failed;
      for (const Failure& failure : one.failures)
        cases += "      <failure message=\"" + Xml(TextOf(failure).substr(0, TextOf(failure).find('\n'))) + "\">" + Xml(TextOf(failure)) + "</failure>\n";
      cases += "    </testcase>\n";
    }
    out += "  <testsuite name=\"" + Xml(first.suite) + "\" tests=\"" + std::to_string(end - i) + "\" failures=\"" + std::to_string(failed) + "\" skipped=\"" +
           std::to_string(skipped) + "\">\n    <properties><property name=\"plugin\" value=\"" + Xml(first.plugin) + "\"/></properties>\n" + cases +
           "  </testsuite>\n";
    i = end;
  }
  return out + "</testsuites>\n";
}

/// False: it could not be written, and that was said.
bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  const bool good = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = file == nullptr || std::fclose(file) == 0;
  if (!good || !closed) PrintError("--junit " + path + ": it cannot be written; give a path in a directory that is there and yours");
  return good && closed;
}

}  // namespace

int Test(const TestRequest& request) {
  const auto report = suite::RunSuites(request.options, [&](const CaseReport& one) {
    if (!request.json) PrintCase(one, request.verbose);
  });
  if (!report) {
    const std::string faults = Shown(report.error().message);
    for (size_t begin = 0; begin < faults.size();) {
      const size_t end = std::min(faults.find('\n', begin), faults.size());
      PrintError(faults.substr(begin, end - begin));
      begin = end + 1;
    }
    return kExitBadInput;
  }
  const bool written = request.junit.empty() || WriteFile(request.junit, JunitOf(*report));
  if (request.json) {
    PrintJson(*report);
  } else {
    std::printf("%zu passed, %zu failed, %zu skipped\n", report->passed, report->failed, report->skipped);
  }
  if (!written) return kExitBadInput;
  return report->failed == 0 ? 0 : kExitFailed;
}

}  // namespace weir::cli
