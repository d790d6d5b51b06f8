// Metrics of one process.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/metric_shape.h"
#include "weir/host.h"

namespace weir {

struct MetricLimits {
  uint32_t series = 10'000;     ///< a plugin that makes a name per user must not eat the process
  uint32_t name_bytes = 1024;
};

/// Thread-safe; Increment, Record and Get take no lock.
class InProcessMetrics final : public Metrics {
 public:
  explicit InProcessMetrics(const MetricLimits& limits = {}) : limits_(limits), cells_(limits.series) {}
  std::optional<uint32_t> Define(MetricType type, std::string_view name, std::string_view plugin) override;
  std::optional<MetricType> TypeOf(uint32_t id) override;
  void Increment(uint32_t id, int64_t by) override;
  void Record(uint32_t id, uint64_t value) override;
  /// Counter and gauge: the value. Histogram: how many values were recorded.
  uint64_t Get(uint32_t id) override;
  OwnCell* Own(OwnMetric metric, std::string_view labels) override;

  struct Reading {
    std::string name;
    MetricType type;
    uint64_t value;  ///< as Get
    uint64_t sum;    ///< of a histogram's values
  };
  /// All that plugins defined, by name.
  std::vector<Reading> Read();
  std::vector<OwnReading> ReadOwn();

 private:
  struct Cell {
    MetricType type = MetricType::kCounter;
    std::atomic<uint64_t> value{0};
    std::atomic<uint64_t> sum{0};
  };
  Cell* Find(uint32_t id) {
    return id == 0 || id > count_.load(std::memory_order_acquire) ? nullptr : &cells_[id - 1];
  }

  const MetricLimits limits_;
  std::mutex mutex_;
  std::vector<Cell> cells_;  ///< id - 1; never resized, so that a reader needs no lock
  std::atomic<uint32_t> count_{0};
  std::map<std::string, uint32_t, std::less<>> ids_;
  std::map<std::pair<OwnMetric, std::string>, std::unique_ptr<OwnCell[]>> own_;
};

}  // namespace weir
