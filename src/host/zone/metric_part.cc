// The zone's metrics as they lie in memory: cells, who defined what, what workers leave behind.
#include <algorithm>
#include <new>

#include "host/zone/zone.h"
#include "weir/host.h"

namespace weir {
namespace {

constexpr size_t kChunkBytes = kChunkCells * sizeof(OwnCell);
constexpr size_t kBytesPerSeries = 128;  // of the part, at least: what a counter with its name takes
constexpr size_t kSeriesMax = 10'000;

bool IsGauge(const ZoneMetric& metric) {
  return metric.own ? RowOf(static_cast<OwnMetric>(metric.type)).kind == OwnMetricRow::Kind::kGauge
                    : metric.type == static_cast<uint8_t>(MetricType::kGauge);
}

void CollectChunks(const CellChunks& chunks, std::vector<void*>* live) {
  for (const auto& chunk : chunks) {
    if (OwnCell* cells = chunk.load(std::memory_order_relaxed)) live->push_back(cells);
  }
}

}  // namespace

bool MetricPart::Format(void* memory, size_t bytes) {
  series_max = static_cast<uint32_t>(std::min(kSeriesMax, bytes / kBytesPerSeries));
  const size_t table = (series_max * sizeof(ZoneLink<ZoneMetric>) + 63) / 64 * 64;
  if (bytes < table) return false;
  by_id = new (memory) ZoneLink<ZoneMetric>[series_max]{};
  arena = Arena::Make(static_cast<char*>(memory) + table, bytes - table);
  return arena != nullptr;
}

void MetricPart::Repair() {
  std::vector<void*> live;
  for (ZoneWorker* worker = Follow(workers); worker != nullptr; worker = Follow(worker->next)) {
    live.push_back(worker);
    CollectChunks(worker->chunks, &live);
  }
  CollectChunks(base, &live);
  cells_used.fill(0);
  series = 0;
  for (uint32_t i = 0; i < series_max; ++i) Commit(by_id[i], static_cast<ZoneMetric*>(nullptr));
  for (auto& bucket : buckets) {
    for (ZoneMetric* metric = Follow(bucket); metric != nullptr; metric = Follow(metric->next)) {
      live.push_back(metric);
      if (metric->id != 0) {
        Commit(by_id[metric->id - 1], metric);
        ++series;
      }
      for (uint32_t cell = metric->first_cell; cell < metric->first_cell + metric->cells; ++cell) {
        cells_used[cell / 64] |= uint64_t{1} << cell % 64;
      }
    }
  }
  arena->Rebuild(std::move(live));
}

uint64_t MetricPart::BitOf(std::string_view plugin) {
  const uint64_t hash = std::max<uint64_t>(ZoneHash(plugin), 1);
  auto found = std::find(plugin_hashes.begin(), plugin_hashes.end(), hash);
  if (found == plugin_hashes.end()) found = std::find(plugin_hashes.begin(), plugin_hashes.end(), 0);
  if (found == plugin_hashes.end()) return kOthersBit;
  *found = hash;
  return uint64_t{1} << (found - plugin_hashes.begin());
}

uint64_t MetricPart::Loaded() const {
  uint64_t loaded = 0;
  for (const ZoneWorker* worker = Follow(workers); worker != nullptr; worker = Follow(worker->next)) {
    if (worker->pid.load(std::memory_order_relaxed) != 0) loaded |= worker->plugins;
  }
  return loaded;
}

void MetricPart::DropUnused() {
  const uint64_t loaded = Loaded();
  if (loaded == 0) return;  // between two configurations, not after the last
  for (auto& bucket : buckets) {
    ZoneLink<ZoneMetric>* link = &bucket;
    while (ZoneMetric* metric = Follow(*link)) {
      metric->plugins &= loaded;  // a bit may be another plugin's tomorrow
      if (metric->plugins != 0) {
        link = &metric->next;
        continue;
      }
      if (metric->id != 0) {
        Commit(by_id[metric->id - 1], static_cast<ZoneMetric*>(nullptr));
        --series;
      }
      for (uint32_t cell = metric->first_cell; cell < metric->first_cell + metric->cells; ++cell) {
        cells_used[cell / 64] &= ~(uint64_t{1} << cell % 64);
      }
      Commit(*link, Follow(metric->next));
      arena->Free(metric);
    }
  }
  for (size_t i = 0; i < plugin_hashes.size(); ++i) {
    if ((loaded >> i & 1) == 0) plugin_hashes[i] = 0;
  }
}

OwnCell* MetricPart::CellAt(const CellChunks& chunks, uint32_t cell) {
  OwnCell* chunk = chunks[cell / kChunkCells].load(std::memory_order_relaxed);
  return chunk == nullptr ? nullptr : chunk + cell % kChunkCells;
}

void* MetricPart::Allocate(size_t bytes) {
  constexpr size_t kKeepPart = 8;
  const size_t most = arena->size_bytes() - arena->size_bytes() / kKeepPart;
  return arena->used_bytes() + bytes <= most ? arena->Allocate(bytes) : nullptr;
}

bool MetricPart::MakeChunk(CellChunks& chunks, uint32_t cell) {
  auto& chunk = chunks[cell / kChunkCells];
  if (chunk.load(std::memory_order_relaxed) != nullptr) return true;
  void* memory = Allocate(kChunkBytes);
  if (memory == nullptr) return false;
  chunk.store(new (memory) OwnCell[kChunkCells]{}, std::memory_order_release);
  return true;
}

void MetricPart::Fold(ZoneWorker& worker) {
  for (auto& bucket : buckets) {
    for (ZoneMetric* metric = Follow(bucket); metric != nullptr; metric = Follow(metric->next)) {
      if (IsGauge(*metric)) continue;
      for (uint32_t cell = metric->first_cell; cell < metric->first_cell + metric->cells; ++cell) {
        OwnCell* from = CellAt(worker.chunks, cell);
        if (from == nullptr || from->value() == 0) continue;
        const uint64_t value = from->value();
        from->Set(0);
        CellAt(base, cell)->Add(value);
      }
    }
  }
  for (auto& chunk : worker.chunks) {
    OwnCell* cells = chunk.load(std::memory_order_relaxed);
    if (cells == nullptr) continue;
    chunk.store(nullptr, std::memory_order_release);
    arena->Free(cells);
  }
}

bool MetricPart::TakeCells(uint16_t count, uint32_t* first) {
  uint32_t run = 0;
  for (uint32_t cell = 0; cell < kChunks * kChunkCells; ++cell) {
    if (cell % kChunkCells == 0) run = 0;
    if (cell % 64 == 0 && cells_used[cell / 64] == UINT64_MAX) {
      run = 0;
      cell += 63;
      continue;
    }
    run = (cells_used[cell / 64] >> cell % 64 & 1) != 0 ? 0 : run + 1;
    if (run < count) continue;
    *first = cell + 1 - count;
    if (!MakeChunk(base, *first)) return false;
    for (uint32_t taken = *first; taken <= cell; ++taken) {
      cells_used[taken / 64] |= uint64_t{1} << taken % 64;
      for (ZoneWorker* worker = Follow(workers); worker != nullptr; worker = Follow(worker->next)) {
        if (OwnCell* stale = CellAt(worker->chunks, taken)) stale->Set(0);
      }
      CellAt(base, taken)->Set(0);
    }
    return true;
  }
  return false;
}

}  // namespace weir
