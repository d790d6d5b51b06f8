// All cases: those of files, and those that follow from tables.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/case.h"

namespace weir::conformance {

/// A file of tests/conformance as it was when this was built.
struct EmbeddedFile {
  std::string_view path;  ///< "http-fields/get-header-map-value.not-found.case"
  std::string_view text;
};
extern const EmbeddedFile kEmbedded[];
extern const std::size_t kEmbeddedCount;

/// The text of a case, for --show and for people.
struct CaseText {
  std::string name, text;
};

/// By name. `folder` empty: the embedded ones, else NAME.case and NAME.table below it. The error names file and line.
Result<std::vector<CaseText>> LoadTexts(const std::string& folder);
Result<std::vector<Case>> LoadSuite(const std::string& folder);

/// Each pointer of each host function at the edges of the memory, read off the table of host functions.
std::vector<CaseText> PointerCases();
/// The cases of a table of functions by phases. docs/conformance.md has its format.
Result<std::vector<CaseText>> PhaseCases(std::string_view table, std::string_view file);

/// '*' and '?' as in a shell; without them: whether `name` contains `pattern`.
bool NameMatches(std::string_view name, std::string_view pattern);

}  // namespace weir::conformance
