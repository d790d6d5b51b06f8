#include "proxy_wasm/core.h"

#include <cstdio>

namespace weir::proxy_wasm {
namespace {

bool IsPlain(unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

std::string Escaped(std::string_view line) {
  std::string text;
  for (unsigned char c : line) {
    if (IsPlain(c)) {
      text += char(c);
    } else {
      char hex[5];
      std::snprintf(hex, sizeof hex, "\\x%02x", c);
      text += hex;
    }
  }
  return text;
}

bool AllPlain(std::string_view line) {
  for (unsigned char c : line)
    if (!IsPlain(c)) return false;
  return true;
}

}  // namespace

std::string Core::prefix() const {
  return "plugin \"" + spec.name + "\"" + (spec.path.empty() ? "" : " (" + spec.path + ")") + ": ";
}

void Core::Log(LogLevel level, std::string_view text) {
  if (level < host.log.level()) return;
  const size_t max = spec.limits.log_line_bytes;
  size_t lines = 0;
  for (size_t at = 0; at <= text.size();) {
    if (++lines > kLogLinesMax && at < text.size()) {
      host.log.Write(level, spec.name, "[cut: " + std::to_string(text.size() - at) + " more bytes of one message]");
      return;
    }
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, std::min(end - at, max));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool last = end == text.size();
    if (!(last && line.empty() && at > 0)) {  // a final newline makes no empty line
      if (AllPlain(line)) {
        host.log.Write(level, spec.name, line);
      } else {
        const std::string escaped = Escaped(line);
        host.log.Write(level, spec.name, std::string_view(escaped).substr(0, max));
      }
    }
    at = end + 1;
  }
}

void Core::LogOnce(std::string_view key, LogLevel level, std::string_view text) {
  if (said.size() >= kSaidMax || said.contains(key)) return;
  said.emplace(key);
  Log(level, text);
}

void Core::Rejected(std::string_view call, std::string_view reason) {
  ++stats.host_calls_rejected;
  statistics.Rejected(call, reason);
}

void Core::CallEnded(std::string_view upstream, std::string_view outcome, uint64_t duration_ns) {
  statistics.CallEnded(upstream, outcome, duration_ns);
  if (outcome == kCancelled) {
    ++stats.calls_cancelled;
  } else if (outcome != kEndedOk) {
    ++stats.calls_failed;
  }
}

}  // namespace weir::proxy_wasm
