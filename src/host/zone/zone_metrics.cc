#include "host/zone/zone_metrics.h"

#include <new>

namespace weir {
namespace {

/// Adds to a cell that other processes write too.
void AddShared(OwnCell& cell, uint64_t by) {
  static_assert(sizeof(OwnCell) == sizeof(uint64_t));
  std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t&>(cell)).fetch_add(by, std::memory_order_relaxed);
}

/// Of `plugin="NAME",…`; empty: a number of no plugin.
std::string_view PluginOf(std::string_view labels) {
  constexpr std::string_view kFirst = "plugin=\"";
  if (!labels.starts_with(kFirst)) return {};
  labels.remove_prefix(kFirst.size());
  return labels.substr(0, labels.find('"'));
}

}  // namespace

OwnCell* ZoneMetrics::CellsOf(const ZoneMetric& metric) {
  ZoneWorker* worker = zone_.worker();
  if (worker == nullptr || !zone_.root().metrics.MakeChunk(worker->chunks, metric.first_cell)) return nullptr;
  return MetricPart::CellAt(worker->chunks, metric.first_cell);
}

ZoneMetrics::Local& ZoneMetrics::Keep(const ZoneMetric& metric) {
  if (locals_.size() <= metric.id) locals_.resize(metric.id + 1);
  Local& local = locals_[metric.id];
  if (local.cells != nullptr) return local;
  local.type = static_cast<MetricType>(metric.type);
  local.cells = CellsOf(metric);
  local.shared = local.cells == nullptr;
  if (local.shared) local.cells = MetricPart::CellAt(zone_.root().metrics.base, metric.first_cell);
  return local;
}

ZoneMetric* ZoneMetrics::FindByName(bool own, uint64_t hash, std::string_view name, uint8_t own_type) {
  MetricPart& part = zone_.root().metrics;
  for (ZoneMetric* metric = Follow(part.buckets[hash % MetricPart::kBuckets]); metric != nullptr; metric = Follow(metric->next)) {
    if (metric->hash == hash && metric->own == own && metric->name() == name && (!own || metric->type == own_type)) return metric;
  }
  return nullptr;
}

ZoneMetric* ZoneMetrics::Make(bool own, uint8_t type, uint16_t cells, std::string_view name, uint64_t hash, uint64_t plugins) {
  MetricPart& part = zone_.root().metrics;
  uint32_t id = 0;
  if (!own) {
    if (part.series >= std::min(limits_.series, part.series_max)) return nullptr;
    while (Follow(part.by_id[id]) != nullptr) ++id;
    ++id;
  }
  void* memory = part.Allocate(sizeof(ZoneMetric) + name.size());
  if (memory == nullptr) return nullptr;
  auto* metric = new (memory) ZoneMetric{};
  if (!part.TakeCells(cells, &metric->first_cell)) {
    part.arena->Free(memory);
    return nullptr;
  }
  metric->hash = hash;
  metric->plugins = plugins;
  metric->id = id;
  metric->cells = cells;
  metric->type = type;
  metric->own = own;
  metric->name_size = static_cast<uint32_t>(name.size());
  name.copy(reinterpret_cast<char*>(metric + 1), name.size());
  auto& bucket = part.buckets[hash % MetricPart::kBuckets];
  Commit(metric->next, Follow(bucket));
  Commit(bucket, metric);
  if (id != 0) {
    Commit(part.by_id[id - 1], metric);
    ++part.series;
  }
  return metric;
}

std::optional<uint32_t> ZoneMetrics::Define(MetricType type, std::string_view name, std::string_view plugin) {
  if (name.size() > limits_.name_bytes) return std::nullopt;
  std::string known(plugin);  // some plugins define their metrics anew in each request
  known.append(1, '\0').append(name);
  if (const auto found = ids_.find(known); found != ids_.end()) {
    return locals_[found->second].type == type ? std::optional<uint32_t>(found->second) : std::nullopt;
  }
  const ZoneGuard guard(zone_);
  MetricPart& part = zone_.root().metrics;
  const uint64_t bit = part.BitOf(plugin), hash = ZoneHash(name, "plugin");
  ZoneMetric* metric = FindByName(/*own=*/false, hash, name, 0);
  if (metric == nullptr) {
    metric = Make(/*own=*/false, static_cast<uint8_t>(type), static_cast<uint16_t>(weir::CellsOf(type)), name, hash, bit);
    if (metric == nullptr) {
      ++part.full;
      return std::nullopt;
    }
  }
  if (metric->type != static_cast<uint8_t>(type)) return std::nullopt;
  metric->plugins |= bit;
  Keep(*metric);
  ids_.emplace(std::move(known), metric->id);
  return metric->id;
}

