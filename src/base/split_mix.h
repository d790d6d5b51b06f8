// Numbers that look random and repeat: SplitMix64. Not for secrets.
#pragma once

#include <cstdint>

namespace weir {

/// Eight bytes of state; near seeds give unlike numbers.
struct SplitMix {
  uint64_t state = 0;
  constexpr uint64_t Next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
};

}  // namespace weir
