// What plugins write to `:method`, `:path` and `:authority`: checked, and brought to all the places where nginx keeps it.
#include <algorithm>

#include "nginx/request_headers.h"

namespace weir::nginx {
namespace {

struct Method {
  std::string_view name;
  ngx_uint_t value;
};
constexpr Method kMethods[] = {
    {"GET", NGX_HTTP_GET},         {"HEAD", NGX_HTTP_HEAD},           {"POST", NGX_HTTP_POST},
    {"PUT", NGX_HTTP_PUT},         {"DELETE", NGX_HTTP_DELETE},       {"OPTIONS", NGX_HTTP_OPTIONS},
    {"PATCH", NGX_HTTP_PATCH},     {"COPY", NGX_HTTP_COPY},           {"MOVE", NGX_HTTP_MOVE},
    {"MKCOL", NGX_HTTP_MKCOL},     {"PROPFIND", NGX_HTTP_PROPFIND},   {"PROPPATCH", NGX_HTTP_PROPPATCH},
    {"LOCK", NGX_HTTP_LOCK},       {"UNLOCK", NGX_HTTP_UNLOCK},       {"TRACE", NGX_HTTP_TRACE},
};

/// Visible ASCII or above: what may stand in a request line.
bool IsTarget(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
}
bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

}  // namespace

bool RequestHeaders::SetMethod(std::string_view method) {
  if (!IsToken(method)) return false;
  const ngx_str_t copy = Copy(r_->pool, method);
  if (copy.data == nullptr) return false;
  r_->method = NGX_HTTP_UNKNOWN;
  for (const Method& row : kMethods) {
    if (row.name == method) r_->method = row.value;
  }
  r_->method_name = copy;
  return true;
}

/// nginx's own parser makes `uri`, `args` and `exten` of it; plain `proxy_pass http://name;` sends the bytes as given.
bool RequestHeaders::SetPath(std::string_view path) {
  if (path.empty() || path[0] != '/' || !IsTarget(path)) return false;
  // The parser reads one byte past the end, which on the wire is a space.
  auto* bytes = static_cast<u_char*>(ngx_pnalloc(r_->pool, path.size() + 2));
  const size_t question = path.find('?');
  const size_t path_size = question == path.npos ? path.size() : question;
  auto* decoded = static_cast<u_char*>(ngx_pnalloc(r_->pool, path_size + 1));
  if (bytes == nullptr || decoded == nullptr) return false;
  std::memcpy(bytes, path.data(), path.size());
  bytes[path.size()] = ' ';
  bytes[path.size() + 1] = 0;

  const ngx_http_request_t before = *r_;  // to put back what a refused path changed
  r_->uri_start = bytes;
  r_->uri_end = bytes + path.size();
  r_->args_start = question == path.npos ? nullptr : bytes + question + 1;
  r_->uri_ext = nullptr;
  r_->uri = {path_size, decoded};
  auto* server = static_cast<ngx_http_core_srv_conf_t*>(
      ngx_http_get_module_srv_conf(r_, ngx_http_core_module));
  if (ngx_http_parse_complex_uri(r_, server->merge_slashes) != NGX_OK) {
    r_->uri_start = before.uri_start;
    r_->uri_end = before.uri_end;
    r_->args_start = before.args_start;
    r_->uri_ext = before.uri_ext;
    r_->uri = before.uri;
    return false;
  }
  r_->unparsed_uri = {path.size(), bytes};
  r_->args = {0, nullptr};
  if (question != path.npos) r_->args = {path.size() - question - 1, bytes + question + 1};
  ngx_http_set_exten(r_);
  r_->valid_unparsed_uri = 1;
  // proxy_pass with a URI part cuts the location's prefix off: only while the new path still has it.
  auto* location = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf(r_, ngx_http_core_module));
  if (!View(r_->uri).starts_with(View(location->name))) r_->valid_location = 0;
  path_changed_ = true;
  return true;
}

/// Keeps the Host header, `$host` and `$http_host` the same.
bool RequestHeaders::SetAuthority(std::string_view authority) {
  if (authority.empty() || !IsTarget(authority) || authority.find('/') != authority.npos) return false;
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  const bool has_port = colon != authority.npos && (bracket == authority.npos || colon > bracket);
  const ngx_str_t server = Copy(r_->pool, authority.substr(0, has_port ? colon : authority.size()));
  const ngx_str_t value = Copy(r_->pool, authority);
  if (server.data == nullptr || value.data == nullptr) return false;
  ngx_strlow(server.data, server.data, server.len);
  if (r_->headers_in.host != nullptr) {
    r_->headers_in.host->value = value;
  } else if (!Append("host", authority)) {
    return false;
  }
  r_->headers_in.server = server;
  return true;
}

}  // namespace weir::nginx
