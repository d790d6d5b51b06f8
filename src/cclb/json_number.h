// Numbers of JSON: read with the reference's conversion, written with its format.
#pragma once

#include <cstdint>
#include "cclb/json_tree.h"
#include "cclb/out.h"

namespace weir::cclb {

struct JsonNumber {
  JsonKind kind = JsonKind::kUint;  ///< kUint, kInt or kDouble
  uint64_t bits = 0;                ///< the number, or the bits of the double
  const char* fault = nullptr;      ///< not null: what is wrong at `next`
  const char* next = nullptr;       ///< after the number
};

/// A number at `p`, which is '-' or a digit.
JsonNumber ReadJsonNumber(const char* p, const char* end) noexcept;

/// Shortest digits that read back as the same value: "1.0", "0.1", "1e+16", "1e-7"; "null" unless finite.
void AppendDouble(double value, Out* out);
/// The same for a float: its exponents begin at 1e+13 and below 1e-6.
void AppendFloat(float value, Out* out);
void AppendUint(uint64_t value, Out* out);
void AppendInt(int64_t value, Out* out);

}  // namespace weir::cclb
