// The world that a plugin may touch beside its request, as small interfaces handed in by the embedder.
// Refusing a capability is passing the refusing implementation.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/call.h"
#include "weir/own_metrics.h"

namespace weir {

class Plugin;
class Witness;

enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kCritical };

class Log {
 public:
  /// One line, without control characters (the caller escapes them), at most Limits::log_line_bytes.
  virtual void Write(LogLevel level, std::string_view plugin, std::string_view line) = 0;
  /// The least level that is kept; asked at every proxy_get_log_level.
  virtual LogLevel level() const = 0;

 protected:
  ~Log() = default;
};

class Clock {
 public:
  virtual uint64_t RealtimeNs() = 0;   ///< since the Unix epoch
  virtual uint64_t MonotonicNs() = 0;

 protected:
  ~Clock() = default;
};

enum class StoreStatus : uint8_t { kOk, kNotFound, kCasMismatch, kFull, kEmpty };

/// Key and value pairs by name space (`vm_id`). Safe from any thread; with NGINX visible to every worker at once.
class SharedData {
 public:
  struct Entry {
    std::string value;
    uint32_t cas = 0;  ///< never 0
  };
  virtual std::optional<Entry> Get(std::string_view space, std::string_view key) = 0;
  /// `cas` 0 writes always; otherwise only over an entry with that cas, else kCasMismatch. kFull: over the name space's limit.
  virtual StoreStatus Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) = 0;
  /// kNotFound, kCasMismatch (cas not 0 and another).
  virtual StoreStatus Delete(std::string_view space, std::string_view key, uint32_t cas) = 0;
  /// From now on, `ttl_ms` after this call the entry is gone; 0: it stays. kNotFound.
  virtual StoreStatus SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) = 0;
  /// Keys of the name space, at most `max`.
  virtual std::vector<std::string> Keys(std::string_view space, size_t max) = 0;

 protected:
  ~SharedData() = default;
};

/// First-in first-out queues, by name space and name. Safe from any thread.
class Queues {
 public:
  /// The queue's id, made when new; 0: too many, or too long a name. `consumer` gets
  /// Plugin::OnQueueReady(id) for each item, one consumer an item.
  virtual uint32_t Register(std::string_view space, std::string_view name, Plugin& consumer) = 0;
  virtual std::optional<uint32_t> Resolve(std::string_view space, std::string_view name) = 0;
  /// kNotFound, kFull.
  virtual StoreStatus Enqueue(uint32_t id, std::string_view item) = 0;
  /// kNotFound, kEmpty.
  virtual StoreStatus Dequeue(uint32_t id, std::string* item) = 0;
  /// `consumer` is going away: it is told of nothing more.
  virtual void Forget(Plugin& consumer) = 0;

 protected:
  ~Queues() = default;
};

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };

class Metrics {
 public:
  /// The metric's id (never 0), the same for the same name and type, whichever plugin defines it; it lives as long as one of those
  /// that did is loaded. nullopt: that name has another type, or is too long, or the cap is reached.
  virtual std::optional<uint32_t> Define(MetricType type, std::string_view name, std::string_view plugin) = 0;
  virtual std::optional<MetricType> TypeOf(uint32_t id) = 0;
  virtual void Increment(uint32_t id, int64_t by) = 0;
  /// Gauge: sets. Counter: adds. Histogram: records one value.
  virtual void Record(uint32_t id, uint64_t value) = 0;
  virtual uint64_t Get(uint32_t id) = 0;
  /// The cells (CellsOf its kind) of one of Weir's own numbers, the same for the same labels (OwnLabels). They live as long as this, and
  /// only the thread that serves the plugins writes them. Null: they are not kept here.
  virtual OwnCell* Own(OwnMetric metric, std::string_view labels) {
    (void)metric, (void)labels;
    return nullptr;
  }

 protected:
  ~Metrics() = default;
};

class Timers {
 public:
  /// Plugin::OnTick each `period_ms`, the first after one period; 0 stops. Replaces an earlier period.
  virtual void SetTick(Plugin& plugin, uint32_t period_ms) = 0;

 protected:
  ~Timers() = default;
};

/// Where a plugin's random bytes come from (random_get of WASI).
class RandomSource {
 public:
  virtual void Fill(std::span<uint8_t> bytes) = 0;

 protected:
  ~RandomSource() = default;
};

/// What an answer of a foreign function is: `found` false when there is none of that name.
struct ForeignAnswer {
  enum class Status : uint8_t { kOk, kNotFound, kBadArgument, kInternalFailure, kSerializationFailure } status = Status::kNotFound;
  std::string bytes;
};

/// Functions an embedder offers by name, beside the built-in ones of docs/foreign-functions.md, which come first. Filled before plugins
/// are loaded; called on the thread that serves the plugin, so they must not wait. [0.2.1 §Foreign function interface]
///
///     host.foreign_functions["geo.country"] = [&db](Plugin&, std::string_view address) -> ForeignAnswer {
///       auto country = db.Find(address);
///       if (!country) return {ForeignAnswer::Status::kBadArgument, {}};
///       return {ForeignAnswer::Status::kOk, *country};
///     };
using ForeignFunction = std::function<ForeignAnswer(Plugin& plugin, std::string_view argument)>;
using ForeignFunctions = std::map<std::string, ForeignFunction, std::less<>>;

/// Where Proxy-Wasm plugins that share a VM (SharesVm) find it; they fill it. One thread's, and it outlives them.
struct VmPool {
  struct Entry {
    virtual ~Entry() = default;
  };
  std::vector<std::weak_ptr<Entry>> entries;
};

/// References outlive every plugin that was loaded with them.
struct Host {
  Log& log;
  Clock& clock;
  SharedData& shared_data;
  Queues& queues;
  Metrics& metrics;
  Timers& timers;
  const ForeignFunctions& foreign_functions;
  Calls& calls;
  VmPool* vms = nullptr;       ///< null: no plugin shares its VM
  Witness* witness = nullptr;  ///< witness.h; null: nobody listens
  Clock* guest_clock = nullptr;  ///< what guests read in place of `clock`; null: that
  RandomSource* random = nullptr;  ///< null: the kernel's; another one where each run must see the same (tests)
  Clock& for_guests() const { return guest_clock != nullptr ? *guest_clock : clock; }
};

}  // namespace weir
