// Shared data of one process: the command and the tests. (NGINX workers share a memory zone instead.)
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "weir/host.h"

namespace weir {

struct SharedDataLimits {
  uint64_t space_bytes = 16ull << 20;  ///< keys and values of one name space
  uint32_t space_entries = 100'000;    ///< of one name space
  uint32_t key_bytes = 64u << 10;      ///< of one key
  uint32_t spaces = 1000;
};

/// Thread-safe. Keys are compared whole. An entry whose time to live is over is gone at once, and its room is given back when
/// it is next touched or when the name space is full.
class InProcessSharedData final : public SharedData {
 public:
  explicit InProcessSharedData(Clock& clock, const SharedDataLimits& limits = {}) : clock_(clock), limits_(limits) {}
  std::optional<Entry> Get(std::string_view space, std::string_view key) override;
  StoreStatus Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) override;
  StoreStatus Delete(std::string_view space, std::string_view key, uint32_t cas) override;
  StoreStatus SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) override;
  std::vector<std::string> Keys(std::string_view space, size_t max) override;

  /// The cas after this one: they start at 1 and skip 0.
  static uint32_t NextCas(uint32_t cas) { return cas + 1 == 0 ? 1 : cas + 1; }

 private:
  struct Stored {
    Entry entry;
    uint64_t gone_at_ns = 0;  ///< monotonic; 0: stays
  };
  struct Space {
    std::map<std::string, Stored, std::less<>> entries;
    uint64_t bytes = 0;
  };
  /// Null when there is none; `make` makes it, unless there are too many.
  Space* Find(std::string_view space, bool make);
  Stored* Live(Space& space, std::string_view key);
  void Erase(Space& space, std::map<std::string, Stored, std::less<>>::iterator it);
  void Sweep(Space& space);

  Clock& clock_;
  const SharedDataLimits limits_;
  std::mutex mutex_;
  std::map<std::string, Space, std::less<>> spaces_;
  uint32_t last_cas_ = 0;
};

}  // namespace weir
