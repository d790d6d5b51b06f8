// What nginx knows about any connection and its upstream, whether HTTP is spoken on it or not.
#pragma once

#include <optional>

#include "nginx/ngx.h"
#include "nginx/upstream_peer.h"
#include "weir/property.h"

namespace weir::nginx {

/// Those of a connection, its TLS and its certificates, and of the one to the upstream. nullopt: not known here, not yet, or another property.
std::optional<PropertyValue> ReadProperty(ngx_connection_t& connection, const UpstreamPeer& upstream, Property property);

// Values of properties: an empty text is none.
std::optional<PropertyValue> Text(std::string_view text);
std::optional<PropertyValue> Number(int64_t number);
/// Of "address:port"; none of "unix:PATH".
std::optional<PropertyValue> PortOf(std::string_view name);

}  // namespace weir::nginx
