#include "capi/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <deque>
#include <mutex>

#include "capi/extism.h"
#include "capi/log_filter.h"
#include "extism/utf8.h"

namespace weir::capi {
namespace {

using extism::LogLevel;

constexpr size_t kKeptBytesMax = 64 << 20;  // of lines that nobody drains; later ones are counted, not kept
constexpr int kKeep = -1;                   // in place of a file

/// The one log of the process, which extism_log_file or extism_log_custom sets once. It is never destroyed: plugins may log until the end.
struct Log {
  std::mutex mutex;
  bool set = false;
  int file = kKeep;
  bool colours = false;
  LogLevel plugins = LogLevel::kOff;
  std::deque<std::string> kept;
  size_t kept_bytes = 0, dropped = 0;
  std::atomic<LogLevel> level{LogLevel::kOff};
};
Log& log() {
  static Log* const log = new Log;
  return *log;
}

constexpr struct {
  const char* name;
  const char* colour;  ///< SGR of ECMA-48
} kLevels[] = {{"TRACE", "35"}, {"DEBUG", "34"}, {" INFO", "32"}, {" WARN", "33"}, {"ERROR", "31"}};

std::string Now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                parts.tm_min, parts.tm_sec, now.tv_nsec / 1000);
  return text;
}

/// A plugin does not write to the terminal's controls.
std::string Harmless(std::string_view text) {
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0x1b || byte == 0x07 || byte == 0x08 || byte == 0x0c || byte == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  return out;
}

/// As the reference prints it: time, level, who, text, and the plugin.
std::string Line(LogLevel level, std::string_view plugin, std::string_view message, bool colours) {
  const auto& row = kLevels[static_cast<size_t>(level)];
  const auto in = [&](const char* sgr, std::string text) { return colours ? "\x1b[" + std::string(sgr) + "m" + text + "\x1b[0m" : text; };
  return in("2", Now()) + " " + in(row.colour, row.name) + " " + in("2", "extism::pdk") + in("2", ":") + " " + Harmless(message) + " " +
         in("3", "plugin") + in("2", "=") + "\"" + std::string(plugin) + "\"\n";
}

void WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nowhere to say so
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void Keep(Log& log, std::string line) {
  if (line.size() > kKeptBytesMax - log.kept_bytes) {
    ++log.dropped;
    return;
  }
  log.kept_bytes += line.size();
  log.kept.push_back(std::move(line));
}

void Write(LogLevel level, std::string_view plugin, std::string_view message) {
  Log& to = log();
  std::lock_guard lock(to.mutex);
  if (!to.set || level < to.plugins) return;
  std::string line = Line(level, plugin, message, to.colours);
  if (to.file == kKeep) {
    Keep(to, std::move(line));
  } else {
    WriteAll(to.file, line);
  }
}

/// nullopt: `text` is not UTF-8. Null is the default.
std::optional<LogFilter> FilterOf(const char* text) {
  if (text == nullptr) text = "error";
  if (extism::Utf8Fault(text)) return std::nullopt;
  return ParseLogFilter(text);
}

void Set(Log& log, const LogFilter& filter, int file, bool colours) {
  log.set = true;
  log.file = file;
  log.colours = colours;
  log.plugins = filter.plugins;
  log.level = filter.most;
}

}  // namespace

extism::LogSink ProcessLog() { return {.shared_level = &log().level, .write = Write}; }

}  // namespace weir::capi

using weir::capi::log;

extern "C" {

bool extism_log_file(const char* filename, const char* log_level) {
  const std::string_view name = filename == nullptr ? "stderr" : filename;
  const auto filter = weir::capi::FilterOf(log_level);
  if (!filter || weir::extism::Utf8Fault(name)) return false;
  std::lock_guard lock(log().mutex);
  if (log().set) return false;
  if (name == "-" || name == "stderr" || name == "stdout") {
    weir::capi::Set(log(), *filter, name == "stdout" ? STDOUT_FILENO : STDERR_FILENO, /*colours=*/true);
    return true;
  }
  const int file = open(filename, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return false;
  weir::capi::Set(log(), *filter, file, /*colours=*/false);
  return true;
}

bool extism_log_custom(const char* log_level) {
  const auto filter = weir::capi::FilterOf(log_level);
  if (!filter) return false;
  std::lock_guard lock(log().mutex);
  if (log().set) return false;
  weir::capi::Set(log(), *filter, weir::capi::kKeep, /*colours=*/false);
  return true;
}

void extism_log_drain(ExtismLogDrainFunctionType handler) {
  if (handler == nullptr) return;
  std::deque<std::string> lines;
  size_t dropped = 0;
  {
    // The handler may call plugins, which log.
    std::lock_guard lock(log().mutex);
    lines.swap(log().kept);
    log().kept_bytes = 0;
    std::swap(dropped, log().dropped);
  }
  if (dropped != 0) lines.push_back(weir::capi::Now() + "  WARN extism::sdk: " + std::to_string(dropped) + " lines were dropped: drain more often\n");
  for (const std::string& line : lines) handler(line.c_str(), line.size());
}

}  // extern "C"
