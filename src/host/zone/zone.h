// State that worker processes share: one piece of memory, at one address in all of them, with one lock.
//
//   [ZoneRoot][metrics, workers: Arena][queues: Arena][data: Arena]
//
// A process may die at any instruction, also inside of the lock. So everything that counts hangs on singly linked lists, and each
// change becomes visible by one store of a pointer: before it the change has not happened, after it it has. What can be worked out
// from the lists (free memory, counts, ends of lists) is worked out again by whoever takes the lock next and finds `busy` set.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/zone/arena.h"
#include "host/zone/parts.h"

namespace weir {

/// The lock of a zone. A holder that dies must be followed by the next one: nginx's master unlocks for its workers.
class ZoneLock {
 public:
  virtual void Lock() = 0;
  virtual void Unlock() = 0;

 protected:
  ~ZoneLock() = default;
};

/// Bytes of a zone and of its parts; metrics and workers have the rest.
struct ZoneSizes {
  size_t bytes = kDefault;
  size_t data = 0;    ///< 0: half of the zone
  size_t queues = 0;  ///< 0: a quarter of the zone
  size_t space = 0;   ///< of the data, for one name space; 0: half, or all when there is no other
  static constexpr size_t kDefault = 8u << 20;
  static constexpr size_t kLeast = 512u << 10;      ///< of a zone
  static constexpr size_t kPartLeast = 64u << 10;   ///< of a part
  static constexpr size_t kSpaceLeast = 4u << 10;   ///< for one name space
  static constexpr size_t kMost = size_t{16} << 30;
  /// With the defaults filled in.
  ZoneSizes Resolved() const;
  /// What one of that many name spaces may take; 0: what there is.
  size_t SpaceLimit(size_t spaces) const;
  /// Empty, or what is wrong with them and what to write instead.
  std::string Fault() const;
};

/// One process's view of a zone. Not thread-safe by itself; ZoneGuard is.
class Zone {
 public:
  /// Lays a zone out; once, by the process that made the memory. False: `bytes` are too few for `sizes`.
  static bool Format(void* memory, size_t bytes, const ZoneSizes& sizes);
  /// Whether `memory`, formatted by whichever module, is laid out as this build reads it.
  static bool Readable(const void* memory) { return static_cast<const ZoneRoot*>(memory)->layout == kZoneLayout; }
  /// `memory` was formatted, by whichever process. `lock` outlives this.
  Zone(void* memory, ZoneLock& lock) : root_(*static_cast<ZoneRoot*>(memory)), lock_(lock) {}
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

  /// Takes a row for this process, with the plugins that it loads. `slot`: which eventfd wakes it. False: no memory left.
  bool Join(uint32_t slot, const std::vector<std::string>& plugins);
  /// Gives the row back: counters stay, gauges and registrations go.
  void Leave();
  /// What processes left behind that died without Leave. Returns how many there were.
  size_t Reap();
  /// Null before Join.
  ZoneWorker* worker() { return worker_; }
  ZoneRoot& root() { return root_; }

 private:
  friend class ZoneGuard;
  void Lock();
  void Unlock();
  void Repair();
  void Retire(ZoneWorker& worker);
  size_t ReapLocked();

  ZoneRoot& root_;
  ZoneLock& lock_;
  ZoneWorker* worker_ = nullptr;
};

/// The zone's lock while it lives.
class ZoneGuard {
 public:
  explicit ZoneGuard(Zone& zone) : zone_(zone) { zone_.Lock(); }
  ~ZoneGuard() { zone_.Unlock(); }
  ZoneGuard(const ZoneGuard&) = delete;
  ZoneGuard& operator=(const ZoneGuard&) = delete;

 private:
  Zone& zone_;
};

/// FNV-1a over both, with their sizes in between: ("a", "bc") is not ("ab", "c").
uint64_t ZoneHash(std::string_view one, std::string_view two = {});

}  // namespace weir
