// weir.yaml -> RunConfig. The schema is docs/weir-run.md.
#pragma once

#include <string>
#include <string_view>

#include "cli/run_config.h"

namespace weir::cli {

/// `path` names the text in messages ("weir.yaml:3:5: …"), and its directory is where relative files are. Strict: an unknown
/// or repeated key is an error that says the line, the column and the nearest key. Not yet checked by CheckRunConfig.
Result<RunConfig> ParseRunYaml(std::string_view text, const std::string& path);

}  // namespace weir::cli
