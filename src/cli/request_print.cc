// How `weir request` shows what became of a request, for people.
#include <algorithm>

#include "base/log_text.h"
#include "base/wasm_cursor.h"
#include "cli/request.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace weir::cli {
namespace {

constexpr size_t kNameWidth = 24, kValueMax = 400;
constexpr size_t kBodyBytesMax = 64 << 10, kBodyLinesMax = 60;  // longer bodies are described

std::string Value(std::string_view value) {
  std::string text = LogText(value.substr(0, kValueMax), 4 * kValueMax);
  if (value.size() > kValueMax) text += "… (" + std::to_string(value.size()) + " bytes)";
  return text;
}

bool Printed(std::string_view body) {
  if (body.size() > kBodyBytesMax || !IsUtf8(body)) return false;
  return std::all_of(body.begin(), body.end(), [](unsigned char c) { return c >= 0x20 || c == '\n' || c == '\r' || c == '\t'; });
}

struct NamedValues {
  std::string name;
  std::vector<std::string> before, after;
};
/// Both lists by name, in order of first mention.
std::vector<NamedValues> ByName(const HeaderList& before, const HeaderList& after) {
  std::vector<NamedValues> rows;
  const auto row = [&](const std::string& name) -> NamedValues& {
    for (NamedValues& known : rows)
      if (known.name == name) return known;
    return rows.emplace_back(NamedValues{name, {}, {}});
  };
  for (const auto& [name, value] : before) row(name).before.push_back(value);
  for (const auto& [name, value] : after) row(name).after.push_back(value);
  return rows;
}

std::string ValueOf(const HeaderList& headers, std::string_view name) { return JoinedValues(headers, name).value_or(""); }

class Text {
 public:
  Text(const RequestReport& report, const RequestShow& show) : report_(report), show_(show), paint_(-1) { paint_.enabled = show.colour; }

  std::string Write() {
    if (show_.explain) Explain();
    if (!report_.sent.headers.empty()) {
      RequestPart();
      ResponsePart();
    }
    Calls();
    Logs();
    for (const std::string& effect : report_.effects) Section("effects", effect);
    Plugins();
    for (const std::string& hint : RequestHints(report_)) Section("hints", Printable(hint));
    return out_;
  }

 private:
  std::string Paint(Style style, const std::string& text) const { return std::string(paint_.On(style)) + text + std::string(paint_.Off()); }
  void Line(const std::string& text) { out_ += text + "\n"; }
  void Title(const std::string& text, const std::string& more) { Line(Paint(Style::kBold, text) + (more.empty() ? "" : "  " + more)); }
  /// `line` under a title that is written once.
  void Section(const std::string& title, const std::string& line) {
    if (section_ != title) Title(title, "");
    section_ = title;
    Line("  " + line);
  }

