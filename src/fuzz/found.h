// Suites: read for inputs to begin from, and written of what was found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "suite/read.h"

namespace weir::fuzz {

/// What each case of a suite gives to a plugin, without what it expects. Files beside the suite are read into it.
Result<std::vector<pb::Test>> Inputs(const suite::SuiteFile& file);

/// Every suite (.textpb, .txtpb, .pbtxt, .yaml, .yml) in the folder `path`, by name; or the one file. kInvalidArgument: none there, or a bad one.
Result<std::vector<pb::Test>> ReadCorpus(const std::string& path);

/// The first line of a suite that was written here: such a file may be written over.
inline constexpr std::string_view kMark = "# Found by weir fuzz";

/// The findings as a suite, with a comment on each; YAML by the name, as ReadSuite. `command`: how it was found.
std::string SuiteOf(const FuzzReport& report, std::string_view command, bool yaml);

}  // namespace weir::fuzz
