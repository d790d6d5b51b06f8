// SHA-256 [FIPS 180-4], by the CPU's instructions where it has them: a module may be 30 MB. Of our own, since libextism.a may need no libcrypto.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

using Sha256Digest = std::array<uint8_t, 32>;

/// Of all `parts` one after the other.
Sha256Digest Sha256(std::initializer_list<std::string_view> parts);
/// The same without the CPU's instructions for it.
Sha256Digest Sha256Portable(std::initializer_list<std::string_view> parts);
/// Lower case, two characters a byte.
std::string Hex(const Sha256Digest& digest);

}  // namespace weir
