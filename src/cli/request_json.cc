// How `weir request --json` shows what became of a request, for programs.
#include <boost/json.hpp>

#include "base/log_text.h"
#include "base/wasm_cursor.h"
#include "cli/request.h"
#include "host/grpc_wire.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

/// Bytes that are not UTF-8 as "\xNN": JSON has none.
json::string String(std::string_view bytes) {
  json::string text;
  if (IsUtf8(bytes)) {
    text.assign(bytes.data(), bytes.size());
  } else {
    const std::string shown = LogText(bytes, SIZE_MAX);
    text.assign(shown.data(), shown.size());
  }
  return text;
}
json::array Headers(const HeaderList& headers) {
  json::array rows;
  for (const auto& [name, value] : headers) rows.push_back(json::array{String(name), String(value)});
  return rows;
}
json::object Message(const HttpMessage& message) {
  json::object out{{"headers", Headers(message.headers)}};
  const std::string body = message.BodyText();
  if (IsUtf8(body)) {
    out["body"] = String(body);
  } else {
    std::string base64 = EncodeBase64(body);  // gRPC's has no padding
    base64.append((4 - base64.size() % 4) % 4, '=');
    out["body_base64"] = base64;
  }
  out["chunks"] = message.body.size();
  out["trailers"] = Headers(message.trailers);
  return out;
}
json::object Values(const std::vector<TimelineValue>& values) {
  json::object out;
  for (const TimelineValue& value : values) {
    if (!value.symbol.empty()) {
      out[value.name] = String(value.symbol);
    } else if (const auto* number = std::get_if<int64_t>(&value.value)) {
      out[value.name] = *number;
    } else {
      out[value.name] = String(std::get<std::string>(value.value));
    }
  }
  return out;
}
json::object Entry(const TimelineEntry& entry) {
  using Kind = TimelineEntry::Kind;
  if (entry.kind == Kind::kEffect) return {{"event", "effect"}, {"line", String(entry.name)}};
  json::object out{{"plugin", entry.plugin}, {"name", entry.name}, {"context", entry.context}};
  if (entry.kind == Kind::kCallback) {
    out["event"] = "callback";
    out["arguments"] = Values(entry.arguments);
  } else if (entry.kind == Kind::kHostCall) {
    out["event"] = "host_call";
    out["module"] = entry.module;
    out["arguments"] = Values(entry.arguments);
    out["outputs"] = Values(entry.outputs);
    out["status"] = entry.status.empty() ? json::value(nullptr) : json::value(entry.status);
    if (!entry.specified.empty()) out["specified"] = entry.specified;
    if (!entry.reason.empty()) out["reason"] = entry.reason;
    if (!entry.detail.empty()) out["detail"] = String(entry.detail);
    if (entry.trapped) out["trapped"] = true;
  } else {
    out["event"] = "return";
    out["result"] = entry.result.empty() ? json::value(nullptr) : json::value(entry.result);
    out["us"] = entry.us;
    if (entry.trapped) out["trap"] = String(entry.reason);
  }
  return out;
}

json::array Logs(const RequestReport& report) {
  json::array logs;
  for (const LoggedLine& log : report.logs) logs.push_back(json::object{{"level", log.level}, {"plugin", log.plugin}, {"text", String(log.text)}});
  return logs;
}
json::array Events(const RequestReport& report) {
  json::array events;
  for (const TimelineEntry& entry : report.timeline) events.push_back(Entry(entry));
  return events;
}

}  // namespace

std::string RequestJson(const RequestReport& report, bool explain) {
  constexpr std::string_view kEnds[] = {"response", "reset", "stuck"};
  json::object out{{"ok", !report.failed()}, {"error", nullptr}, {"end", kEnds[size_t(report.outcome.end)]}};
  out["request"] = json::object{{"sent", Message(report.sent)}, {"upstream", nullptr}};
  if (report.outcome.upstream) out["request"].as_object()["upstream"] = Message(*report.outcome.upstream);
  out["response"] = json::object{{"upstream", nullptr}, {"client", nullptr}};
  if (report.outcome.upstream) out["response"].as_object()["upstream"] = Message(report.given);
  if (report.outcome.end == StreamOutcome::End::kResponse) out["response"].as_object()["client"] = Message(report.outcome.response);
  out["local_response"] = nullptr;
  if (report.outcome.local) out["local_response"] = json::object{{"by", report.local_by.empty() ? json::value(nullptr) : json::value(report.local_by)}, {"details", String(report.local_details)}};
  json::array calls, effects, plugins, hints;
  for (const MadeCall& call : report.calls) {
    calls.push_back(json::object{{"number", call.number == 0 ? json::value(nullptr) : json::value(call.number)},
                                 {"kind", call.kind},
                                 {"upstream", String(call.upstream)},
                                 {"what", String(call.what)},
                                 {"refused", call.refused.empty() ? json::value(nullptr) : json::value(call.refused)},
                                 {"events", json::array(call.events.begin(), call.events.end())}});
  }
  for (const std::string& effect : report.effects) effects.push_back(String(effect));
  for (const PluginState& plugin : report.plugins) {
    plugins.push_back(json::object{{"name", plugin.name},
                                   {"failed", plugin.failed},
                                   {"error", plugin.failed ? json::value(String(plugin.stats.last_error)) : json::value(nullptr)},
                                   {"host_calls_rejected", plugin.stats.host_calls_rejected}});
  }
  out["calls"] = std::move(calls);
  out["logs"] = Logs(report);
  out["effects"] = std::move(effects);
  for (const std::string& hint : RequestHints(report)) hints.push_back(String(hint));
  out["plugins"] = std::move(plugins);
  out["hints"] = std::move(hints);
  if (explain) out["explain"] = Events(report);
  return json::serialize(out) + "\n";
}

std::string RequestErrorJson(const std::string& message, const RequestReport& report, bool explain) {
  json::object out{{"ok", false}, {"error", String(message)}, {"logs", Logs(report)}};
  if (explain) out["explain"] = Events(report);
  return json::serialize(out) + "\n";
}

}  // namespace weir::cli
