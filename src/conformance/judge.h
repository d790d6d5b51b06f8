// What a case expects its guests to say, line by line, and whether they said it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/case.h"

namespace weir::conformance {

/// Text and values in turn.
struct Piece {
  std::string text;   ///< empty: `value`
  Value value;
  bool status = false;
  bool rest = false;  ///< anything up to the final ';'
};
struct ExpectedLine {
  int line = 0;       ///< of the case
  size_t plugin = 0;
  bool at_unload = false;
  std::vector<Piece> pieces;
};

/// In order, for all plugins.
std::vector<ExpectedLine> ExpectedLines(const Case& one, proxy_wasm::Version version, Statuses statuses);

using Variables = std::map<std::string, std::string>;
/// Whether `said` (from "case: " to ';') is that line; binds variables.
bool Matches(const ExpectedLine& expected, std::string_view said, Variables* variables);

/// For people: `proxy_get_header_map_value -> NOT_FOUND`.
std::string Readable(const ExpectedLine& expected);
std::string Readable(std::string_view said);
/// A regular expression of Python's for that line; variables are named groups, good over a whole transcript.
std::string Pattern(const ExpectedLine& expected, Variables* seen);

/// What differs between a transcript and what was said; empty: nothing.
std::vector<std::string> Judge(const std::vector<ExpectedLine>& expected, const std::vector<std::string>& said);

}  // namespace weir::conformance
