// UTF-8 by simdjson (AVX-512, AVX2 or SSE4.2, whatever the CPU has), and the words of the reference where it is none.
#pragma once

#include <string>
#include <string_view>

namespace weir::cclb {

bool IsValidUtf8(std::string_view text) noexcept;
/// "invalid utf-8 sequence of 1 bytes from index 6", "incomplete utf-8 byte sequence from index 6". Precondition: !IsValidUtf8(text).
std::string Utf8Fault(std::string_view text);

}  // namespace weir::cclb
