// Metrics in a zone: each worker counts in cells of its own, and reading sums them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "host/metric_shape.h"
#include "host/metrics.h"
#include "host/zone/zone.h"

namespace weir {

/// One thread a process. Increment, Record of a metric that this process knows take no lock and no locked instruction.
/// Counter, histogram: the sum over all workers there ever were. Gauge: the sum of what the workers that are alive say last.
class ZoneMetrics final : public Metrics {
 public:
  /// The zone was joined, and outlives this.
  explicit ZoneMetrics(Zone& zone, const MetricLimits& limits = {}) : zone_(zone), limits_(limits) {}
  std::optional<uint32_t> Define(MetricType type, std::string_view name, std::string_view plugin) override;
  std::optional<MetricType> TypeOf(uint32_t id) override;
  void Increment(uint32_t id, int64_t by) override;
  void Record(uint32_t id, uint64_t value) override;
  /// Over all workers.
  uint64_t Get(uint32_t id) override;
  OwnCell* Own(OwnMetric metric, std::string_view labels) override;

  /// All of them, plugins' and Weir's, in no order.
  std::vector<MetricReading> Read();
  std::vector<OwnReading> ReadOwn();

 private:
  struct Local {
    OwnCell* cells = nullptr;  ///< null: not looked for yet
    MetricType type = MetricType::kCounter;
    bool shared = false;       ///< no room for cells of our own: other processes write these too
  };
  Local* Find(uint32_t id) {
    if (id < locals_.size() && locals_[id].cells != nullptr) [[likely]] return &locals_[id];
    return Lookup(id);
  }
  Local* Lookup(uint32_t id);
  /// Under the lock: this process's cells of `metric`; null: there is no room for them.
  OwnCell* CellsOf(const ZoneMetric& metric);
  Local& Keep(const ZoneMetric& metric);
  ZoneMetric* FindByName(bool own, uint64_t hash, std::string_view name, uint8_t own_type);
  ZoneMetric* Make(bool own, uint8_t type, uint16_t cells, std::string_view name, uint64_t hash, uint64_t plugins);
  std::vector<uint64_t> Sum(const ZoneMetric& metric);
  static void Add(Local& local, size_t cell, uint64_t by);

  Zone& zone_;
  const MetricLimits limits_;
  std::vector<Local> locals_;  ///< by id
  std::map<std::string, uint32_t, std::less<>> ids_;  ///< that this process's plugins defined, by plugin, 0x00, name
};

}  // namespace weir
