// Stacks as a picture: https://www.brendangregg.com/flamegraphs.html says how to read it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::measure {

struct Stack {
  std::vector<std::string> frames;  ///< outermost first
  uint64_t samples = 0;
};

/// An SVG that needs nothing else: the outermost frames at the bottom, as wide as their share of the samples; the whole name and the
/// share show under the pointer. Frames narrower than a tenth of a pixel are left out.
std::string FlameGraph(std::span<const Stack> stacks, std::string_view title);

/// "a;b;c 12", one stack a line: what other tools read.
std::string FoldedStacks(std::span<const Stack> stacks);

}  // namespace weir::measure
