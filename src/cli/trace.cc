#include "cli/trace.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/sha256.h"
#include "cli/terminal.h"
#include "trace/replay.h"
#include "weir/engine.h"
#include "weir/plugin.h"

namespace weir::cli {
namespace {

using trace::Call;
using trace::Event;
using trace::Record;
using trace::Strings;

constexpr int kDiffers = 1, kBad = 2;
constexpr size_t kShownBytes = 400;  // of one value; --json has all

int Fail(const std::string& message) {
  PrintError(message);
  return kBad;
}

/// One line of it: control characters and what is no ASCII as \xHH, the end of a long one as a count.
std::string Shown(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\n') {
      shown += "\\n";
    } else if (byte >= 0x20 && byte < 0x7f) {
      shown += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", byte);
      shown += hex;
    }
  }
  if (text.size() > kShownBytes) shown += "… (" + std::to_string(text.size()) + " bytes)";
  return shown;
}

std::string TimeOf(uint64_t time_ns) {
  const auto seconds = static_cast<time_t>(time_ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                parts.tm_sec, static_cast<unsigned>(time_ns / 1'000'000 % 1000));
  return text;
}

std::string Painted(const Painter& paint, Style style, std::string_view text) {
  return std::string(paint.On(style)).append(text).append(paint.Off());
}

class Printer {
 public:
  void Print(const Record& record) {
    Styled(Style::kBold, record.kind == "http" ? "request " + record.id : record.kind == "start" ? "start " + record.id : "meanwhile in " + record.start);
    std::printf("  plugin %s  %s", Shown(record.plugin).c_str(), TimeOf(record.time_ns).c_str());
    if (!record.stream.empty()) std::printf("  context %s", record.stream.c_str());
    if (!record.why.empty()) std::printf("  (%s)", record.why == "before_trap" ? "before the trap" : record.why.c_str());
    std::printf("\n");
    for (const Strings& row : record.spec) {
      std::printf("  %s", row[0].c_str());
      for (size_t i = 1; i < row.size(); ++i) std::printf(" %s", Shown(row[i]).c_str());
      std::printf("\n");
    }
    for (const Event& event : record.events) Print(event);
    if (record.cut) Styled(Style::kYellow, "  more happened than there was room for (stream= of weir_record)\n");
    std::printf("\n");
  }

 private:
  void Styled(Style style, const std::string& text) { std::fputs(Painted(paint_, style, text).c_str(), stdout); }
  void Print(const Event& event) {
    std::printf("  %s", event.name.c_str());
    const bool answer = event.name == "http_answer";
    for (size_t i = 0; i < event.args.size(); ++i) {
      if (!answer || i < 1) std::printf(" %s", Shown(event.args[i]).c_str());
    }
    std::printf("\n");
    if (answer) Pairs(event.args, 4);
    for (const Strings& given : event.given) {
      std::printf("    %s\n", given[0].c_str());
      if (given[0].ends_with("_body")) {
        if (given.size() > 2) std::printf("      %s%s\n", given[1] == "0" ? "" : ("… " + given[1] + " bytes it held, and ").c_str(), Shown(given[2]).c_str());
      } else {
        Pairs(given, 1);
      }
    }
    for (const Call& call : event.calls) {
      const bool effect = trace::IsEffect(call.words[0]);
      std::string line = "    " + call.words[0];
      for (size_t i = 1; i < call.words.size(); ++i) line += " " + (call.words[i].empty() ? "\"\"" : Shown(call.words[i]));
      Styled(effect ? Style::kGreen : Style::kDim, line);
      if (!call.answer.empty()) {
        std::string text = " =";
        for (const std::string& one : call.answer) text += " " + (one.empty() ? "\"\"" : Shown(one));
        Styled(Style::kDim, text);
      } else if (!effect) {
        Styled(Style::kDim, " = nothing");
      }
      std::printf("\n");
    }
    if (event.result.empty()) return;
    Styled(event.result == "failed" ? Style::kRed : Style::kBold, "  -> " + event.result);
    std::printf("\n");
    for (size_t at = 0; at < event.error.size();) {
      const size_t end = std::min(event.error.find('\n', at), event.error.size());
      std::printf("     %s\n", Shown(std::string_view(event.error).substr(at, end - at)).c_str());
      at = end + 1;
    }
  }
  static void Pairs(const Strings& strings, size_t first) {
    for (size_t i = first; i + 1 < strings.size(); i += 2) std::printf("      %s: %s\n", Shown(strings[i]).c_str(), Shown(strings[i + 1]).c_str());
  }
  Painter paint_{STDOUT_FILENO};
};

/// "auth=new.wasm" names a plugin where one of that name is recorded; else all of it is a file.
std::string FileFor(const TraceRequest& request, const std::string& plugin, const std::vector<std::string>& names) {
  std::string file;
  for (const std::string& given : request.plugins) {
    const size_t equals = given.find('=');
    const std::string name = given.substr(0, equals);
    const bool named = equals != given.npos && std::find(names.begin(), names.end(), name) != names.end();
    if (!named && file.empty()) file = given;
    if (named && name == plugin) file = given.substr(equals + 1);
  }
  return file;
}

std::string Value(const Record& start, std::string_view name) {
  for (const Strings& row : start.spec) {
    if (row[0] == name && row.size() > 1) return row[1];
  }
  return {};
}

