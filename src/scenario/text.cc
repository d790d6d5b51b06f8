#include "scenario/text.h"

#include <algorithm>
#include <charconv>

#include "host/log.h"

namespace weir::scenarios {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

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

namespace {
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::optional<std::string> Quoted(std::string_view text, size_t* end) {
  std::string out;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return *end = i + 1, out;
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
  size_t end = rest.size();
  std::optional<std::string> once = rest.starts_with('"') ? Quoted(rest, &end) : std::string(rest);
  if (!once || end != rest.size()) return std::nullopt;
  std::string all;
  for (uint64_t i = 0; i < times; ++i) all += *once;
  return all;
}

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

std::string SetPluginOption(PluginSpec* spec, std::string_view key, std::string_view value) {
  if (key == "root_id") return spec->root_id = value, "";
  if (key == "vm_id") return spec->vm_id = value, "";
  if (key == "stderr_level") {
    const auto level = LogLevelOf(value);
    if (level) spec->stderr_level = *level;
    return level ? "" : "stderr_level wants trace, debug, info, warn, error or critical";
  }
  if (key == "vm_config") return spec->vm_configuration = value, "";
  if (key == "env") {
    const size_t equals = value.find('=');
    if (equals == value.npos) return "env wants NAME=VALUE";
    return spec->environment.emplace_back(value.substr(0, equals), value.substr(equals + 1)), "";
  }
  if (key == "allow") {
    auto allow = ParseAllow(value);
    if (!allow) return allow.error().message;
    return spec->allow = *std::move(allow), "";
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
  if (key == "allow") {
    auto allow = ParseAllow(value);
    if (!allow) return allow.error().message;
    return spec->allow = *std::move(allow), "";
  }
  if (key == "header_pause" && value == "stream") return spec->header_pause = HeaderPause::kStream, "";
  if (key == "header_pause" && value == "headers_only") return spec->header_pause = HeaderPause::kHeadersOnly, "";
  if (key == "on_buffer_full" && value == "reject") return spec->on_buffer_full = OnBufferFull::kReject, "";
  if (key == "on_buffer_full" && value == "release") return spec->on_buffer_full = OnBufferFull::kRelease, "";
  return "unknown option or value \"" + std::string(key) + "=" + std::string(value) + "\"";
}

}  // namespace weir::scenarios
