#include "host/call_request.h"

#include <algorithm>

#include "base/log_text.h"
#include "host/grpc_wire.h"

namespace weir {
namespace {

/// Of one connection, or made by libcurl: a plugin's are not sent. [RFC 9110 §7.6.1]
constexpr std::string_view kNotForwarded[] = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
                                              "host", "content-length", "expect", "http2-settings", "trailer"};
/// Of gRPC itself. [gRPC over HTTP/2 §Request-Headers]
constexpr std::string_view kOfGrpc[] = {"te", "content-type", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding"};

template <size_t n>
bool IsOneOf(std::string_view name, const std::string_view (&names)[n]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool HasLineEnd(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

Error Bad(std::string_view what) { return {ErrorCode::kInvalidArgument, std::string(what)}; }

/// A value of nothing but blanks needs libcurl's form for an empty one, or the header is left out.
std::string Line(std::string_view name, std::string_view value) {
  const bool blank = value.find_first_not_of(" \t") == std::string_view::npos;
  std::string line(name);
  return blank ? line.append(";") : line.append(": ").append(value);
}

Result<void> CheckPair(std::string_view name, std::string_view value) {
  if (name.empty() || name.find_first_of(": ;\t") != std::string_view::npos || HasLineEnd(name)) {
    return Bad("\"" + LogText(name, 100) + "\" is no header name");
  }
  if (HasLineEnd(value)) return Bad("header " + std::string(name) + " has a line end in its value");
  return {};
}

Result<void> CheckTarget(std::string_view path) {
  const bool bad = std::any_of(path.begin(), path.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
  if (path.empty() || bad) return Bad("\":path\" is empty, or has a blank or control character");
  return {};
}

}  // namespace

Result<std::unique_ptr<CallRequest>> MakeHttpRequest(HttpCall call, const ActiveCluster& cluster) {
  auto request = std::make_unique<CallRequest>();
  for (auto& [name, value] : call.headers) {
    if (name == ":method") request->method = value;
    else if (name == ":path") request->path = value;
    else if (name == ":authority") request->authority = value;
    if (name.starts_with(':')) {
      if (HasLineEnd(value)) return Bad("\"" + LogText(name, 100) + "\" has a line end in its value");
      continue;
    }
    if (IsOneOf(name, kNotForwarded) || (name == "te" && value != "trailers")) continue;
    WEIR_TRY_VOID(CheckPair(name, value));
    request->header_lines.push_back(Line(name, value));
  }
  if (request->method.empty() || request->path.empty() || request->authority.empty()) {
    return Bad("a call needs \":method\", \":path\" and \":authority\"");
  }
  if (request->method == "CONNECT") return Bad("\":method\" CONNECT opens a tunnel: a call cannot");
  if (request->method.find_first_of(" \t\v\f") != std::string::npos) return Bad("\":method\" has a blank");
  WEIR_TRY_VOID(CheckTarget(request->path));
  for (const auto& [name, value] : call.trailers) {
    WEIR_TRY_VOID(CheckPair(name, value));
    if (!name.starts_with(':') && !IsOneOf(name, kNotForwarded)) request->trailer_lines.push_back(name + ": " + value);
  }
  request->body = std::move(call.body);
  request->timeout_ms = call.timeout_ms ? call.timeout_ms : cluster.config.timeout_ms;
  return request;
}

Result<std::unique_ptr<CallRequest>> MakeGrpcRequest(GrpcCall call, const ActiveCluster& cluster) {
  if (cluster.config.http2 == Http2::kNever) return Bad("cluster \"" + cluster.config.name + "\" has HTTP/2 switched off, which gRPC needs");
  auto request = std::make_unique<CallRequest>();
  request->grpc = true;
  request->method = "POST";
  request->path = "/" + call.service + "/" + call.method;
  if (call.service.empty() || call.method.empty()) return Bad("a gRPC call needs a service and a method");
  WEIR_TRY_VOID(CheckTarget(request->path));
  request->timeout_ms = call.timeout_ms || !call.message ? call.timeout_ms : cluster.config.timeout_ms;
  request->header_lines = {"content-type: application/grpc", "te: trailers"};
  if (request->timeout_ms) request->header_lines.push_back("grpc-timeout: " + GrpcTimeout(request->timeout_ms));
  for (const auto& [name, value] : call.metadata) {
    if (name.starts_with(':') || IsOneOf(name, kNotForwarded) || IsOneOf(name, kOfGrpc)) continue;
    const bool binary = name.ends_with("-bin");
    WEIR_TRY_VOID(CheckPair(name, binary ? std::string_view() : value));
    request->header_lines.push_back(Line(name, binary ? EncodeBase64(value) : value));
  }
  request->body_open = !call.message;
  if (call.message) request->body = FrameGrpc(*call.message);
  request->flow = std::make_shared<GrpcFlow>();
  return request;
}

}  // namespace weir
