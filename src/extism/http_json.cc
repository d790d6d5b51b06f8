#include "extism/http_json.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

namespace weir::extism {

Result<std::string> HostOfUrl(std::string_view url) {
  const auto fail = [](const char* why) { return Error{ErrorCode::kInvalidArgument, why}; };
  // What clients read differently is refused, so that the host that is checked is the one that is connected to.
  for (const char c : url) {
    if (c <= ' ' || c == '\\' || c == '\x7f' || static_cast<signed char>(c) < 0) return fail("a character that no URL has");
  }
  const size_t scheme = url.find("://");
  if (scheme == url.npos || scheme == 0) return fail("no scheme");
  std::string_view rest = url.substr(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (const size_t user = rest.find('@'); user != rest.npos) rest.remove_prefix(user + 1);
  if (rest.find_first_of("@%") != rest.npos) return fail("an odd host");
  const size_t end = rest.starts_with('[') ? rest.find(']') + 1 : rest.find(':');
  std::string host(rest.substr(0, end));
  if (host.empty() || (rest.starts_with('[') && end == 0)) return fail("no host");
  std::transform(host.begin(), host.end(), host.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return host;
}

std::string JsonOf(const std::map<std::string, std::string>& headers) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer writer(buffer);
  writer.StartObject();
  for (const auto& [name, value] : headers) {
    writer.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
    writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace weir::extism
