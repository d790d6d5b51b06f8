#include "scenario/exchange.h"

#include <algorithm>

#include "scenario/text.h"

namespace weir::scenarios {
namespace {

constexpr std::string_view kWords[] = {"request", "upstream",  "expect-upstream", "expect-client", "expect-log", "expect-no-log",
                                       "header",  "no-header", "trailer",         "body"};

std::string Unknown(std::string_view word, std::string_view where) {
  return "\"" + std::string(word) + "\" means nothing " + std::string(where);
}
bool IsStatus(std::string_view text) { return text.size() == 3 && Number(text); }

}  // namespace

bool ExchangeParser::Takes(std::string_view word) { return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords); }

std::string ExchangeParser::Line(std::string_view word, std::string_view rest, int number) {
  if (word == "request") return Request(rest, number);
  if (exchanges_.empty()) return Unknown(word, "before the first request");
  if (word == "upstream") return Upstream(rest);
  if (word == "expect-upstream") return ExpectUpstream(rest);
  if (word == "expect-client") return ExpectClient(rest);
  if (word == "expect-log") return Log(rest, &exchange().logs);
  if (word == "expect-no-log") return Log(rest, &exchange().no_logs);
  if (word == "header" || word == "trailer") return Header(word, rest);
  if (word == "no-header") return NoHeader(rest);
  if (word == "body") return Body(rest);
  return Unknown(word, "here");
}

std::string ExchangeParser::End() const {
  if (exchanges_.empty()) return "no request";
  const Exchange& last = exchanges_.back();
  if (last.client_status.empty()) return "no expect-client for the request of line " + std::to_string(last.line);
  return "";
}

std::string ExchangeParser::Request(std::string_view rest, int number) {
  if (auto message = End(); !exchanges_.empty() && !message.empty()) return message;
  Exchange next;
  next.line = number;
  next.method = Word(&rest);
  next.target = Word(&rest);
  if (next.target.empty() || !rest.empty()) return "wants METHOD TARGET";
  exchanges_.push_back(std::move(next));
  section_ = Section::kRequest;
  return "";
}

std::string ExchangeParser::Upstream(std::string_view rest) {
  if (!IsStatus(rest)) return "wants a status of three digits";
  if (exchange().upstream_given) return "a second upstream for this request";
  exchange().upstream_given = true;
  exchange().status = rest;
  section_ = Section::kUpstream;
  return "";
}

std::string ExchangeParser::ExpectUpstream(std::string_view rest) {
  Exchange& exchange = this->exchange();
  if (exchange.expect_upstream != Exchange::Upstream::kAny) return "a second expect-upstream for this request";
  section_ = Section::kExpectUpstream;
  if (rest == "nothing") return exchange.expect_upstream = Exchange::Upstream::kNothing, "";
  exchange.expect_upstream = Exchange::Upstream::kMessage;
  exchange.upstream_method = Word(&rest);
  exchange.upstream_target = Word(&rest);
  if (exchange.upstream_target.empty() || !rest.empty()) return "wants METHOD TARGET or nothing";
  return "";
}

std::string ExchangeParser::ExpectClient(std::string_view rest) {
  if (!exchange().client_status.empty()) return "a second expect-client for this request";
  if (rest != "reset" && !IsStatus(rest)) return "wants a status of three digits or reset";
  exchange().client_status = rest;
  section_ = Section::kExpectClient;
  return "";
}

std::string ExchangeParser::Log(std::string_view rest, std::vector<LogLine>* lines) {
  const std::string_view name = Word(&rest);
  if (!knows_plugin_(name)) return "no plugin \"" + std::string(name) + "\"";
  auto text = Text(rest);
  if (!text || text->empty()) return "wants NAME TEXT";
  lines->push_back({std::string(name), *text});
  section_ = Section::kLogs;
  return "";
}

/// Null: a message's line is not allowed here.
Expected* ExchangeParser::expected() {
  if (section_ == Section::kExpectClient) return &exchange().client;
  const bool message = exchange().expect_upstream == Exchange::Upstream::kMessage;
  return section_ == Section::kExpectUpstream && message ? &exchange().upstream : nullptr;
}

std::string ExchangeParser::Header(std::string_view word, std::string_view rest) {
  const size_t colon = rest.find(':', 1);  // a pseudo header begins with one
  if (colon == rest.npos || colon == 0) return "wants NAME: VALUE";
  std::string name(rest.substr(0, colon)), value(Trim(rest.substr(colon + 1)));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const bool trailer = word == "trailer";
  Exchange& one = exchange();
  if (section_ == Section::kRequest) return (trailer ? one.request_trailers : one.request_headers).emplace_back(name, value), "";
  if (section_ == Section::kUpstream) return (trailer ? one.response_trailers : one.response_headers).emplace_back(name, value), "";
  Expected* expected = this->expected();
  if (!expected) return Unknown(word, "here");
  HeaderList& list = trailer ? expected->trailers : expected->headers;
  for (auto& [known, values] : list) {
    if (known == name) return values += ", " + value, "";
  }
  return list.emplace_back(name, value), "";
}

std::string ExchangeParser::NoHeader(std::string_view rest) {
  Expected* expected = this->expected();
  if (!expected || rest.empty()) return "wants NAME, under expect-upstream or expect-client";
  return expected->no_headers.emplace_back(rest), "";
}

std::string ExchangeParser::Body(std::string_view rest) {
  auto text = Text(rest);
  if (!text) return std::string(kBadText);
  if (section_ == Section::kRequest) return exchange().request_body.push_back(*text), "";
  if (section_ == Section::kUpstream) return exchange().response_body.push_back(*text), "";
  Expected* expected = this->expected();
  if (!expected) return Unknown("body", "here");
  return expected->body = expected->body.value_or("") + *text, "";
}

}  // namespace weir::scenarios
