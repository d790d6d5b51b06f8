// SHA-256 (FIPS 180-4), by libcrypto: it has the CPU's instructions, and a module may be 30 MB.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

using Sha256Digest = std::array<uint8_t, 32>;

/// Of all `parts` one after the other.
Sha256Digest Sha256(std::initializer_list<std::string_view> parts);
/// Lower case, two characters a byte.
std::string Hex(const Sha256Digest& digest);

}  // namespace weir
