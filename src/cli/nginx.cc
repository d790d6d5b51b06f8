#include "cli/nginx.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "cli/command.h"

namespace weir::cli {
namespace {

constexpr std::string_view kStreamPlaces[] = {"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules"};

bool IsProgram(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Absolute(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path absolute = std::filesystem::absolute(path, ignored);
  return absolute.empty() ? path : absolute.lexically_normal().string();
}

Result<std::string> FindProgram() {
  if (const std::string given = Environment("WEIR_NGINX"); !given.empty()) {
    if (IsProgram(given)) return Absolute(given);
    return Error{ErrorCode::kNotFound, "WEIR_NGINX is \"" + given + "\", which is not a program that can be run"};
  }
  std::string directories = Environment("PATH") + ":/usr/sbin:/usr/local/sbin:/usr/local/nginx/sbin";
  for (size_t begin = 0; begin <= directories.size();) {
    const size_t end = std::min(directories.find(':', begin), directories.size());
    const std::string program = directories.substr(begin, end - begin) + "/nginx";
    if (end > begin && IsProgram(program)) return Absolute(program);
    begin = end + 1;
  }
  return Error{ErrorCode::kNotFound,
               "there is no nginx in PATH or /usr/sbin: install it (apt-get install nginx) or name it in WEIR_NGINX"};
}

// ---- what nginx prints ----------------------------------------------------------------------------------------------------
struct Message {
  std::string_view level;  // "emerg", "warn" …; empty: not in nginx's form
  std::string text;
};

void Erase(std::string& text, std::string_view part) {
  for (size_t at = text.find(part); !part.empty() && at != text.npos; at = text.find(part)) text.erase(at, part.size());
}

// "nginx: [emerg] text in FILE:12" and "2024/01/01 00:00:00 [emerg] 12#12: *3 text", either.
Message ParseLine(std::string_view line, std::string_view prefix) {
  constexpr std::string_view kStamp = "0000/00/00 00:00:00 ";
  Message message;
  std::string_view rest = line;
  if (rest.starts_with("nginx: ")) rest.remove_prefix(7);
  if (rest.size() > kStamp.size() && rest[4] == '/' && rest[7] == '/' && rest[13] == ':') rest.remove_prefix(kStamp.size());
  if (rest.starts_with('[')) {
    const size_t close = rest.find("] ");
    if (close != rest.npos) {
      message.level = rest.substr(1, close - 1);
      rest.remove_prefix(close + 2);
    }
  }
  const size_t after_ids = rest.find_first_not_of("0123456789#");
  if (after_ids != rest.npos && after_ids > 0 && rest.substr(after_ids).starts_with(": ") &&
      rest.substr(0, after_ids).find('#') != rest.npos) {
    rest.remove_prefix(after_ids + 2);
  }
  if (rest.starts_with("weir: ")) rest.remove_prefix(6);
  message.text = rest;
  // " in PREFIX/nginx.conf:12": a generated file, of no use to the reader.
  const size_t in = message.text.find(" in " + std::string(prefix) + "/nginx.conf");
  if (in != message.text.npos) {
    const size_t end = message.text.find_first_not_of("0123456789", message.text.find(':', in) + 1);
    message.text.erase(in, end == message.text.npos ? end : end - in);
  }
  Erase(message.text, std::string(prefix) + "/");
  return message;
}

std::vector<Message> ParseLines(std::string_view output, std::string_view prefix) {
  std::vector<Message> messages;
  for (size_t begin = 0; begin < output.size();) {
    const size_t end = std::min(output.find('\n', begin), output.size());
    Message message = ParseLine(output.substr(begin, end - begin), prefix);
    begin = end + 1;
    const bool noise = message.text.empty() || message.text.starts_with("configuration file ") ||
                       message.text.starts_with("the configuration file ");
    if (noise || (!messages.empty() && messages.back().text == message.text)) continue;
    messages.push_back(std::move(message));
  }
  return messages;
}

// module "FILE" version 1022001 instead of 1031005
std::optional<std::string> ExplainModule(const std::string& text, const Nginx& nginx) {
  const size_t open = text.find("module \""), close = text.find('"', open == text.npos ? open : open + 8);
  if (open != 0 || close == text.npos) return std::nullopt;
  const std::string file = text.substr(8, close - 8);
  std::string_view rest = std::string_view(text).substr(close + 1);
  std::string built_for;
  if (rest.starts_with(" version ")) {
    rest.remove_prefix(9);
    built_for = " built for NGINX " + VersionOfNumber(rest.substr(0, rest.find(' ')));
  } else if (rest.starts_with(" is not binary compatible")) {
    built_for = " built with other options";
  } else {
    return std::nullopt;
  }
  return "the module " + file + " was" + built_for + ", and " + nginx.path + " is NGINX " + nginx.version +
         ": build the module for it (make build, with that NGINX's nginx-dev), or name a pair that fits in WEIR_NGINX and"
         " WEIR_MODULES";
}

}  // namespace

std::string VersionOfNumber(std::string_view number) {
  unsigned value = 0;
  const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (fault != std::errc() || end != number.data() + number.size()) return std::string(number);
  return std::to_string(value / 1'000'000) + "." + std::to_string(value / 1000 % 1000) + "." + std::to_string(value % 1000);
}

Result<Nginx> FindNginx() {
  Nginx nginx;
  WEIR_TRY(nginx.path, FindProgram());
  WEIR_TRY(const CommandOutput output, RunCommand({nginx.path, "-v"}));
  constexpr std::string_view kBefore = "nginx version: ";
  const size_t at = output.text.find(kBefore), slash = output.text.find('/', at == output.text.npos ? 0 : at);
  if (output.exit_code != 0 || at == output.text.npos || slash == output.text.npos) {
    return Error{ErrorCode::kNotFound, nginx.path + " is not NGINX: `nginx -v` printed \"" +
                                           output.text.substr(0, output.text.find('\n')) + "\""};
  }
  nginx.version = output.text.substr(slash + 1, output.text.find_first_of(" \n", slash) - slash - 1);
  return nginx;
}

std::string FindStream() {
  std::vector<std::string> places(std::begin(kStreamPlaces), std::end(kStreamPlaces));
  if (const std::string given = Environment("WEIR_MODULES"); !given.empty()) places.insert(places.begin(), given);
  for (const std::string& place : places) {
    const std::string file = Absolute(place) + "/ngx_stream_module.so";
    if (access(file.c_str(), R_OK) == 0) return file;
  }
  return "";
}

Result<std::string> FindModule(const Nginx& nginx, std::string_view file_name) {
  std::vector<std::string> places;
  if (const std::string given = Environment("WEIR_MODULES"); !given.empty()) {
    places = {given};
  } else {
    std::error_code ignored;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
    const std::filesystem::path lib = self.parent_path().parent_path() / "lib";
    places = {lib / "weir" / "nginx" / nginx.version, lib, "/usr/lib/nginx/modules"};
  }
  std::string looked;
  for (const std::string& place : places) {
    const std::string file = Absolute(place) + "/" + std::string(file_name);
    if (access(file.c_str(), R_OK) == 0) return file;
    looked += (looked.empty() ? "" : ", ") + place;
  }
  return Error{ErrorCode::kNotFound, std::string(file_name) + " for NGINX " + nginx.version + " is in none of " + looked +
                                         ": build it (make build) or name its directory in WEIR_MODULES"};
}

std::string ReadableErrors(std::string_view output, const Nginx& nginx, std::string_view prefix) {
  std::string errors, everything;
  for (const Message& message : ParseLines(output, prefix)) {
    const std::string text = ExplainModule(message.text, nginx).value_or(message.text);
    everything += (everything.empty() ? "" : "\n") + text;
    const bool error = message.level == "emerg" || message.level == "alert" || message.level == "crit" || message.level == "error";
    // A line without a level goes on what the last error began (a backtrace).
    const bool more = message.level.empty() && !errors.empty();
    if (error || more) errors += (errors.empty() ? "" : "\n") + text;
  }
  return errors.empty() ? everything : errors;
}

std::vector<std::string> Warnings(std::string_view output, std::string_view prefix) {
  std::vector<std::string> warnings;
  for (Message& message : ParseLines(output, prefix)) {
    if (message.level == "warn") warnings.push_back(std::move(message.text));
  }
  return warnings;
}

}  // namespace weir::cli
