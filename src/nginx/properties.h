// What nginx knows about a request, as Envoy's attributes; and nginx's variables under "ngx.".
#pragma once

#include <optional>

#include "nginx/ngx.h"
#include "nginx/tls.h"
#include "nginx/upstream_peer.h"
#include "weir/property.h"

namespace weir::nginx {

/// How an attempt at an upstream ended without an answer, in Envoy's words.
struct UpstreamFailure {
  int64_t flag;                ///< of response.flags
  std::string_view details;    ///< response.code_details
  std::string_view transport;  ///< upstream.transport_failure_reason; empty: the connection was there
};
/// Null: it answered, none was asked, or the attempt goes on.
const UpstreamFailure* FailureOf(const ngx_http_request_t* r);

/// nullopt: not known here, or not yet.
std::optional<PropertyValue> ReadProperty(ngx_http_request_t* r, const UpstreamPeer& upstream, Property property);

/// "ngx.NAME" is `$NAME`.
std::optional<std::string> ReadVariable(ngx_http_request_t* r, std::string_view path);
/// Only variables that the configuration made (set, map, geo …). False: no such, or it is nginx's own.
bool WriteVariable(ngx_http_request_t* r, std::string_view path, std::string_view value);

}  // namespace weir::nginx
