#include "scenario.h"

#include <algorithm>
#include <charconv>

#include "host/log.h"

namespace weir::scenarios {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

/// Takes the first word off `*rest`.
std::string_view Word(std::string_view* rest) {
  const size_t end = std::min(rest->find_first_of(" \t"), rest->size());
  const std::string_view word = rest->substr(0, end);
  *rest = Trim(rest->substr(end));
  return word;
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A number with k, m or g behind it.
std::optional<uint64_t> Size(std::string_view text) {
  uint64_t unit = 1;
  if (text.ends_with('k')) unit = 1u << 10;
  if (text.ends_with('m')) unit = 1u << 20;
  if (text.ends_with('g')) unit = 1u << 30;
  if (unit != 1) text.remove_suffix(1);
  auto number = Number(text);
  if (!number) return std::nullopt;
  return *number * unit;
}

/// "50ms" or "2s", in milliseconds.
std::optional<uint32_t> Milliseconds(std::string_view text) {
  uint32_t unit = 1;
  if (text.ends_with("ms")) {
    text.remove_suffix(2);
  } else if (text.ends_with('s')) {
    text.remove_suffix(1);
    unit = 1000;
  } else {
    return std::nullopt;
  }
  auto number = Number(text);
  if (!number) return std::nullopt;
  return static_cast<uint32_t>(*number) * unit;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// What stands between the quotes; nullopt: no closing quote, a bad escape, or something behind it.
std::optional<std::string> Unquote(std::string_view text) {
  std::string out;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1 == text.size() ? std::optional(out) : std::nullopt;
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i >= text.size()) return std::nullopt;
    constexpr std::string_view kEscapes = "nrt\\\"", kMeanings = "\n\r\t\\\"";
    if (const size_t at = kEscapes.find(text[i]); at != kEscapes.npos) {
      out += kMeanings[at];
    } else if (text[i] == 'x' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Text(std::string_view rest) {
  uint64_t times = 1;
  if (rest.starts_with('*')) {
    std::string_view count = Word(&rest);
    auto number = Number(count.substr(1));
    if (!number) return std::nullopt;
    times = *number;
  }
  std::optional<std::string> once = rest.starts_with('"') ? Unquote(rest) : std::string(rest);
  if (!once) return std::nullopt;
  std::string all;
  for (uint64_t i = 0; i < times; ++i) all += *once;
  return all;
}

/// One `option=value`; an error message, or empty.
std::string SetOption(PluginSpec* spec, std::string_view key, std::string_view value) {
  if (key == "root_id") return spec->root_id = value, "";
  if (key == "vm_id") return spec->vm_id = value, "";
  if (key == "env") {
    const size_t equals = value.find('=');
    if (equals == value.npos) return "env wants NAME=VALUE";
    return spec->environment.emplace_back(value.substr(0, equals), value.substr(equals + 1)), "";
  }
  if (key == "memory") {
    auto size = Size(value);
    if (!size) return "memory wants a size such as 16m";
    return spec->limits.memory_bytes = *size, "";
  }
  if (key == "timeout" || key == "start_timeout") {
    auto ms = Milliseconds(value);
    if (!ms) return std::string(key) + " wants a time such as 50ms or 2s";
    return (key == "timeout" ? spec->limits.callback_ms : spec->limits.start_ms) = *ms, "";
  }
  if (key == "on_error" && value == "open") return spec->on_error = OnError::kOpen, "";
  if (key == "on_error" && value == "closed") return spec->on_error = OnError::kClosed, "";
  if (key == "statuses" && value == "strict") return spec->statuses = Statuses::kStrict, "";
  if (key == "statuses" && value == "lenient") return spec->statuses = Statuses::kLenient, "";
  if (key == "vm_config") return spec->vm_configuration = value, "";
  if (key == "stderr_level") {
    const auto level = LogLevelOf(value);
    if (level) spec->stderr_level = *level;
    return level ? "" : "stderr_level wants trace, debug, info, warn, error or critical";
  }
  if (key == "header_pause" && value == "stream") return spec->header_pause = HeaderPause::kStream, "";
  if (key == "header_pause" && value == "headers_only") return spec->header_pause = HeaderPause::kHeadersOnly, "";
  if (key == "on_buffer_full" && value == "reject") return spec->on_buffer_full = OnBufferFull::kReject, "";
  if (key == "on_buffer_full" && value == "release") return spec->on_buffer_full = OnBufferFull::kRelease, "";
  return "unknown option or value \"" + std::string(key) + "=" + std::string(value) + "\"";
}

class Parser {
 public:
  Result<Scenario> Run(std::string_view text, std::string_view file) {
    int number = 0;
    std::string message;
    while (message.empty() && !text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++number;
      message = Line(Trim(text.substr(0, end)), number);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (message.empty()) message = End();
    if (message.empty()) return std::move(scenario_);
    return Error{ErrorCode::kInvalidArgument, std::string(file) + ":" + std::to_string(number) + ": " + message};
  }

 private:
  enum class Section { kTop, kRequest, kUpstream, kExpectUpstream, kExpectClient, kLogs };

  std::string Line(std::string_view line, int number) {
    if (line.empty() || line.starts_with('#')) return "";
    std::string_view rest = line;
    const std::string_view word = Word(&rest);
    if (word == "about") return About(rest);
    if (scenario_.about.empty()) return "the first line must be \"about TEXT\"";
    if (word == "plugin") return Plugin(rest);
    if (word == "config") return Config(rest);
    if (word == "max-body") return MaxBody(rest);
    if (word == "only") return Only(rest);
    if (word == "node") return Node(rest);
    if (word == "variable") return Variable(rest);
    if (word == "request") return Request(rest, number);
    if (scenario_.exchanges.empty()) return Unknown(word, "before the first request");
    if (word == "upstream") return Upstream(rest);
    if (word == "expect-upstream") return ExpectUpstream(rest);
    if (word == "expect-client") return ExpectClient(rest);
    if (word == "expect-log") return Log(rest, &exchange().logs);
    if (word == "expect-no-log") return Log(rest, &exchange().no_logs);
    if (word == "header") return Header(rest);
    if (word == "no-header") return NoHeader(rest);
    if (word == "body") return Body(rest);
    if (word == "property") return Property(rest);
    return Unknown(word, "here");
  }

  static std::string Unknown(std::string_view word, std::string_view where) {
    return "\"" + std::string(word) + "\" means nothing " + std::string(where);
  }
  Exchange& exchange() { return scenario_.exchanges.back(); }
  PluginLine* Find(std::string_view name) {
    for (PluginLine& plugin : scenario_.plugins) {
      if (plugin.spec.name == name) return &plugin;
    }
    return nullptr;
  }

  std::string About(std::string_view rest) {
    if (!scenario_.about.empty()) return "a second \"about\"";
    if (rest.empty()) return "about wants a sentence";
    return scenario_.about = rest, "";
  }
  std::string Plugin(std::string_view rest) {
    if (!scenario_.exchanges.empty()) return "plugins come before the first request";
    const std::string_view name = Word(&rest), guest = Word(&rest);
    if (guest.empty()) return "wants NAME GUEST: plugin p script";
    if (Find(name)) return "a second plugin \"" + std::string(name) + "\"";
    PluginLine plugin;
    plugin.guest = guest;
    plugin.spec.name = name;
    while (!rest.empty()) {
      const std::string_view option = Word(&rest);
      const size_t equals = option.find('=');
      if (equals == option.npos) return "wants option=value, not \"" + std::string(option) + "\"";
      if (auto message = SetOption(&plugin.spec, option.substr(0, equals), option.substr(equals + 1)); !message.empty()) {
        return message;
      }
    }
    scenario_.plugins.push_back(std::move(plugin));
    return "";
  }
  std::string Config(std::string_view rest) {
    const std::string_view name = Word(&rest);
    PluginLine* plugin = Find(name);
    if (!plugin || !scenario_.exchanges.empty()) return "no plugin \"" + std::string(name) + "\" above this line";
    auto text = Text(rest);
    if (!text) return kBadText;
    std::string& config = plugin->spec.configuration;
    config += (config.empty() ? "" : "\n") + *text;
    return "";
  }
  std::string MaxBody(std::string_view rest) {
    auto size = Size(rest);
    if (!size || scenario_.plugins.empty() || !scenario_.exchanges.empty()) return "wants a size, after the plugins";
    for (PluginLine& plugin : scenario_.plugins) plugin.spec.limits.body_bytes = *size;
    return "";
  }
  std::string Only(std::string_view rest) {
    if ((rest != "memory" && rest != "nginx") || !scenario_.exchanges.empty()) return "wants memory or nginx, before the first request";
    return scenario_.only = rest, "";
  }
  std::string Node(std::string_view rest) {
    if (scenario_.plugins.empty() || !scenario_.exchanges.empty()) return "node comes after the plugins, before the first request";
    weir::Node node;
    while (!rest.empty()) {
      const std::string_view option = Word(&rest);
      const size_t equals = std::min(option.find('='), option.size());
      const std::string_view key = option.substr(0, equals), value = option.substr(std::min(equals + 1, option.size()));
      if (!node.Set(key, value)) return "wants id, cluster, region, zone, sub_zone or metadata.NAME with =VALUE, not \"" + std::string(option) + "\"";
    }
    for (PluginLine& plugin : scenario_.plugins) plugin.spec.node = node;
    return "";
  }
  std::string Variable(std::string_view rest) {
    const std::string_view name = Word(&rest);
    auto text = Text(rest);
    if (name.empty() || !text) return "wants NAME TEXT";
    if (!scenario_.exchanges.empty()) return "variables come before the first request";
    return scenario_.variables.emplace_back(name, *text), "";
  }
  std::string Property(std::string_view rest) {
    const std::string_view path = Word(&rest);
    auto text = Text(rest);
    if (section_ != Section::kRequest || !text) return "wants PATH VALUE, under request";
    if (scenario_.only != "memory") return "needs \"only memory\" above: a proxy has its own values";
    return exchange().given.Give(path, *text);
  }
  std::string Request(std::string_view rest, int number) {
    if (auto message = End(); !scenario_.exchanges.empty() && !message.empty()) return message;
    Exchange next;
    next.line = number;
    for (const auto& [name, value] : scenario_.variables) next.given.Give("ngx." + name, value);
    next.method = Word(&rest);
    next.target = Word(&rest);
    if (next.target.empty() || !rest.empty()) return "wants METHOD TARGET";
    if (scenario_.plugins.empty()) return "a scenario needs a plugin";
    scenario_.exchanges.push_back(std::move(next));
    section_ = Section::kRequest;
    return "";
  }
  static bool IsStatus(std::string_view text) { return text.size() == 3 && Number(text); }
  std::string Upstream(std::string_view rest) {
    if (!IsStatus(rest)) return "wants a status of three digits";
    if (exchange().upstream_given) return "a second upstream for this request";
    exchange().upstream_given = true;
    exchange().status = rest;
    section_ = Section::kUpstream;
    return "";
  }
  std::string ExpectUpstream(std::string_view rest) {
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
  std::string ExpectClient(std::string_view rest) {
    if (!exchange().client_status.empty()) return "a second expect-client for this request";
    if (rest != "reset" && !IsStatus(rest)) return "wants a status of three digits or reset";
    exchange().client_status = rest;
    section_ = Section::kExpectClient;
    return "";
  }
  std::string Log(std::string_view rest, std::vector<LogLine>* lines) {
    const std::string_view name = Word(&rest);
    if (!Find(name)) return "no plugin \"" + std::string(name) + "\"";
    auto text = Text(rest);
    if (!text || text->empty()) return "wants NAME TEXT";
    lines->push_back({std::string(name), *text});
    section_ = Section::kLogs;
    return "";
  }
  /// Null: a message's line is not allowed here.
  Expected* expected() {
    if (section_ == Section::kExpectClient) return &exchange().client;
    const bool message = exchange().expect_upstream == Exchange::Upstream::kMessage;
    return section_ == Section::kExpectUpstream && message ? &exchange().upstream : nullptr;
  }
  std::string Header(std::string_view rest) {
    const size_t colon = rest.find(':', 1);  // a pseudo header begins with one
    if (colon == rest.npos || colon == 0) return "wants NAME: VALUE";
    std::string name(rest.substr(0, colon)), value(Trim(rest.substr(colon + 1)));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (section_ == Section::kRequest) return exchange().request_headers.emplace_back(name, value), "";
    if (section_ == Section::kUpstream) return exchange().response_headers.emplace_back(name, value), "";
    Expected* expected = this->expected();
    if (!expected) return Unknown("header", "here");
    for (auto& [known, values] : expected->headers) {
      if (known == name) return values += ", " + value, "";
    }
    return expected->headers.emplace_back(name, value), "";
  }
  std::string NoHeader(std::string_view rest) {
    Expected* expected = this->expected();
    if (!expected || rest.empty()) return "wants NAME, under expect-upstream or expect-client";
    return expected->no_headers.emplace_back(rest), "";
  }
  std::string Body(std::string_view rest) {
    auto text = Text(rest);
    if (!text) return kBadText;
    if (section_ == Section::kRequest) return exchange().request_body.push_back(*text), "";
    if (section_ == Section::kUpstream) return exchange().response_body.push_back(*text), "";
    Expected* expected = this->expected();
    if (!expected) return Unknown("body", "here");
    return expected->body = expected->body.value_or("") + *text, "";
  }
  /// What an exchange, or the file, must not end without.
  std::string End() {
    if (scenario_.exchanges.empty()) return "no request";
    if (exchange().client_status.empty()) return "no expect-client for the request of line " + std::to_string(exchange().line);
    return "";
  }

  static constexpr const char* kBadText = "bad text: a string ends with \" and has only the escapes \\n \\r \\t \\\\ \\\" \\xHH; *N is a number";
  Scenario scenario_;
  Section section_ = Section::kTop;
};

}  // namespace

Result<Scenario> Parse(std::string_view text, std::string_view file) { return Parser().Run(text, file); }

}  // namespace weir::scenarios
