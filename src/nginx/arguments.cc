#include "nginx/arguments.h"

#include <algorithm>
#include <charconv>

#include "base/nearest_name.h"

namespace weir::nginx {
namespace {

constexpr int64_t kTimeMaxMs = 24ll * 3600 * 1000;

std::string BadTime(std::string_view value) {
  return "\"" + std::string(value) + "\" is not a time; write a number with ms, s or m: 50ms";
}

std::string UnknownArgument(std::string_view directive, std::string_view name, std::span<const std::string_view> known) {
  std::string message = std::string(directive) + " has no argument \"" + std::string(name) + "\"";
  if (const std::string_view near = NearestName(name, {known.begin(), known.end()}); !near.empty()) {
    return message + "; did you mean \"" + std::string(near) + "=\"?";
  }
  message += "; it knows";
  for (const std::string_view one : known) message.append(" ").append(one).append("=");
  return message;
}

}  // namespace

std::string SplitArgument(std::string_view directive, std::span<const std::string_view> known, std::string_view word, size_t* row,
                          std::string_view* value) {
  const size_t equals = word.find('=');
  const std::string name(word.substr(0, equals));
  const auto found = std::find(known.begin(), known.end(), name);
  if (found == known.end()) return UnknownArgument(directive, name, known);
  if (equals == word.npos) return name + " wants a value: " + name + "=…";
  *row = static_cast<size_t>(found - known.begin());
  *value = word.substr(equals + 1);
  if (value->starts_with('\'') || value->starts_with('"')) {
    return "nginx knows quotes only around a whole argument; write '" + name + "=…' instead of " + name + "='…'";
  }
  return {};
}

std::string BadSize(std::string_view value) {
  return "\"" + std::string(value) + "\" is not a size; write bytes, or a number with k, m or g: 256m";
}

bool ParseSize(std::string_view value, uint64_t* bytes) {
  ngx_str_t text = Borrow(value);
  const off_t size = value.empty() ? NGX_ERROR : ngx_parse_offset(&text);
  if (size < 0) return false;
  *bytes = static_cast<uint64_t>(size);
  return true;
}

std::string TakeTime(std::string_view value, uint32_t* ms) {
  ngx_str_t text = Borrow(value);
  const ngx_int_t time = value.empty() ? NGX_ERROR : ngx_parse_time(&text, 0);
  if (time < 0) return BadTime(value);
  if (time < 1 || time > kTimeMaxMs) return "must be between 1ms and 24h, not " + std::string(value);
  *ms = static_cast<uint32_t>(time);
  return {};
}

std::string TakeNumber(std::string_view value, uint32_t least, uint32_t most, uint32_t* number) {
  const char* const end = value.data() + value.size();
  const auto [stop, fault] = std::from_chars(value.data(), end, *number);
  if (fault != std::errc() || stop != end || *number < least || *number > most) {
    return "must be a number from " + std::to_string(least) + " to " + std::to_string(most) + ", not \"" + std::string(value) + "\"";
  }
  return {};
}

std::string FullPath(ngx_conf_t* cf, std::string_view value) {
  ngx_str_t path = Copy(cf->pool, value);
  if (path.data == nullptr || ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) return std::string(value);
  return std::string(View(path));
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
         });
}

std::vector<std::string_view> ArgumentsOf(ngx_conf_t* cf) {
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  std::vector<std::string_view> result;
  for (ngx_uint_t i = 1; i < cf->args->nelts; i++) result.push_back(View(words[i]));
  return result;
}

char* Fail(ngx_conf_t* cf, const std::string& message) {
  const ngx_str_t text = Borrow(message);
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V", &text);
  return static_cast<char*>(NGX_CONF_ERROR);
}

}  // namespace weir::nginx
