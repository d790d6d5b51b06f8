// Of many measurements, a few numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::measure {

/// Of `values`, in any order. `share` in [0, 1]: 0.5 is the median. 0 of none. Between two values the nearer one.
double Percentile(std::vector<double> values, double share);

struct Summary {
  size_t count = 0;
  double median = 0, p99 = 0, mean = 0, max = 0;
};
Summary Summarize(std::span<const double> values);

/// Where the median lies with 95 % confidence, by resampling: `low` … `high`.
struct Interval {
  double middle = 0, low = 0, high = 0;
};
/// Of the median of `values`.
Interval MedianInterval(std::span<const double> values);
/// Of the median of after[i] / before[i], measured in the same round i.
Interval RatioInterval(std::span<const double> after, std::span<const double> before);

}  // namespace weir::measure