  // ---- messages ----------------------------------------------------------------------------------------------------------
  void Change(char mark, const std::string& name, const std::string& value) {
    const Style style = mark == '+' ? Style::kGreen : mark == '-' ? Style::kRed : Style::kYellow;
    const std::string line = std::string(1, mark) + " " + Padded(Printable(name), kNameWidth) + " " + value;
    Line("  " + (mark == ' ' ? line : Paint(style, line)));
  }
  void Headers(const HeaderList& before, const HeaderList& after) {
    for (const NamedValues& row : ByName(before, after)) {
      if (row.before == row.after) {
        for (const std::string& value : row.before) Change(' ', row.name, Value(value));
      } else if (row.before.size() == 1 && row.after.size() == 1) {
        Change('~', row.name, Value(row.before[0]) + " -> " + Value(row.after[0]));
      } else {
        for (const std::string& value : row.before) Change(std::count(row.after.begin(), row.after.end(), value) > 0 ? ' ' : '-', row.name, Value(value));
        for (const std::string& value : row.after)
          if (std::count(row.before.begin(), row.before.end(), value) == 0) Change('+', row.name, Value(value));
      }
    }
  }
  void BodyLines(const std::vector<std::string>& lines) {
    for (size_t i = 0; i < lines.size() && i < kBodyLinesMax; ++i) {
      const std::string text = "  " + std::string(1, lines[i][0]) + " | " + Value(std::string_view(lines[i]).substr(2));
      Line(lines[i][0] == ' ' ? text : Paint(lines[i][0] == '+' ? Style::kGreen : Style::kRed, text));
    }
    if (lines.size() > kBodyLinesMax) Line("    | … " + std::to_string(lines.size() - kBodyLinesMax) + " more lines");
  }
  void Body(const std::string& before, const std::string& after, bool compared) {
    if (before.empty() && after.empty()) return;
    const std::string size = std::to_string(after.size()) + (after.size() == 1 ? " byte" : " bytes");
    if (!compared || before == after) {
      Line("    body " + size + (compared ? ", unchanged" : "") + (Printed(after) ? "" : ", not shown"));
      std::vector<std::string> lines;
      if (Printed(after)) lines = LineDiff("", after);
      for (std::string& line : lines) line[0] = ' ';
      return BodyLines(lines);
    }
    Line("  " + Paint(Style::kYellow, "~ body " + std::to_string(before.size()) + " -> " + size) + (Printed(before) && Printed(after) ? "" : ", not shown"));
    if (Printed(before) && Printed(after)) BodyLines(LineDiff(before, after));
  }
  void Message(const HttpMessage& before, const HttpMessage& after, bool compared) {
    Headers(compared ? before.headers : after.headers, after.headers);
    Body(before.BodyText(), after.BodyText(), compared);
    const HeaderList trailers = compared ? before.trailers : after.trailers;
    if (!trailers.empty() || !after.trailers.empty()) Line("    trailers");
    Headers(trailers, after.trailers);
  }

  void RequestPart() {
    const bool asked = report_.outcome.upstream.has_value();
    Title("request", ValueOf(report_.sent.headers, ":method") + " " + Value(ValueOf(report_.sent.headers, ":path")) +
                         (asked ? Paint(Style::kDim, "  (the client's, and what the upstream got of it)") : Paint(Style::kDim, "  (did not reach the upstream)")));
    Message(report_.sent, asked ? *report_.outcome.upstream : report_.sent, asked);
  }
  void ResponsePart() {
    using End = StreamOutcome::End;
    const std::string status = ValueOf(report_.outcome.response.headers, ":status");
    if (report_.outcome.end == End::kStuck) {
      Title("response", Paint(Style::kRed, "none: paused for ever" + (report_.paused_by.empty() ? "" : " by " + report_.paused_by)) + Paint(Style::kDim, "  (--wait says how long is waited)"));
      return;
    }
    if (report_.outcome.local) {
      const std::string by = report_.local_by.empty() ? "the failure policy" : report_.local_by;
      Title("response", Paint(Style::kYellow, status + "  local response of " + by) + (report_.local_details.empty() ? "" : ": " + Value(report_.local_details)));
      Message({}, report_.outcome.response, false);
      return;
    }
    if (report_.outcome.end == End::kReset) {
      Title("response", Paint(Style::kRed, "none: the stream was reset"));
      if (status.empty()) return;
    } else {
      Title("response", status + Paint(Style::kDim, "  (the upstream's, and what the client got of it)"));
    }
    Message(report_.given, report_.outcome.response, true);
  }

