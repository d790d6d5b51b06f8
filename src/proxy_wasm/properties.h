// What a property path means, and how values cross. The table is include/weir/property.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/http.h"
#include "weir/plugin.h"
#include "weir/property.h"

namespace weir::proxy_wasm {

/// A path of the table, or a custom one.
struct PropertyPath {
  const PropertyRow* row = nullptr;  ///< null: custom
  std::string name;                  ///< of a custom one: the path with dots; of PATH.NAME in a map: NAME, a header in lower case
};

/// `path`: segments joined by NUL or '.', a trailing one allowed.
PropertyPath ParsePropertyPath(std::string_view path);

/// As Envoy writes them: bytes as they are, integers 8 bytes little-endian, bool 1 byte.
std::string EncodeProperty(const PropertyValue& value);

/// envoy.config.core.v3.Node and Locality in the wire format of protocol buffers; empty when nothing is set.
std::string EncodeNode(const Node& node);
std::string EncodeLocality(const Node& node);

/// "int64", "pairs" …: the bytes of a value.
std::string_view PropertyTypeName(PropertyType type);
std::string_view PropertyWhenText(PropertyWhen when);
/// What the table says of a row that has no value of its own: "SERIALIZATION_FAILURE: …"; empty for the others.
std::string_view PropertyRemark(const PropertyRow& row);
/// docs/properties.md.
std::string PropertiesDocument();

}  // namespace weir::proxy_wasm
