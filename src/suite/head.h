// A message's head as HTTP/1 text, as the tester reads it: pseudo headers from the first line, names in lower case.
#pragma once

#include <string_view>

#include "weir/http.h"
#include "weir/result.h"

namespace weir::suite {

/// A bare LF also ends a line; what follows an empty line is not looked at. Folds nothing.
Result<HeaderList> ParseHead(std::string_view text, Direction direction);

}  // namespace weir::suite
