// What the upstreams that plugins call answer: a flag, or a file. yaml-cpp throws; ParseAnswers catches all of it.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "base/nearest_name.h"
#include "cli/request.h"
#include "scenario/text.h"

namespace weir::cli {
namespace {

constexpr uint32_t kFailures = static_cast<uint32_t>(CallFailure::kProtocol);
constexpr uint32_t kStatusMin = 100, kStatusMax = 599, kGrpcMax = 16;

std::optional<CallFailure> FailureOf(std::string_view name) {
  for (uint32_t i = 1; i <= kFailures; ++i)
    if (Name(CallFailure(i)) == name) return CallFailure(i);
  return std::nullopt;
}
std::string FailureNames() {
  std::string names;
  for (uint32_t i = 1; i <= kFailures; ++i) names += (i > 1 ? ", " : "") + std::string(Name(CallFailure(i)));
  return names;
}

std::optional<uint32_t> StatusOf(std::string_view text) {
  const auto number = scenarios::Number(text);
  if (!number || *number < kStatusMin || *number > kStatusMax) return std::nullopt;
  return uint32_t(*number);
}
std::optional<uint32_t> GrpcStatusOf(std::string_view text) {
  const auto number = scenarios::Number(text);
  if (!number || *number > kGrpcMax) return std::nullopt;
  return uint32_t(*number);
}

// ---- the file -----------------------------------------------------------------------------------------------------------
using Keys = std::vector<std::string_view>;
const Keys kAnswerKeys = {"status", "headers", "body", "trailers", "failure", "reason", "never", "grpc", "after"};
const Keys kGrpcKeys = {"status", "message", "messages", "metadata", "trailers"};

struct Fault {
  std::string message;
};

class Parser {
 public:
  explicit Parser(const std::string& path) : path_(path) {}

  Answers Parse(std::string_view text) {
    const YAML::Node top = YAML::Load(std::string(text));
    if (!top.IsMap()) Fail(top, "answers are a mapping: the name of an upstream, then an answer or a list of them");
    Answers answers;
    std::set<std::string> seen;
    for (const auto& entry : top) {
      const std::string name = Text(entry.first, "the name of an upstream");
      if (!seen.insert(name).second) Fail(entry.first, "\"" + name + "\" is there twice: give it a list of answers");
      if (!entry.second.IsSequence()) {
        answers.emplace_back(name, Answer(entry.second));
        continue;
      }
      if (entry.second.size() == 0) Fail(entry.second, "\"" + name + "\" has no answer: leave it out, or write \"never: true\"");
      for (const YAML::Node& one : entry.second) answers.emplace_back(name, Answer(one));
    }
    return answers;
  }
  [[noreturn]] void Fail(const YAML::Mark& mark, const std::string& what) const {
    throw Fault{path_ + (mark.is_null() ? "" : ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1)) + ": " + what};
  }

 private:
  [[noreturn]] void Fail(const YAML::Node& node, const std::string& what) const { Fail(node.Mark(), what); }

  void CheckKeys(const YAML::Node& map, const Keys& known, const std::string& thing) const {
    std::string list;
    for (std::string_view key : known) list += (list.empty() ? "" : ", ") + std::string(key);
    if (!map.IsMap()) Fail(map, thing + " is a mapping with the keys " + list);
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (!seen.insert(key).second) Fail(entry.first, "key \"" + key + "\" is there twice");
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string_view near = NearestName(key, known);
      Fail(entry.first, "unknown key \"" + key + "\" in " + thing + (near.empty() ? "; the keys are " + list : "; did you mean \"" + std::string(near) + "\"?"));
    }
  }
  std::string Text(const YAML::Node& node, const std::string& what) const {
    if (!node.IsScalar()) Fail(node, what + " is a single value");
    return node.Scalar();
  }
  HeaderList Headers(const YAML::Node& node, const std::string& what) const {
    HeaderList list;
    if (!node.IsDefined()) return list;
    if (!node.IsMap()) Fail(node, what + " are a mapping of names to values");
    for (const auto& entry : node) {
      std::string name = Text(entry.first, "a name");
      std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
      if (!entry.second.IsSequence()) {
        list.emplace_back(name, Text(entry.second, "a value"));
        continue;
      }
      for (const YAML::Node& value : entry.second) list.emplace_back(name, Text(value, "a value"));
    }
    return list;
  }

