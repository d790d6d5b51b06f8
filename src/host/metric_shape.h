// What a metric is made of, and what reading one gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "weir/host.h"

namespace weir {

/// Bounds of plugins' histograms, which Proxy-Wasm gives no way to choose: Envoy's. The last bucket is for all above.
inline constexpr uint64_t kHistogramBounds[] = {1,     5,     10,     25,     50,     100,     250,       500,       1000,
                                                2500, 5000, 10'000, 30'000, 60'000, 300'000, 600'000, 1'800'000, 3'600'000};
inline constexpr size_t kHistogramBuckets = std::size(kHistogramBounds) + 1;
/// Their sum, then how many fell into each bucket.
inline constexpr size_t kHistogramCells = 1 + kHistogramBuckets;

constexpr size_t CellsOf(MetricType type) { return type == MetricType::kHistogram ? kHistogramCells : 1; }
inline size_t HistogramBucketOf(uint64_t value) {
  size_t bucket = 0;
  while (bucket < kHistogramBuckets - 1 && value > kHistogramBounds[bucket]) ++bucket;
  return bucket;
}

/// A metric that a plugin defined.
struct MetricReading {
  std::string name;
  MetricType type = MetricType::kCounter;
  std::vector<uint64_t> cells;  ///< CellsOf(type), summed over workers
};

/// One of Weir's own.
struct OwnReading {
  OwnMetric metric = OwnMetric::kCallbacks;
  std::string labels;  ///< as OwnLabels gives them
  std::vector<uint64_t> cells;
};

}  // namespace weir
