// Shared data in a zone: every process sees every change at once.
#pragma once

#include "host/zone/zone.h"
#include "weir/host.h"

namespace weir {

struct ZoneDataLimits {
  uint32_t key_bytes = 64u << 10;  ///< of one key
  /// Full: the entries that were used longest ago (about) make room; otherwise the write is refused.
  enum class Full : uint8_t { kRefuse, kEvict } full = Full::kRefuse;
  uint64_t space_bytes = 0;  ///< of one name space, keys, values and bookkeeping; 0: as much as there is room
};

/// Where a write found no room: for the embedder's log.
class ZoneFullListener {
 public:
  /// `limit_bytes`: the name space is at its limit; 0: there is no room at all.
  virtual void OnDataFull(std::string_view space, size_t bytes, uint64_t limit_bytes) = 0;
  virtual void OnQueueFull(std::string_view queue, size_t bytes) = 0;

 protected:
  ~ZoneFullListener() = default;
};

/// Thread-safe. Keys are compared whole. An expired entry is gone at once; its room is given back when it is next touched, little by
/// little by other writes, or when the zone is full.
class ZoneSharedData final : public SharedData {
 public:
  /// References outlive this. `listener` may be null.
  ZoneSharedData(Zone& zone, Clock& clock, ZoneFullListener* listener, const ZoneDataLimits& limits = {})
      : zone_(zone), clock_(clock), listener_(listener), limits_(limits) {}
  std::optional<Entry> Get(std::string_view space, std::string_view key) override;
  StoreStatus Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) override;
  StoreStatus Delete(std::string_view space, std::string_view key, uint32_t cas) override;
  StoreStatus SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) override;
  std::vector<std::string> Keys(std::string_view space, size_t max) override;

 private:
  /// The link to an entry, or the end of its bucket.
  ZoneLink<DataEntry>* Find(std::string_view space, std::string_view key, uint64_t hash);
  /// The same, after an expired one is removed.
  ZoneLink<DataEntry>* FindLive(std::string_view space, std::string_view key, uint64_t hash);
  DataSpace* SpaceOf(std::string_view name);
  bool Expired(const DataEntry& entry);
  void Erase(ZoneLink<DataEntry>& link);
  void Erase(const DataEntry& entry);
  /// Clears expired entries of up to `buckets` buckets.
  void Sweep(uint32_t buckets);
  /// `keep` is not evicted. Null: no room.
  void* Allocate(size_t bytes, const DataEntry* keep);
  bool EvictOne(const DataEntry* keep);
  /// Makes an entry of `bytes` instead of `old` (may be null; stays) fit the limit of its name space. False: it does not.
  bool FitSpace(DataSpace& space, size_t bytes, const DataEntry* old);
  void SweepSpace(DataSpace& space);
  bool EvictOneOf(DataSpace& space, const DataEntry* keep);
  /// `limited`: set when kFull is of the name space's limit.
  StoreStatus SetLocked(std::string_view space, std::string_view key, std::string_view value, uint32_t cas, bool* limited);

  Zone& zone_;
  Clock& clock_;
  ZoneFullListener* listener_;
  const ZoneDataLimits limits_;
};

}  // namespace weir
