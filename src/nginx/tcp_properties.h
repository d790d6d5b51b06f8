// What nginx knows about a TCP session, as Envoy's attributes; and the variables of stream{} under "ngx.".
#pragma once

#include <optional>

#include "nginx/ngx_stream_api.h"
#include "nginx/upstream_peer.h"
#include "weir/property.h"

namespace weir::nginx {

/// nullopt: not known here, or not yet.
std::optional<PropertyValue> ReadProperty(ngx_stream_session_t* s, const UpstreamPeer& upstream, Property property);

/// "ngx.NAME" is `$NAME`.
std::optional<std::string> ReadVariable(ngx_stream_session_t* s, std::string_view path);
/// Only variables that the configuration made (set, map, geo …). False: no such, or it is nginx's own.
bool WriteVariable(ngx_stream_session_t* s, std::string_view path, std::string_view value);

}  // namespace weir::nginx
