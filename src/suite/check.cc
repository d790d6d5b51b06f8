#include "suite/check.h"

#include <algorithm>

#include "suite/headers.h"
#include "suite/suite.pb.h"

namespace weir::suite {
namespace {

constexpr size_t kShownMax = 400;    // bytes of one text in a message
constexpr size_t kListMax = 20;      // texts of a list in a message
constexpr size_t kContext = 40;      // bytes on each side of a difference
constexpr std::string_view kIndent = "\n    ";

std::string Listed(std::string_view what, const std::vector<std::string>& texts) {
  if (texts.empty()) return std::string(kIndent) + "there is no " + std::string(what);
  std::string list = std::string(kIndent) + "what there is:";
  for (size_t i = 0; i < texts.size() && i < kListMax; ++i) list += std::string(kIndent) + "  " + Quoted(texts[i]);
  if (texts.size() > kListMax) list += std::string(kIndent) + "  … and " + std::to_string(texts.size() - kListMax) + " more";
  return list;
}

/// The one of `texts` that is most like `wanted`: that with the longest common beginning, and one of some length.
const std::string* MostLike(const std::vector<std::string>& texts, std::string_view wanted) {
  const std::string* best = nullptr;
  size_t most = std::min<size_t>(4, wanted.size());
  for (const std::string& text : texts) {
    const size_t same = size_t(std::mismatch(text.begin(), text.end(), wanted.begin(), wanted.end()).first - text.begin());
    if (same >= most && same > 0) best = &text, most = same;
  }
  return best;
}

}  // namespace

std::string Quoted(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (unsigned char c : text.substr(0, kShownMax)) {
    switch (c) {
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      default:
        if (c < 0x20 || c == 0x7f) {
          out += std::string("\\x") + kDigits[c >> 4] + kDigits[c & 15];
        } else {
          out += char(c);
        }
    }
  }
  out += '"';
  if (text.size() > kShownMax) out += "… (" + std::to_string(text.size()) + " bytes)";
  return out;
}

std::string Difference(std::string_view expected, std::string_view got) {
  const size_t at = size_t(std::mismatch(expected.begin(), expected.end(), got.begin(), got.end()).first - expected.begin());
  const size_t from = at > kContext ? at - kContext : 0;
  const auto around = [&](std::string_view text) {
    const std::string_view part = text.substr(std::min(from, text.size()), at - from + kContext);
    return (from > 0 ? "…" : "") + Quoted(part) + (from + part.size() < text.size() ? "…" : "");
  };
  const size_t line = size_t(std::count(expected.begin(), expected.begin() + ptrdiff_t(at), '\n')) + 1;
  return std::string(kIndent) + "they part at byte " + std::to_string(at) + " (line " + std::to_string(line) + "): " +
         std::to_string(expected.size()) + " bytes expected, " + std::to_string(got.size()) + " there" + std::string(kIndent) + "- " +
         around(expected) + std::string(kIndent) + "+ " + around(got);
}

std::string PluginFailure(const std::string& why, const std::vector<std::string>& logs) {
  std::string text = "the plugin failed: ";
  for (char c : why) text.append(c == '\n' ? std::string(kIndent) + "at " : std::string(1, c));
  // From "callback failed" on it is what the host says of it, which is `why`.
  const auto own = [](const std::string& line) { return line.find("callback failed: plugin ") != line.npos; };
  const auto end = std::find_if(logs.begin(), logs.end(), own);
  const auto begin = end - std::min<ptrdiff_t>(end - logs.begin(), ptrdiff_t(kListMax));
  if (begin != logs.begin()) text += std::string(kIndent) + "log: … " + std::to_string(begin - logs.begin()) + " lines";
  for (auto line = begin; line != end; ++line) text += std::string(kIndent) + "log: " + line->substr(0, kShownMax);
  return text;
}

const std::string* FindHeader(const HeaderList& headers, std::string_view name) {
  const CaselessLess less;
  for (const auto& [key, value] : headers)
    if (!less(key, name) && !less(name, key)) return &value;
  return nullptr;
}

void PhaseCheck::Text(std::string_view what, const pb::StringMatcher& source, const std::vector<std::string>& texts) {
  auto matcher = Matcher::Create(source, folder_);
  if (!matcher) return Fail(std::string(what) + ": " + matcher.error().message);
  if (matcher->Matches(texts)) return;
  const std::string kind = matcher->is_regex() ? " that matches " : " ";
  if (matcher->invert()) {
    const auto hit = std::find_if(texts.begin(), texts.end(), [&](const std::string& text) { return matcher->MatchesOne(text); });
    return Fail("expected no " + std::string(what) + kind + Quoted(matcher->wanted()) + ", got one" + std::string(kIndent) + "  " + Quoted(*hit));
  }
  std::string text = "expected a " + std::string(what) + kind + Quoted(matcher->wanted());
  const std::string* like = matcher->is_regex() ? nullptr : texts.size() == 1 ? &texts[0] : MostLike(texts, matcher->wanted());
  if (texts.size() != 1 || like == nullptr) text += Listed(what, texts);
  if (like != nullptr) text += Difference(matcher->wanted(), *like);
  Fail(std::move(text));
}

bool PhaseCheck::Headers(const pb::Expectation& expected, const HeaderList& headers) {
  const auto nameless = [](const pb::Header& header) { return header.key().empty(); };
  if (std::any_of(expected.has_header().begin(), expected.has_header().end(), nameless) ||
      std::any_of(expected.no_header().begin(), expected.no_header().end(), nameless)) {
    Fail("has_header and no_header need a key");
    return false;
  }
  for (const pb::Header& header : expected.has_header()) {
    const std::string* value = FindHeader(headers, header.key());
    if (value == nullptr) {
      std::vector<std::string> names;
      for (const auto& [key, unused] : headers) names.push_back(key);
      Fail("expected header " + Quoted(header.key()) + " with value " + Quoted(header.value()) + ", there is none" + Listed("header", names));
    } else if (*value != header.value()) {
      Fail("header " + Quoted(header.key()) + ": expected " + Quoted(header.value()) + std::string(kIndent) + "               got " + Quoted(*value));
    }
  }
  for (const pb::Header& header : expected.no_header()) {
    if (const std::string* value = FindHeader(headers, header.key()))
      Fail("expected no header " + Quoted(header.key()) + ", it is there with value " + Quoted(*value));
  }
  return true;
}

void PhaseCheck::Immediate(const pb::Expectation& expected, const PhaseResult& result, Stops stops) {
  const bool wanted = expected.has_immediate(), local = result.http_code != 0;
  const std::string action = "action " + std::to_string(result.action);
  if (!wanted && local) {
    if (stops != Stops::kAny) Fail("expected no local reply, the plugin made one with status " + std::to_string(result.http_code));
    return;
  }
  if (!wanted) {
    if (!result.goes_on && stops == Stops::kFail) Fail("expected the plugin to go on, it paused (" + action + ") without a local reply");
    return;
  }
  if (!local) return Fail("expected a local reply, the plugin made none (" + action + ")");
  if (result.goes_on) Fail("expected a local reply, the plugin went on (" + action + ")");
  const auto& immediate = expected.immediate();
  const auto number = [&](std::string_view what, uint32_t want, uint32_t got) {
    if (want != got) Fail("local reply: expected " + std::string(what) + " " + std::to_string(want) + ", got " + std::to_string(got));
  };
  if (immediate.has_http_status()) number("http_status", immediate.http_status(), result.http_code);
  if (immediate.has_grpc_status()) number("grpc_status", immediate.grpc_status(), result.grpc_code);
  if (immediate.has_details() && immediate.details() != result.details)
    Fail("local reply: expected details " + Quoted(immediate.details()) + ", got " + Quoted(result.details));
}

bool PhaseCheck::All(const pb::Expectation& expected, const PhaseResult& result, Stops stops) {
  if (!Headers(expected, result.headers)) return false;
  std::vector<std::string> lines;
  if (expected.headers_size() > 0)
    for (const auto& [key, value] : result.headers) lines.push_back(key + ": " + value);
  Texts("header", expected.headers(), lines);
  Texts("body", expected.body(), {result.body});
  Immediate(expected, result, stops);
  Logs(expected, result.logs);
  return true;
}

void PhaseCheck::Logs(const pb::Expectation& expected, const std::vector<std::string>& logs) { Texts("log line", expected.log(), logs); }

}  // namespace weir::suite
