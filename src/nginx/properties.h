// What nginx knows about a request, as Envoy's attributes; and nginx's variables under "ngx.".
#pragma once

#include <optional>

#include "nginx/ngx.h"
#include "weir/property.h"

namespace weir::nginx {

/// nullopt: not known here, or not yet.
std::optional<PropertyValue> ReadProperty(ngx_http_request_t* r, Property property);

/// "ngx.NAME" is `$NAME`.
std::optional<std::string> ReadVariable(ngx_http_request_t* r, std::string_view path);
/// Only variables that the configuration made (set, map, geo …). False: no such, or it is nginx's own.
bool WriteVariable(ngx_http_request_t* r, std::string_view path, std::string_view value);

}  // namespace weir::nginx