  // ---- what else happened --------------------------------------------------------------------------------------------------
  void Calls() {
    for (const MadeCall& call : report_.calls) {
      std::string line = (call.number != 0 ? std::to_string(call.number) + " " : "") + call.kind + " " + Value(call.upstream) + " " + Value(call.what);
      if (!call.refused.empty()) {
        line += Paint(Style::kRed, "  refused: " + call.refused);
        if (call.refused == "not_found") line += "  (--answer '" + Value(call.upstream) + "=200 …' says what it answers)";
      }
      for (const std::string& event : call.events) line += "  " + event;
      const bool answered = std::any_of(call.events.begin(), call.events.end(), [](const std::string& e) { return e.starts_with("answer") || e.starts_with("close "); });
      if (call.refused.empty() && !answered) line += Paint(Style::kYellow, "  no answer");
      Section("calls", line);
    }
  }
  void Logs() {
    size_t width = 0;
    for (const LoggedLine& log : report_.logs) width = std::max(width, log.plugin.size());
    for (const LoggedLine& log : report_.logs) {
      const Style style = log.level == "error" || log.level == "critical" ? Style::kRed : log.level == "warn" ? Style::kYellow : Style::kDim;
      Section("log", Paint(style, Padded(log.level, 8)) + " " + Padded(log.plugin, width) + " " + log.text);
    }
  }
  void Plugins() {
    for (const PluginState& plugin : report_.plugins) {
      if (plugin.failed) Section("plugins", Paint(Style::kRed, plugin.name + " failed: ") + plugin.stats.last_error);
      if (plugin.stats.host_calls_rejected > 0)
        Section("plugins", plugin.name + ": " + std::to_string(plugin.stats.host_calls_rejected) + " host calls were refused (--explain says why)");
    }
  }

  // ---- --explain -------------------------------------------------------------------------------------------------------------
  static std::string List(const std::vector<TimelineValue>& values, bool named) {
    std::string text;
    for (const TimelineValue& value : values) text += (text.empty() ? "" : ", ") + (named ? value.name + " " : "") + ValueText(value);
    return text;
  }
  void Explain() {
    for (const TimelineEntry& entry : report_.timeline) {
      switch (entry.kind) {
        case TimelineEntry::Kind::kCallback:
          Line(Paint(Style::kBold, entry.plugin + "  " + entry.name) + "(" + List(entry.arguments, true) + ")");
          break;
        case TimelineEntry::Kind::kHostCall: HostCall(entry); break;
        case TimelineEntry::Kind::kEnd: End(entry); break;
        case TimelineEntry::Kind::kEffect: Line(Paint(Style::kDim, "      . " + entry.name)); break;
      }
    }
    if (!report_.timeline.empty()) Line("");
  }
  void HostCall(const TimelineEntry& entry) {
    const std::string module = entry.module == "env" ? "" : "wasi ";
    std::string line = "      " + module + entry.name + "(" + List(entry.arguments, entry.arguments.size() > 2) + ")";
    const bool good = entry.specified.empty() && (entry.status == "OK" || entry.status == "SUCCESS" || entry.status.empty());
    if (!entry.status.empty()) line += " = " + (good ? entry.status : Paint(Style::kYellow, entry.status));
    if (!entry.outputs.empty()) line += " " + List(entry.outputs, entry.outputs.size() > 1);
    if (!entry.specified.empty()) line += Paint(Style::kYellow, " without effect, in place of " + entry.specified);
    if (!entry.reason.empty()) line += ": " + entry.reason;
    if (!entry.detail.empty()) line += ": \"" + Value(entry.detail) + "\"";
    if (entry.trapped) line += Paint(Style::kRed, "  ends the instance");
    Line(line);
  }
  void End(const TimelineEntry& entry) {
    const std::string time = Paint(Style::kDim, "  " + std::to_string(entry.us) + " µs");
    if (entry.trapped) return Line("    " + Paint(Style::kRed, "failed: " + entry.reason) + time);
    Line("    " + (entry.result.empty() ? std::string("returned") : "-> " + entry.result) + time);
  }

  const RequestReport& report_;
  const RequestShow& show_;
  Painter paint_;
  std::string out_, section_;
};

}  // namespace

std::string RequestText(const RequestReport& report, const RequestShow& show) { return Text(report, show).Write(); }

}  // namespace weir::cli
