// The words and texts of which lines of scenarios and conformance cases are made. docs/scenarios.md has the rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/plugin.h"

namespace weir::scenarios {

/// Without blanks (and a carriage return) around it.
std::string_view Trim(std::string_view text);
/// Takes the first word off `*rest`, and the blanks behind it.
std::string_view Word(std::string_view* rest);
/// Decimal, all of it.
std::optional<uint64_t> Number(std::string_view text);
/// A number, k, m or g may follow.
std::optional<uint64_t> Size(std::string_view text);
/// "50ms" or "2s", in milliseconds.
std::optional<uint32_t> Milliseconds(std::string_view text);
/// TEXT of a line: as it is; in quotes with escapes; `*N TEXT` repeats it. nullopt: malformed (kBadText says how).
std::optional<std::string> Text(std::string_view rest);
/// What stands between the quotes at the beginning of `text`; `*end` is set behind the closing one. nullopt: malformed.
std::optional<std::string> Quoted(std::string_view text, size_t* end);
inline constexpr std::string_view kBadText =
    "bad text: a string ends with \" and has only the escapes \\n \\r \\t \\\\ \\\" \\xHH; *N is a number";

/// One `option=value` of weir_plugin. An error message, or empty.
std::string SetPluginOption(PluginSpec* spec, std::string_view key, std::string_view value);

}  // namespace weir::scenarios
