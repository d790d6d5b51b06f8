// What a phase gave, against what the suite expects of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "suite/matcher.h"
#include "weir/http.h"

namespace weir::suite {

namespace pb {
class Expectation;
}

/// What is wrong in a case; `text` may have several lines.
struct Failure {
  std::string phase;  ///< "request_headers" …
  std::string text;
};
using Failures = std::vector<Failure>;

/// What a phase gave.
struct PhaseResult {
  HeaderList headers;  ///< a name once, values folded; after a local reply its own
  std::string body;
  bool goes_on = true;     ///< Continue or ContinueAndEndStream
  uint32_t action = 0;     ///< as a number, for messages
  uint32_t http_code = 0;  ///< of a local reply; 0: none was made
  uint32_t grpc_code = 0;
  std::string details;
  std::vector<std::string> logs;
};

/// Whether a phase that does not expect it may stop.
enum class Stops : uint8_t {
  kFail,    ///< no
  kPauses,  ///< by a pause
  kAny,     ///< by a pause or a local reply
};

/// One phase against its expectation. `folder`: of the suite, for files.
class PhaseCheck {
 public:
  PhaseCheck(std::string phase, const std::string& folder, Failures* out) : phase_(std::move(phase)), folder_(folder), out_(out) {}
  /// headers, body, immediate, log. False: the case cannot go on (an empty header name).
  bool All(const pb::Expectation& expected, const PhaseResult& result, Stops stops);
  /// `log` alone.
  void Logs(const pb::Expectation& expected, const std::vector<std::string>& logs);
  void Fail(std::string text) { out_->push_back({phase_, std::move(text)}); }
  template <class Matchers>
  void Texts(std::string_view what, const Matchers& matchers, const std::vector<std::string>& texts) {
    for (const auto& source : matchers) Text(what, source, texts);
  }
  /// has_header and no_header. False: an empty name.
  bool Headers(const pb::Expectation& expected, const HeaderList& headers);

 private:
  void Text(std::string_view what, const pb::StringMatcher& source, const std::vector<std::string>& texts);
  void Immediate(const pb::Expectation& expected, const PhaseResult& result, Stops stops);

  std::string phase_;
  const std::string& folder_;
  Failures* out_;
};

/// The value of `name`, whatever its case; nullptr: none.
const std::string* FindHeader(const HeaderList& headers, std::string_view name);
/// What is said of a plugin that failed: why, and the lines that it had logged.
std::string PluginFailure(const std::string& why, const std::vector<std::string>& logs);
/// For people: "text" with escapes, cut.
std::string Quoted(std::string_view text);
/// Where two texts part, with what is around.
std::string Difference(std::string_view expected, std::string_view got);

}  // namespace weir::suite
