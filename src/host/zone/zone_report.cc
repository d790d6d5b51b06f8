#include "host/zone/zone_report.h"

#include "base/label_text.h"

namespace weir {
namespace {

using Kind = LooseReading::Kind;

struct Row {
  Kind kind;
  std::string_view name, help;
};
constexpr Row kSize{Kind::kGauge, "weir_zone_size_bytes", "Room of a part of the zone (weir_zone)."};
constexpr Row kUsed{Kind::kGauge, "weir_zone_used_bytes", "What of a part of the zone is used."};
constexpr Row kRepairs{Kind::kCounter, "weir_zone_repairs_total", "Processes that died while they changed the zone; nothing of it was lost."};
constexpr Row kWorkers{Kind::kGauge, "weir_workers", "Worker processes with plugins, old ones of a reload included."};
constexpr Row kEntries{Kind::kGauge, "weir_shared_data_entries", "Entries of a name space in shared data, expired ones that were not cleared yet included."};
constexpr Row kEntryBytes{Kind::kGauge, "weir_shared_data_bytes", "What the entries of a name space take."};
constexpr Row kDataRefused{Kind::kCounter, "weir_shared_data_refused_total", "Writes to shared data that found no room."};
constexpr Row kEvicted{Kind::kCounter, "weir_shared_data_evicted_total", "Entries that made room for others (weir_zone full=evict)."};
constexpr Row kExpired{Kind::kCounter, "weir_shared_data_expired_total", "Entries that were cleared after their time to live."};
constexpr Row kItems{Kind::kGauge, "weir_queue_items", "Items in a queue."};
constexpr Row kItemBytes{Kind::kGauge, "weir_queue_bytes", "Bytes of the items in a queue."};
constexpr Row kConsumers{Kind::kGauge, "weir_queue_consumers", "Workers that are told of a queue's items."};
constexpr Row kQueueRefused{Kind::kCounter, "weir_queue_refused_total", "Items that found no room in their queue."};
constexpr Row kSeries{Kind::kGauge, "weir_metric_series", "Metrics that plugins have defined."};
constexpr Row kSeriesRefused{Kind::kCounter, "weir_metric_series_refused_total", "Metrics that were refused: the cap is reached, or there is no room."};

std::string Label(std::string_view name, std::string_view value, std::string_view name2 = {}, std::string_view value2 = {}) {
  std::string text = std::string(name) + "=\"";
  AppendLabelValue(value, &text);
  text += '"';
  if (!name2.empty()) text += "," + Label(name2, value2);
  return text;
}

}  // namespace

std::vector<LooseReading> ReadZone(Zone& zone) {
  std::vector<LooseReading> all;
  const auto add = [&](const Row& row, std::string labels, uint64_t value) {
    all.push_back({row.kind, row.name, row.help, std::move(labels), value});
  };
  const ZoneGuard guard(zone);
  ZoneRoot& root = zone.root();
  for (const auto& [part, arena] : {std::pair("data", root.data.arena), {"queues", root.queues.arena}, {"metrics", root.metrics.arena}}) {
    add(kSize, Label("part", part), arena->size_bytes());
    add(kUsed, Label("part", part), arena->used_bytes());
  }
  add(kRepairs, {}, root.repairs);
  uint64_t workers = 0;
  for (const ZoneWorker* worker = Follow(root.metrics.workers); worker != nullptr; worker = Follow(worker->next)) {
    workers += worker->pid.load(std::memory_order_relaxed) != 0;
  }
  add(kWorkers, {}, workers);
  for (const DataSpace* space = Follow(root.data.spaces); space != nullptr; space = Follow(space->next)) {
    add(kEntries, Label("vm_id", space->name()), space->entries);
    add(kEntryBytes, Label("vm_id", space->name()), space->bytes);
  }
  add(kDataRefused, {}, root.data.full);
  add(kEvicted, {}, root.data.evicted);
  add(kExpired, {}, root.data.expired);
  for (uint32_t i = 0; i < root.queues.count; ++i) {
    const SharedQueue* queue = Follow(root.queues.by_id[i]);
    const std::string labels = Label("vm_id", queue->space(), "queue", queue->name());
    uint64_t consumers = 0;
    for (const QueueConsumer* one = Follow(queue->consumers); one != nullptr; one = Follow(one->next)) ++consumers;
    add(kItems, labels, queue->items);
    add(kItemBytes, labels, queue->bytes);
    add(kConsumers, labels, consumers);
  }
  add(kQueueRefused, {}, root.queues.full);
  add(kSeries, {}, root.metrics.series);
  add(kSeriesRefused, {}, root.metrics.full);
  return all;
}

}  // namespace weir