ZoneMetrics::Local* ZoneMetrics::Lookup(uint32_t id) {
  const ZoneGuard guard(zone_);
  MetricPart& part = zone_.root().metrics;
  ZoneMetric* metric = id == 0 || id > part.series_max ? nullptr : Follow(part.by_id[id - 1]);
  if (metric == nullptr) return nullptr;
  if (zone_.worker() != nullptr) metric->plugins |= zone_.worker()->plugins;  // it lives as long as this process may use it
  return &Keep(*metric);
}

std::optional<MetricType> ZoneMetrics::TypeOf(uint32_t id) {
  const Local* local = Find(id);
  if (local == nullptr) return std::nullopt;
  return local->type;
}

void ZoneMetrics::Add(Local& local, size_t cell, uint64_t by) {
  if (local.shared) {
    AddShared(local.cells[cell], by);
  } else {
    local.cells[cell].Add(by);
  }
}

void ZoneMetrics::Increment(uint32_t id, int64_t by) {
  if (Local* local = Find(id)) Add(*local, 0, static_cast<uint64_t>(by));
}

void ZoneMetrics::Record(uint32_t id, uint64_t value) {
  Local* local = Find(id);
  if (local == nullptr) return;
  switch (local->type) {
    case MetricType::kCounter: Add(*local, 0, value); break;
    case MetricType::kGauge: local->cells[0].Set(value); break;
    case MetricType::kHistogram:
      Add(*local, 0, value);
      Add(*local, 1 + HistogramBucketOf(value), 1);
      break;
  }
}

std::vector<uint64_t> ZoneMetrics::Sum(const ZoneMetric& metric) {
  MetricPart& part = zone_.root().metrics;
  std::vector<uint64_t> sums(metric.cells);
  for (uint32_t i = 0; i < metric.cells; ++i) {
    sums[i] = MetricPart::CellAt(part.base, metric.first_cell + i)->value();
    for (ZoneWorker* worker = Follow(part.workers); worker != nullptr; worker = Follow(worker->next)) {
      if (worker->pid.load(std::memory_order_relaxed) == 0) continue;
      if (const OwnCell* cell = MetricPart::CellAt(worker->chunks, metric.first_cell + i)) sums[i] += cell->value();
    }
  }
  return sums;
}

uint64_t ZoneMetrics::Get(uint32_t id) {
  const ZoneGuard guard(zone_);
  MetricPart& part = zone_.root().metrics;
  const ZoneMetric* metric = id == 0 || id > part.series_max ? nullptr : Follow(part.by_id[id - 1]);
  if (metric == nullptr) return 0;
  const std::vector<uint64_t> sums = Sum(*metric);
  if (static_cast<MetricType>(metric->type) != MetricType::kHistogram) return sums[0];
  uint64_t count = 0;
  for (size_t i = 1; i < sums.size(); ++i) count += sums[i];
  return count;
}

OwnCell* ZoneMetrics::Own(OwnMetric own, std::string_view labels) {
  const ZoneGuard guard(zone_);
  MetricPart& part = zone_.root().metrics;
  const OwnMetricRow& row = RowOf(own);
  const uint64_t hash = ZoneHash(labels, row.name);
  const auto type = static_cast<uint8_t>(own);
  const std::string_view plugin = PluginOf(labels);
  const uint64_t bits = plugin.empty() ? UINT64_MAX : part.BitOf(plugin);
  ZoneMetric* metric = FindByName(/*own=*/true, hash, labels, type);
  if (metric == nullptr) {
    metric = Make(/*own=*/true, type, static_cast<uint16_t>(weir::CellsOf(row.kind)), labels, hash, bits);
    if (metric == nullptr) {
      ++part.full;
      return nullptr;
    }
  }
  metric->plugins |= bits;
  return CellsOf(*metric);
}

std::vector<MetricReading> ZoneMetrics::Read() {
  const ZoneGuard guard(zone_);
  MetricPart& part = zone_.root().metrics;
  std::vector<MetricReading> all;
  for (uint32_t i = 0; i < part.series_max; ++i) {
    const ZoneMetric* metric = Follow(part.by_id[i]);
    if (metric == nullptr) continue;
    all.push_back({std::string(metric->name()), static_cast<MetricType>(metric->type), Sum(*metric)});
  }
  return all;
}

std::vector<OwnReading> ZoneMetrics::ReadOwn() {
  const ZoneGuard guard(zone_);
  std::vector<OwnReading> all;
  for (auto& bucket : zone_.root().metrics.buckets) {
    for (const ZoneMetric* metric = Follow(bucket); metric != nullptr; metric = Follow(metric->next)) {
      if (!metric->own) continue;
      all.push_back({static_cast<OwnMetric>(metric->type), std::string(metric->name()), Sum(*metric)});
    }
  }
  return all;
}

}  // namespace weir