  CallScript Answer(const YAML::Node& node) const {
    CheckKeys(node, kAnswerKeys, "an answer");
    int kinds = 0;
    for (const char* key : {"status", "failure", "never", "grpc"}) kinds += node[key].IsDefined();
    if (kinds != 1) Fail(node, "an answer has one of status, failure, never and grpc");
    CallScript script;
    if (node["status"]) {
      const auto status = StatusOf(Text(node["status"], "status"));
      if (!status) Fail(node["status"], "status is a number from 100 to 599");
      script = HttpScript(*status, node["body"] ? Text(node["body"], "body") : "", Headers(node["headers"], "headers"), Headers(node["trailers"], "trailers"));
    } else if (node["failure"]) {
      const auto failure = FailureOf(Text(node["failure"], "failure"));
      if (!failure) Fail(node["failure"], "failure is one of " + FailureNames());
      script = FailureScript(*failure, node["reason"] ? Text(node["reason"], "reason") : "");
    } else if (node["never"]) {
      if (Text(node["never"], "never") != "true") Fail(node["never"], "never is true, or not there");
      script = SilentScript();
    } else {
      script = Grpc(node["grpc"]);
    }
    if (node["after"]) script.after_ms = Time(node["after"]);
    return script;
  }
  CallScript Grpc(const YAML::Node& node) const {
    CheckKeys(node, kGrpcKeys, "grpc");
    std::optional<uint32_t> status = 0;
    if (node["status"]) status = GrpcStatusOf(Text(node["status"], "status"));
    if (!status) Fail(node["status"], "status is a number from 0 to 16");
    std::vector<std::string> messages;
    if (node["messages"]) {
      if (!node["messages"].IsSequence()) Fail(node["messages"], "messages are a list");
      for (const YAML::Node& message : node["messages"]) messages.push_back(Text(message, "a message"));
    }
    return GrpcScript(std::move(messages), GrpcStatus(*status), node["message"] ? Text(node["message"], "message") : "", Headers(node["metadata"], "metadata"),
                      Headers(node["trailers"], "trailers"));
  }
  uint32_t Time(const YAML::Node& node) const {
    const auto ms = scenarios::Milliseconds(Text(node, "after"));
    if (!ms) Fail(node, "after is a time such as 20ms or 2s");
    return *ms;
  }

  const std::string path_;
};

}  // namespace

Result<std::pair<std::string, CallScript>> ParseAnswerFlag(std::string_view text) {
  const auto bad = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, "--answer \"" + std::string(text) + "\": " + what}; };
  const size_t equals = text.find('=');
  if (equals == text.npos || equals == 0) return bad("wants NAME=STATUS, NAME=\"STATUS BODY\", NAME=timeout, NAME=never or NAME=grpc:0");
  const std::string name(text.substr(0, equals));
  std::string_view rest = text.substr(equals + 1);
  std::string_view word = rest.substr(0, rest.find(' '));
  const std::string body(rest.size() > word.size() ? rest.substr(word.size() + 1) : "");
  if (word == "never") return std::pair(name, SilentScript());
  if (const auto failure = FailureOf(word)) return std::pair(name, FailureScript(*failure, body));
  if (word.starts_with("grpc:")) {
    const auto status = GrpcStatusOf(word.substr(5));
    if (!status) return bad("a gRPC status is a number from 0 to 16");
    return std::pair(name, GrpcScript(body.empty() ? std::vector<std::string>() : std::vector{body}, GrpcStatus(*status)));
  }
  const auto status = StatusOf(word);
  if (!status) return bad("\"" + std::string(word) + "\" is no status from 100 to 599, and none of never, grpc:N, " + FailureNames());
  return std::pair(name, HttpScript(*status, body));
}

Result<Answers> ParseAnswers(std::string_view text, const std::string& path) {
  Parser parser(path);
  try {
    try {
      return parser.Parse(text);
    } catch (const YAML::Exception& exception) {
      parser.Fail(exception.mark, exception.msg);
    }
  } catch (const Fault& fault) {
    return Error{ErrorCode::kInvalidArgument, fault.message};
  } catch (const std::exception& exception) {
    return Error{ErrorCode::kInternal, path + ": " + exception.what()};
  }
}

}  // namespace weir::cli
