// The guest of a case: a module that plays the transcript and says by proxy_log what it saw, so that any host can run it.
//
//   case: proxy_on_request_headers(2, 5, 1);
//   case: 14 proxy_get_header_map_value -> 0 "value";        14: the line of the case; 0: the status; then the outputs
//   case: 15 proxy_continue_request -> ();
#pragma once

#include <string>

#include "conformance/case.h"

namespace weir::conformance {

inline constexpr std::string_view kMark = "case: ";

/// WebAssembly text. The n-th call of a callback plays its n-th block; one with no block left is said and does nothing.
std::string GuestWat(const Case& one, size_t plugin, proxy_wasm::Version version);

}  // namespace weir::conformance
