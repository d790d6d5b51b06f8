// The choices of one candidate: a few words of state, the same for the same seed on every machine.
#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>

#include "base/split_mix.h"

namespace weir::fuzz {

class Random {
 public:
  explicit Random(uint64_t seed) : numbers_{seed} {}
  uint64_t Next() { return numbers_.Next(); }
  /// In [0, end); 0 where `end` is 0.
  uint64_t Below(uint64_t end) { return end == 0 ? 0 : Next() % end; }
  /// Both ends are possible.
  uint64_t Between(uint64_t least, uint64_t most) { return least + Below(most - least + 1); }
  bool Chance(unsigned percent) { return Below(100) < percent; }
  /// `all` is not empty.
  template <class Many>
  auto& Pick(Many&& all) {
    return *std::next(std::begin(all), ptrdiff_t(Below(std::size(all))));
  }

 private:
  SplitMix numbers_;
};

}  // namespace weir::fuzz
