// Properties of a stream in memory that its test or scenario says: what only a real proxy would know.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "weir/property.h"

namespace weir {

struct GivenProperties {
  std::map<Property, PropertyValue> properties;
  std::map<std::string, std::string, std::less<>> variables;  ///< "ngx.…"; those that are here may be written

  /// `path` is a row that the embedder answers, or "ngx.NAME". Numbers and times (nanoseconds) in decimal, booleans true or false.
  /// Returns what is wrong; empty: taken.
  std::string Give(std::string_view path, std::string_view text);
};

}  // namespace weir
