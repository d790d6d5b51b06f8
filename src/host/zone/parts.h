// What lies in a zone, byte by byte: see zone.h. Everything is read and written under the zone's lock, but for the cells of metrics.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "host/zone/arena.h"
#include "weir/own_metrics.h"

namespace weir {

/// A link whose store is what makes a change happen.
template <class T>
using ZoneLink = std::atomic<T*>;

template <class T>
T* Follow(const ZoneLink<T>& link) {
  return link.load(std::memory_order_relaxed);
}
template <class T>
void Commit(ZoneLink<T>& link, T* to) {
  link.store(to, std::memory_order_release);
}

// ---- shared data

struct DataEntry;

/// A name space, and what it takes.
struct DataSpace {
  ZoneLink<DataSpace> next;
  uint64_t bytes;          ///< of its entries, as the arena counts them
  uint64_t entries;        ///< in its ring
  uint64_t first_gone_ns;  ///< none of its entries expires before; 0: none expires
  DataEntry* hand;         ///< entry of its ring that the eviction within it looks at next; null: no entries
  uint32_t name_size;
  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), name_size}; }
  /// Counts the entry, whose bytes are allocated, and puts it where the hand comes last.
  void Add(DataEntry* entry);
  void Remove(DataEntry* entry);
};

struct DataEntry {
  ZoneLink<DataEntry> next;  ///< of its bucket
  DataSpace* space;
  DataEntry *after, *before;  ///< in the ring of its name space
  uint64_t hash;
  uint64_t gone_at_ns;  ///< monotonic; 0: stays
  uint32_t cas;
  uint32_t key_size, value_size;
  bool used;  ///< since the hand of the eviction came by
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_size}; }
  std::string_view value() const { return {reinterpret_cast<const char*>(this + 1) + key_size, value_size}; }
};

struct DataPart {
  Arena* arena;
  ZoneLink<DataSpace> spaces;
  ZoneLink<DataEntry>* buckets;
  uint32_t bucket_mask;
  uint32_t last_cas;
  uint32_t hand;           ///< bucket that the eviction looks at next
  uint32_t sweep;          ///< bucket that the clearing of expired entries looks at next
  uint64_t first_gone_ns;  ///< no entry expires before; 0: none expires
  uint64_t full, evicted, expired;

  bool Format(void* memory, size_t bytes);
  void Repair();
  ZoneLink<DataEntry>& bucket(uint64_t hash) { return buckets[hash & bucket_mask]; }
};

// ---- queues

struct QueueItem {
  ZoneLink<QueueItem> next;
  uint32_t size;
  std::string_view bytes() const { return {reinterpret_cast<const char*>(this + 1), size}; }
};

struct ZoneWorker;

/// A worker that wants to be told of a queue's items.
struct QueueConsumer {
  ZoneLink<QueueConsumer> next;
  ZoneWorker* worker;
  uint64_t telling;  ///< items whose consumers are being told, and may die before they took them
};

struct SharedQueue {
  uint32_t id;
  uint32_t space_size, name_size;
  uint32_t next_consumer;
  ZoneLink<QueueItem> first;
  ZoneLink<QueueConsumer> consumers;
  QueueItem* last;
  uint64_t items, bytes;
  uint64_t untold;  ///< items that nobody was told of; at most `items`
  std::string_view space() const { return {reinterpret_cast<const char*>(this + 1), space_size}; }
  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1) + space_size, name_size}; }
};

inline constexpr uint32_t kZoneQueuesMax = 1000;

struct QueuePart {
  Arena* arena;
  ZoneLink<SharedQueue>* by_id;  ///< id - 1; an id is never another's
  uint32_t count;
  uint64_t full;

  bool Format(void* memory, size_t bytes);
  void Repair();
  /// That worker is told of nothing more; what it was being told of is told to others.
  void Drop(const ZoneWorker& worker);
};

// ---- metrics and workers

