// A suite file, as text format or YAML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "suite/suite.pb.h"
#include "weir/result.h"

namespace weir::suite {

struct SuiteFile {
  std::string path;     ///< as it was given: for messages
  std::string folder;   ///< of the file; "" is the working folder
  pb::TestSuite suite;
  std::vector<int> lines;  ///< of each case
};

/// By the name: .yaml and .yml are YAML, the rest is text format. The error has a line "FILE:LINE:COLUMN: what" for each fault.
Result<SuiteFile> ReadSuite(const std::string& path);
Result<SuiteFile> ParseText(std::string_view text, const std::string& path);
Result<SuiteFile> ParseYaml(std::string_view text, const std::string& path);

/// Whether a case uses fields that are Weir's own, so that it runs on Weir's own host.
bool UsesExtensions(const pb::Test& test);

/// "; did you mean NAME?" of the fields of `type`, or empty.
std::string NearField(const google::protobuf::Descriptor& type, std::string_view name);

}  // namespace weir::suite
