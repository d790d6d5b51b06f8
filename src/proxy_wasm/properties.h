// What a property path means, before anybody is asked for its value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/http.h"
#include "weir/property.h"

namespace weir::proxy_wasm {

/// Where the value of a path comes from.
struct PropertyPath {
  enum class Kind : uint8_t {
    kEmbedder,    ///< HttpStream::property(property)
    kMap,         ///< the whole of `map`, as pairs
    kHeader,      ///< one header of `map`: `name`, in lower case
    kUrlPath,     ///< :path without the query
    kQuery,       ///< of :path, after the '?'
    kPluginName,
    kPluginRootId,
    kPluginVmId,
    kMessage,     ///< a whole message ("request"): cannot be serialized
    kCustom,      ///< HttpStream::custom_property(name)
  } kind = Kind::kCustom;
  Property property{};
  HeaderMapKind map{};
  std::string name;
};

/// `path`: segments joined by NUL or '.', a trailing one allowed.
PropertyPath ParsePropertyPath(std::string_view path);

/// As Envoy writes them: bytes as they are, integers 8 bytes little-endian, bool 1 byte.
std::string EncodeProperty(const PropertyValue& value);

}  // namespace weir::proxy_wasm