inline constexpr size_t kChunkCells = 256;
inline constexpr size_t kChunks = 512;  ///< 131,072 cells: 131,072 counters, or 6,500 histograms
using CellChunks = std::array<std::atomic<OwnCell*>, kChunks>;

/// A process that serves plugins: its own cells of all metrics, so that counting takes no locked instruction.
struct ZoneWorker {
  ZoneLink<ZoneWorker> next;
  std::atomic<pid_t> pid;  ///< 0: free
  uint32_t slot;           ///< of the eventfd that wakes it
  bool woken;              ///< it was, and has not looked yet
  uint64_t plugins;        ///< bits of those that it loads
  CellChunks chunks;       ///< made when first used
};

struct ZoneMetric {
  ZoneLink<ZoneMetric> next;  ///< of its bucket
  uint64_t hash;
  uint64_t plugins;  ///< bits of those that defined it
  uint32_t id;       ///< 0: one of Weir's own
  uint32_t first_cell;
  uint16_t cells;
  uint8_t type;      ///< MetricType, or OwnMetric
  bool own;
  uint32_t name_size;
  /// Own: the labels.
  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), name_size}; }
};

inline constexpr size_t kZonePlugins = 63;  ///< more share one bit, and one lifetime

struct MetricPart {
  static constexpr size_t kBuckets = 1024;
  static constexpr uint64_t kOthersBit = uint64_t{1} << kZonePlugins;

  Arena* arena;
  ZoneLink<ZoneWorker> workers;
  ZoneLink<ZoneMetric>* by_id;  ///< id - 1: the same nodes as in the buckets
  uint32_t series_max, series;
  std::array<ZoneLink<ZoneMetric>, kBuckets> buckets;
  std::array<uint64_t, kChunks * kChunkCells / 64> cells_used;  ///< a bit each
  CellChunks base;  ///< what workers that are gone had counted; here alone are cells that a worker could not make
  std::array<uint64_t, kZonePlugins> plugin_hashes;  ///< 0: free
  uint64_t full;

  bool Format(void* memory, size_t bytes);
  void Repair();
  /// The bit of that plugin, a free one taken when new.
  uint64_t BitOf(std::string_view plugin);
  /// Bits that processes alive have loaded.
  uint64_t Loaded() const;
  /// Drops what no loaded plugin defined.
  void DropUnused();
  /// Moves counters and histograms of a worker that is gone to `base`, and forgets its gauges.
  void Fold(ZoneWorker& worker);
  /// A run of free cells in one chunk whose base is there. False: no room.
  bool TakeCells(uint16_t count, uint32_t* first);
  /// The cell of a directory; null: its chunk is not there.
  static OwnCell* CellAt(const CellChunks& chunks, uint32_t cell);
  bool MakeChunk(CellChunks& chunks, uint32_t cell);
  /// Null: no room, but for what is kept for workers that are still to come.
  void* Allocate(size_t bytes);
};

/// What lies where, as a number: for a module of another build that finds the zone. Raise the first factor when a meaning changes and no
/// size does.
inline constexpr uint64_t kZoneLayout = [] {
  uint64_t layout = 1;
  for (const size_t size : {sizeof(Arena), sizeof(DataSpace), sizeof(DataEntry), sizeof(DataPart), sizeof(QueueItem), sizeof(QueueConsumer),
                            sizeof(SharedQueue), sizeof(QueuePart), sizeof(ZoneWorker), sizeof(ZoneMetric), sizeof(MetricPart),
                            std::size(kOwnMetrics), kDurationCells}) {
    layout = (layout ^ size) * 0x100000001b3;
  }
  return layout;
}();

struct ZoneRoot {
  uint64_t layout = kZoneLayout;  ///< first, in every version
  std::atomic<uint32_t> busy;  ///< somebody is inside of the lock, or died there
  uint64_t repairs;
  size_t bytes;
  DataPart data;
  QueuePart queues;
  MetricPart metrics;
};

}  // namespace weir
