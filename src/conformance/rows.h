// What the tables of the ABI and the specification's headings say of a name in a case.
#pragma once

#include <string>
#include <string_view>

#include "conformance/case.h"

namespace weir::conformance {

/// "HTTP fields" -> "http-fields".
std::string Slug(std::string_view heading);
/// The heading of the specification with that slug; empty: none has it.
std::string SectionOf(std::string_view slug);
/// The row of a call. Two rows of one name differ in having a result. Null: no such function.
const abi::HostFunction* FindRow(std::string_view name, bool result, std::string_view* module);

}  // namespace weir::conformance
