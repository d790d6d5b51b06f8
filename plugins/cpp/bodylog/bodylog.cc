// Logs a line for each request: what was asked, what came back, how large both bodies were and how they begin. Changes
// nothing and holds nothing back (see README.md).
#include <charconv>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy_wasm.h"

namespace {

constexpr size_t kShownMax = 256;  // bytes of a body in one log line

struct Body {
  size_t size = 0;
  std::string start;
};

struct Request {
  std::string method, path, status;
  Body request, response;
};

// The whole state of the filter. An instance runs one callback at a time, so nothing is locked.
struct Filter {
  size_t shown = 32;
  std::unordered_map<uint32_t, Request> requests;  // by context id
};

Filter& State() {
  static Filter filter;
  return filter;
}

// Bytes that a log cannot show become '.'.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (c < 0x20 || c > 0x7e || c == '"') c = '.';
  }
  return text;
}

// A body callback sees one chunk: it adds up, and keeps the first bytes.
void Note(Body& body, BufferType buffer, size_t chunk_size) {
  if (body.start.size() < State().shown) {
    body.start += proxy_wasm::Buffer(buffer, 0, State().shown - body.start.size());
  }
  body.size += chunk_size;
}

std::string Describe(std::string_view name, const Body& body) {
  std::string text = " " + std::string(name) + "=" + std::to_string(body.size);
  if (!body.start.empty()) text += " \"" + Printable(body.start) + "\"";
  return text;
}

}  // namespace

extern "C" {

// The configuration is a number: how many bytes of each body to show.
uint32_t EXPORT(proxy_on_configure)(uint32_t, size_t size) {
  if (size == 0) return 1;
  std::string text = proxy_wasm::Buffer(BufferType::kPluginConfiguration, 0, size);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  size_t shown = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), shown);
  if (error != std::errc() || end != text.data() + text.size() || shown > kShownMax) {
    proxy_wasm::Log(LogLevel::kError, "bodylog: configuration: needs a number of bytes, 0 to " +
                                          std::to_string(kShownMax) + ", not \"" + Printable(text) + "\"");
    return 0;  // refuses it: the proxy does not start with it
  }
  State().shown = shown;
  return 1;
}

// Called for the plugin itself too, with parent 0.
void EXPORT(proxy_on_context_create)(uint32_t id, uint32_t parent) {
  if (parent != 0) State().requests[id];
}

Action EXPORT(proxy_on_request_headers)(uint32_t id, uint32_t, uint32_t) {
  Request& request = State().requests[id];
  request.method = proxy_wasm::Header(MapType::kRequestHeaders, ":method");
  request.path = proxy_wasm::Header(MapType::kRequestHeaders, ":path");
  return Action::kContinue;
}

Action EXPORT(proxy_on_request_body)(uint32_t id, size_t size, uint32_t) {
  Note(State().requests[id].request, BufferType::kRequestBody, size);
  return Action::kContinue;
}

Action EXPORT(proxy_on_response_headers)(uint32_t id, uint32_t, uint32_t) {
  State().requests[id].status = proxy_wasm::Header(MapType::kResponseHeaders, ":status");
  return Action::kContinue;
}

Action EXPORT(proxy_on_response_body)(uint32_t id, size_t size, uint32_t) {
  Note(State().requests[id].response, BufferType::kResponseBody, size);
  return Action::kContinue;
}

void EXPORT(proxy_on_log)(uint32_t id) {
  const auto found = State().requests.find(id);
  if (found == State().requests.end()) return;
  const Request& r = found->second;
  proxy_wasm::Log(LogLevel::kInfo, Printable(r.method) + " " + Printable(r.path) + " " + r.status +
                                       Describe("request", r.request) + Describe("response", r.response));
}

uint32_t EXPORT(proxy_on_done)(uint32_t) { return 1; }  // nothing left to do: the host may delete the context

void EXPORT(proxy_on_delete)(uint32_t id) { State().requests.erase(id); }
}
