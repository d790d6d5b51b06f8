// A map of header fields as it crosses the border. [0.2.1 §Serialization, with its errata]
//
//   count:u32 │ (key size:u32, value size:u32) × count │ (key, 0x00, value, 0x00) × count        all little-endian
//
// Empty maps: no bytes, one 0x00 byte, or a count of 0 are read; a count of 0 is written (one SDK reads the count without
// looking at the size).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/http.h"

namespace weir::proxy_wasm {

using PairViews = std::vector<std::pair<std::string_view, std::string_view>>;

struct PairLimits {
  uint32_t pairs = 1000;
  uint64_t bytes = 256ull << 10;
};

/// Views into `bytes`. nullopt: a count or length past the end, a missing 0x00, or more than `limits`.
std::optional<PairViews> ParsePairs(std::string_view bytes, const PairLimits& limits);

/// Bytes that SerializePairs would write.
uint64_t SerializedSize(const HeaderMap& map);
/// Replaces `*out`.
void SerializePairs(const HeaderMap& map, std::string* out);
void SerializePairs(const HeaderList& list, std::string* out);

}  // namespace weir::proxy_wasm