/// Plays one plugin of the records.
class Play {
 public:
  Play(const TraceRequest& request, const std::vector<Record>& records, std::string plugin, std::string file)
      : request_(request), records_(records), plugin_(std::move(plugin)), file_(std::move(file)) {}
  int Run() {
    if (const Result<void> loaded = Load(); !loaded) return Fail(loaded.error().message);
    const auto make = [&](const PluginSpec& spec, Host& host) { return Make(spec, host); };
    const Result<trace::ReplayOutcome> outcome = trace::Replay(records_, plugin_, make, {request_.ignore});
    if (!outcome) return Fail(outcome.error().message);
    return Report(*outcome);
  }

 private:
  Result<void> Load() {
    const Record* start = nullptr;
    for (const Record& record : records_) {
      if (record.plugin == plugin_ && record.kind == "start") start = &record;
    }
    if (start == nullptr) return Error{ErrorCode::kNotFound, request_.file + ": the start of plugin \"" + plugin_ + "\" is not in it, so it cannot be played"};
    const bool same = file_.empty();
    if (same) file_ = Value(*start, "path");
    WEIR_TRY(const std::string bytes, ReadFile(file_));
    if (same && Value(*start, "sha256") != Hex(Sha256({bytes}))) PrintWarning(file_ + " is not the file that was recorded: it has changed since");
    if (!request_.configuration.empty()) {
      WEIR_TRY(configuration_, ReadFile(request_.configuration));
    }
    WEIR_TRY(engine_, Engine::Create({.pooling = false}));
    WEIR_TRY(const Engine::Loaded loaded, engine_->Load(bytes, file_, CodeCache::Default()));
    module_ = loaded.module;
    return {};
  }
  Result<std::unique_ptr<Plugin>> Make(PluginSpec spec, Host& host) {
    if (!request_.configuration.empty()) spec.configuration = configuration_;
    return LoadPlugin(*engine_, module_, std::move(spec), host);
  }
  int Report(const trace::ReplayOutcome& outcome) {
    const Painter paint(STDOUT_FILENO);
    if (outcome.without_start != 0) PrintWarning(std::to_string(outcome.without_start) + " records of \"" + plugin_ + "\" have no start in the file, and were left out");
    if (outcome.cut != 0) PrintWarning(std::to_string(outcome.cut) + " requests of \"" + plugin_ + "\" are cut: what they went on with is not known (stream= of weir_record)");
    std::printf("%s: %zu requests, %zu events played against %s\n", Shown(plugin_).c_str(), outcome.requests, outcome.events, Shown(file_).c_str());
    if (!outcome.difference) {
      std::printf("%s\n", Painted(paint, Style::kGreen, "no difference").c_str());
      return 0;
    }
    const trace::Difference& difference = *outcome.difference;
    const auto show = [](const std::string& text) { return text.empty() ? "(nothing more)" : Shown(text); };
    std::printf("%s: %s, event %llu: %s\n  recorded  %s\n  now       %s\n", Painted(paint, Style::kRed, "first difference").c_str(),
                Shown(difference.record).c_str(), static_cast<unsigned long long>(difference.number), difference.event.c_str(), show(difference.recorded).c_str(),
                show(difference.now).c_str());
    if (difference.after_redacted) std::printf("  The plugin was shown values that are redacted in the record: it may be these.\n");
    return kDiffers;
  }

  const TraceRequest& request_;
  const std::vector<Record>& records_;
  const std::string plugin_;
  std::string file_, configuration_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Module> module_;
};

int PlayAll(const TraceRequest& request, const std::vector<Record>& records, const std::vector<std::string>& names) {
  int code = 0;
  const bool unnamed = std::any_of(request.plugins.begin(), request.plugins.end(), [&](const std::string& given) {
    return std::find(names.begin(), names.end(), given.substr(0, given.find('='))) == names.end() || given.find('=') == given.npos;
  });
  if (unnamed && names.size() > 1) {
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    return Fail("several plugins are recorded (" + all + "): say which with --of NAME, or --plugin NAME=FILE.wasm");
  }
  for (const std::string& name : names) {
    const std::string file = FileFor(request, name, names);
    if (file.empty() && !request.plugins.empty()) continue;
    code = std::max(code, Play(request, records, name, file).Run());
  }
  return code;
}

}  // namespace

int Trace(const TraceRequest& request) {
  const Result<std::string> text = ReadFile(request.file);
  if (!text) return Fail(text.error().message);
  std::vector<std::string> problems;
  const Result<std::vector<Record>> parsed = ParseTrace(*text, request.file, &problems);
  if (!parsed) return Fail(parsed.error().message);
  for (const std::string& problem : problems) PrintWarning(problem);
  std::vector<Record> records;
  std::vector<std::string> names;
  for (const Record& record : *parsed) {
    if (!request.of.empty() && record.plugin != request.of) continue;
    records.push_back(record);
    if (std::find(names.begin(), names.end(), record.plugin) == names.end()) names.push_back(record.plugin);
  }
  if (records.empty()) return Fail(request.file + ": nothing of a plugin \"" + request.of + "\" is recorded in it");
  if (request.replay || !request.plugins.empty()) return PlayAll(request, records, names);
  bool found = false;
  for (const Record& record : records) {
    if (!request.id.empty() && record.id != request.id) continue;
    found = true;
    if (request.json) {
      std::fputs(trace::ToLine(record).c_str(), stdout);
    } else {
      Printer().Print(record);
    }
  }
  return found ? 0 : Fail(request.file + ": no record has the id \"" + request.id + "\"");
}

}  // namespace weir::cli
