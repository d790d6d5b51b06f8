// Text of a plugin as it may stand in a log: one line, no control characters.
#pragma once

#include <string>
#include <string_view>

namespace weir {

/// `line` with control characters (ASCII, DEL and the C1 set of Unicode) and bytes that are not UTF-8 as "\xNN"; tabs stay.
/// At most `max_bytes`; an escape or a character that does not fit whole is left out with all after it.
std::string LogText(std::string_view line, size_t max_bytes);

}  // namespace weir
