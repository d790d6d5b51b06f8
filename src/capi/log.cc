#include "capi/log.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace weir::capi {
namespace {

using extism::LogLevel;

constexpr std::string_view kTarget = "extism::pdk";

struct LevelRow {
  const char* name;
  const char* number;
  LogLevel level;
  const char* label;
  const char* color;
};
constexpr LevelRow kLevels[] = {
    {"trace", "5", LogLevel::kTrace, "TRACE", "\x1b[35m"}, {"debug", "4", LogLevel::kDebug, "DEBUG", "\x1b[34m"},
    {"info", "3", LogLevel::kInfo, " INFO", "\x1b[32m"},   {"warn", "2", LogLevel::kWarn, " WARN", "\x1b[33m"},
    {"error", "1", LogLevel::kError, "ERROR", "\x1b[31m"}, {"off", "0", LogLevel::kOff, "", ""},
};

std::optional<LogLevel> ParseLevel(std::string_view text) {
  for (const LevelRow& row : kLevels) {
    const std::string_view name = row.name;
    if (text == row.number || (text.size() == name.size() && strncasecmp(text.data(), row.name, name.size()) == 0)) return row.level;
  }
  return std::nullopt;
}

std::string Now() {
  timeval now;
  gettimeofday(&now, nullptr);
  tm parts;
  gmtime_r(&now.tv_sec, &parts);
  std::array<char, 64> text;
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + length, text.size() - length, ".%06ldZ", static_cast<long>(now.tv_usec));
  return text.data();
}

}  // namespace

LogLevel LevelOf(std::string_view filter) {
  if (const auto level = ParseLevel(filter); level && *level != LogLevel::kOff) return *level;
  LogLevel best = LogLevel::kError;
  size_t best_length = 0;  // the directive with the longest target counts
  bool any = false;
  while (!filter.empty()) {
    const size_t end = std::min(filter.find(','), filter.size());
    const std::string_view directive = filter.substr(0, end);
    filter.remove_prefix(std::min(end + 1, filter.size()));
    const size_t equals = directive.find('=');
    std::string_view target = directive.substr(0, equals);
    auto level = equals == directive.npos ? std::optional(LogLevel::kTrace) : ParseLevel(directive.substr(equals + 1));
    if (equals == directive.npos) {
      if (const auto bare = ParseLevel(directive)) {
        level = bare;
        target = {};
      }
    }
    const bool meant = kTarget.starts_with(target) && (target.size() == kTarget.size() || target.empty() || kTarget.substr(target.size()).starts_with("::"));
    if (!level || !meant || (any && target.size() < best_length)) continue;
    any = true;
    best = *level;
    best_length = target.size();
  }
  return best;
}

bool Log::OpenFile(const std::string& name, std::string_view filter) {
  std::lock_guard lock(mutex_);
  if (open_) return false;
  if (name == "-" || name == "stderr" || name == "stdout") {
    fd_ = name == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
    color_ = true;
  } else {
    fd_ = open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ < 0) return false;
  }
  open_ = true;
  level_ = LevelOf(filter);
  return true;
}

bool Log::OpenBuffer(std::string_view filter) {
  std::lock_guard lock(mutex_);
  if (open_) return false;
  open_ = buffered_ = true;
  level_ = LevelOf(filter);
  return true;
}

void Log::Drain(void (*handler)(const char*, uint64_t)) {
  std::vector<std::string> lines;
  {
    std::lock_guard lock(mutex_);
    lines.swap(lines_);
  }
  for (const std::string& line : lines) handler(line.c_str(), line.size());  // the handler may log
}

void Log::Write(LogLevel level, std::string_view plugin_id, std::string_view message) {
  const LevelRow& row = kLevels[static_cast<size_t>(level)];
  std::lock_guard lock(mutex_);
  const std::string on = color_ ? row.color : "", off = color_ ? "\x1b[0m" : "";
  std::string line = Now() + " " + on + row.label + off + " " + std::string(kTarget) + ": " + std::string(message) + " plugin=\"" + std::string(plugin_id) + "\"\n";
  if (buffered_) {
    lines_.push_back(std::move(line));
  } else {
    for (std::string_view rest = line; !rest.empty();) {
      const ssize_t wrote = write(fd_, rest.data(), rest.size());
      if (wrote <= 0) break;
      rest.remove_prefix(static_cast<size_t>(wrote));
    }
  }
}

}  // namespace weir::capi
