// One request with what the upstream answers, and what the upstream and the client must see. docs/scenarios.md has the lines.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memhost/given_properties.h"
#include "weir/http.h"

namespace weir::scenarios {

struct Expected {
  HeaderList headers;                   ///< the joined values of each name, in order of first mention
  std::vector<std::string> no_headers;
  HeaderList trailers;
  std::optional<std::string> body;
};

struct LogLine {
  std::string plugin, text;
};

struct Exchange {
  int line = 0;  ///< of its `request`
  std::string method, target;
  HeaderList request_headers, request_trailers;
  std::vector<std::string> request_body;
  std::string status = "200";
  GivenProperties given;
  HeaderList response_headers, response_trailers;
  std::vector<std::string> response_body;
  bool upstream_given = false;  ///< without: 200 with the body "upstream"

  enum class Upstream : uint8_t { kAny, kNothing, kMessage } expect_upstream = Upstream::kAny;
  std::string upstream_method, upstream_target;
  Expected upstream;
  std::string client_status;  ///< "reset" or a number
  Expected client;
  std::vector<LogLine> logs, no_logs;
};

/// Takes the lines from the first `request` on.
class ExchangeParser {
 public:
  /// `knows_plugin`: whether a log line may name it.
  explicit ExchangeParser(std::function<bool(std::string_view name)> knows_plugin) : knows_plugin_(std::move(knows_plugin)) {}
  /// Whether `word` begins one of its lines.
  static bool Takes(std::string_view word);
  /// What is wrong with the line, or empty.
  std::string Line(std::string_view word, std::string_view rest, int number);
  /// What the exchange, or the file, must not end without. Empty: nothing is missing.
  std::string End() const;
  bool empty() const { return exchanges_.empty(); }
  /// Whether the lines now are of a request.
  bool in_request() const { return section_ == Section::kRequest; }
  std::vector<Exchange>& exchanges() { return exchanges_; }

 private:
  enum class Section : uint8_t { kTop, kRequest, kUpstream, kExpectUpstream, kExpectClient, kLogs };
  Exchange& exchange() { return exchanges_.back(); }
  Expected* expected();
  std::string Request(std::string_view rest, int number);
  std::string Upstream(std::string_view rest);
  std::string ExpectUpstream(std::string_view rest);
  std::string ExpectClient(std::string_view rest);
  std::string Log(std::string_view rest, std::vector<LogLine>* lines);
  std::string Header(std::string_view word, std::string_view rest);
  std::string NoHeader(std::string_view rest);
  std::string Body(std::string_view rest);

  std::function<bool(std::string_view)> knows_plugin_;
  std::vector<Exchange> exchanges_;
  Section section_ = Section::kTop;
};

}  // namespace weir::scenarios
