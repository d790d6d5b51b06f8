// Text of a Prometheus label value.
#pragma once

#include <string>
#include <string_view>

namespace weir {

/// `value` between the quotes of a label: backslash, quote and newline escaped, what is no UTF-8 replaced by U+FFFD.
void AppendLabelValue(std::string_view value, std::string* out);

}  // namespace weir
