#include "host/metrics.h"

namespace weir {

std::optional<uint32_t> InProcessMetrics::Define(MetricType type, std::string_view name, std::string_view) {
  std::lock_guard lock(mutex_);
  if (auto it = ids_.find(name); it != ids_.end()) {
    if (cells_[it->second - 1].type != type) return std::nullopt;
    return it->second;
  }
  const uint32_t count = count_.load(std::memory_order_relaxed);
  if (count >= limits_.series || name.size() > limits_.name_bytes) return std::nullopt;
  cells_[count].type = type;
  count_.store(count + 1, std::memory_order_release);
  ids_.emplace(name, count + 1);
  return count + 1;
}

std::optional<MetricType> InProcessMetrics::TypeOf(uint32_t id) {
  Cell* cell = Find(id);
  if (!cell) return std::nullopt;
  return cell->type;
}

void InProcessMetrics::Increment(uint32_t id, int64_t by) {
  if (Cell* cell = Find(id)) cell->value.fetch_add(static_cast<uint64_t>(by), std::memory_order_relaxed);
}

void InProcessMetrics::Record(uint32_t id, uint64_t value) {
  Cell* cell = Find(id);
  if (!cell) return;
  switch (cell->type) {
    case MetricType::kCounter:
      cell->value.fetch_add(value, std::memory_order_relaxed);
      break;
    case MetricType::kGauge:
      cell->value.store(value, std::memory_order_relaxed);
      break;
    case MetricType::kHistogram:
      cell->value.fetch_add(1, std::memory_order_relaxed);
      cell->sum.fetch_add(value, std::memory_order_relaxed);
      break;
  }
}

uint64_t InProcessMetrics::Get(uint32_t id) {
  Cell* cell = Find(id);
  return cell ? cell->value.load(std::memory_order_relaxed) : 0;
}

OwnCell* InProcessMetrics::Own(OwnMetric metric, std::string_view labels) {
  std::lock_guard lock(mutex_);
  auto& cells = own_[{metric, std::string(labels)}];
  if (!cells) cells = std::make_unique<OwnCell[]>(CellsOf(RowOf(metric).kind));
  return cells.get();
}

std::vector<OwnReading> InProcessMetrics::ReadOwn() {
  std::lock_guard lock(mutex_);
  std::vector<OwnReading> all;
  for (const auto& [key, cells] : own_) {
    OwnReading& one = all.emplace_back(OwnReading{key.first, key.second, {}});
    for (size_t i = 0; i < CellsOf(RowOf(key.first).kind); ++i) one.cells.push_back(cells[i].value());
  }
  return all;
}

std::vector<InProcessMetrics::Reading> InProcessMetrics::Read() {
  std::lock_guard lock(mutex_);
  std::vector<Reading> all;
  for (const auto& [name, id] : ids_) {
    const Cell& cell = cells_[id - 1];
    all.push_back({name, cell.type, cell.value.load(), cell.sum.load()});
  }
  return all;
}

}  // namespace weir
