#include "measure/numbers.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace weir::measure {
namespace {

constexpr int kResamplings = 2000;
constexpr uint64_t kSeed = 1;  // the same numbers give the same interval

double PercentileOf(std::span<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + std::ptrdiff_t(std::lround(share * double(values.size() - 1)));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

double Percentile(std::vector<double> values, double share) { return PercentileOf(values, share); }

Summary Summarize(std::span<const double> values) {
  if (values.empty()) return {};
  std::vector<double> own(values.begin(), values.end());
  return {.count = own.size(),
          .median = PercentileOf(own, 0.5),
          .p99 = PercentileOf(own, 0.99),
          .mean = std::accumulate(own.begin(), own.end(), 0.0) / double(own.size()),
          .max = *std::max_element(own.begin(), own.end())};
}

Interval MedianInterval(std::span<const double> values) {
  if (values.empty()) return {};
  std::mt19937_64 random(kSeed);
  std::uniform_int_distribution<size_t> any(0, values.size() - 1);
  std::vector<double> medians, drawn(values.size());
  for (int i = 0; i < kResamplings; ++i) {
    for (double& value : drawn) value = values[any(random)];
    medians.push_back(PercentileOf(drawn, 0.5));
  }
  return {Percentile({values.begin(), values.end()}, 0.5), PercentileOf(medians, 0.025), PercentileOf(medians, 0.975)};
}

Interval RatioInterval(std::span<const double> after, std::span<const double> before) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(after.size(), before.size()); ++i)
    if (before[i] > 0) ratios.push_back(after[i] / before[i]);
  return MedianInterval(ratios);
}

}  // namespace weir::measure
