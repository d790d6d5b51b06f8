#include "scenario/run.h"

#include <algorithm>

namespace weir::scenarios {
namespace {

HttpMessage RequestOf(const Exchange& exchange) {
  HttpMessage request{.headers = RequestHeaders(exchange.method, exchange.target, exchange.request_headers),
                      .body = exchange.request_body,
                      .trailers = exchange.request_trailers};
  if (!request.body.empty() && !JoinedValues(request.headers, "transfer-encoding")) {
    request.headers.emplace_back("content-length", std::to_string(request.BodyText().size()));
  }
  return request;
}

HttpMessage ResponseOf(const Exchange& exchange) {
  HttpMessage response{.headers = {{":status", exchange.status}}, .body = exchange.response_body, .trailers = exchange.response_trailers};
  if (!exchange.upstream_given) response.body = {"upstream"};
  response.headers.insert(response.headers.end(), exchange.response_headers.begin(), exchange.response_headers.end());
  if (!JoinedValues(response.headers, "transfer-encoding")) {
    response.headers.emplace_back("content-length", std::to_string(response.BodyText().size()));
  }
  return response;
}

class Problems {
 public:
  void Equal(const std::string& what, const std::string& got, const std::string& wanted) {
    if (got != wanted) list.push_back(what + ": wanted \"" + wanted + "\", got \"" + got + "\"");
  }
  void Check(const HttpMessage& message, const Expected& expected, const std::string& who) {
    for (const auto& [name, values] : expected.headers) Equal(who + ": header " + name, JoinedValues(message.headers, name).value_or("(none)"), values);
    for (const auto& [name, values] : expected.trailers)
      Equal(who + ": trailer " + name, JoinedValues(message.trailers, name).value_or("(none)"), values);
    for (const std::string& name : expected.no_headers) {
      if (auto values = JoinedValues(message.headers, name)) list.push_back(who + ": header " + name + ": wanted none, got \"" + *values + "\"");
    }
    if (expected.body) Equal(who + ": body", message.BodyText(), *expected.body);
  }
  std::vector<std::string> list;
};

bool Logged(const Trace& trace, const LogLine& line) {
  return std::any_of(trace.begin(), trace.end(), [&](const std::string& entry) {
    const auto text = LoggedBy(line.plugin, entry);
    return text && text->find(line.text) != text->npos;
  });
}

}  // namespace

std::optional<std::string_view> LoggedBy(std::string_view plugin, std::string_view trace_line) {
  if (!trace_line.starts_with("log ")) return std::nullopt;
  std::string_view rest = trace_line.substr(std::min(trace_line.find(' ', 4), trace_line.size() - 1) + 1);
  if (!rest.starts_with(plugin)) return std::nullopt;
  rest.remove_prefix(plugin.size());
  if (!rest.starts_with(": ")) return std::nullopt;
  return rest.substr(2);
}

std::vector<std::string> RunExchange(MemoryHost& world, std::span<Plugin* const> chain, const Exchange& exchange) {
  Problems problems;
  const StreamOutcome outcome =
      RunStream(world, chain, RequestOf(exchange), [&](const HttpMessage&) { return ResponseOf(exchange); }, kStreamWaitMs,
                exchange.given);
  if (exchange.expect_upstream == Exchange::Upstream::kNothing) {
    if (outcome.upstream) problems.list.push_back("upstream: it was asked, and should not have been");
  } else if (exchange.expect_upstream == Exchange::Upstream::kMessage) {
    if (!outcome.upstream) {
      problems.list.push_back("upstream: it was not asked");
    } else {
      problems.Equal("upstream: method", JoinedValues(outcome.upstream->headers, ":method").value_or("(none)"), exchange.upstream_method);
      problems.Equal("upstream: target", JoinedValues(outcome.upstream->headers, ":path").value_or("(none)"), exchange.upstream_target);
      problems.Check(*outcome.upstream, exchange.upstream, "upstream");
    }
  }
  const std::string status = outcome.end == StreamOutcome::End::kResponse
                                 ? JoinedValues(outcome.response.headers, ":status").value_or("(none)")
                                 : "reset";
  problems.Equal("client: status", status, exchange.client_status);
  problems.Check(outcome.response, exchange.client, "client");
  for (const LogLine& line : exchange.logs) {
    if (!Logged(world.trace(), line)) problems.list.push_back("log: no line of " + line.plugin + " with \"" + line.text + "\"");
  }
  for (const LogLine& line : exchange.no_logs) {
    if (Logged(world.trace(), line)) problems.list.push_back("log: a line of " + line.plugin + " with \"" + line.text + "\"");
  }
  return problems.list;
}

}  // namespace weir::scenarios
