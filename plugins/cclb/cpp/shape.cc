// A dialect: makes the upstream's request of the client's, and gives clients one body for all failures of upstreams.
#include "cc_lb.h"

namespace {

using cc_lb::Json;

/// Names of headers come as the client wrote them.
bool IsNamed(std::string_view name, std::string_view lower) {
  if (name.size() != lower.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower[i]) return false;
  }
  return true;
}

/// Of this connection or the client's own secret.
bool IsDropped(std::string_view name) {
  for (const char* const dropped : {"host", "connection", "content-length", "authorization", "x-api-key"}) {
    if (IsNamed(name, dropped)) return true;
  }
  return false;
}

cc_lb::Answer Shape(const Json& call) {
  const Json request = call["request"];
  const Json base = call["upstream_base_url"];  // v2: absent in v1
  std::string headers;
  request["headers"].EachElement([&](Json header) {
    if (!IsDropped(header["name"].Raw())) headers += std::string(header.text()) + ",";
  });
  headers += R"({"name":"x-shaped-by","value_base64":"Y3BwLXNoYXBl"})";  // "cpp-shape"
  std::string url(base.IsPresent() ? base.Raw() : "https://api.anthropic.com");
  url += request["path"].Raw();
  if (request["query"].IsPresent()) url += "?" + std::string(request["query"].Raw());
  return {"\"url\":\"" + url + "\",\"method\":" + std::string(request["method"].text()) + ",\"headers\":[" + headers +
              "],\"body_base64\":" + std::string(request["body_base64"].text()),
          {}};
}

cc_lb::Answer NormalizeError(const Json& call) {
  // {"error":"upstream"} from 500 on; null leaves the upstream's body.
  return {call["status"].Number() >= 500 ? "\"body_base64\":\"eyJlcnJvciI6InVwc3RyZWFtIn0=\"" : "\"body_base64\":null", {}};
}

constexpr cc_lb::Function kFunctions[] = {
    {"shape", Shape, R"({"request":{"headers":[],"method":"POST","path":"/v1/messages","query":null,"body_base64":""}})"},
    {"normalize_error", NormalizeError, R"({"status":500,"body_base64":""})"}};

}  // namespace

CC_LB_PLUGIN("cpp-shape", "0.1.0", kFunctions)
CC_LB_EXPORT(shape, Shape)
CC_LB_EXPORT(normalize_error, NormalizeError)
