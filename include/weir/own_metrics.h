// What Weir counts of itself, as one table: names, labels and help of the Prometheus text, docs/metrics.md and the code read it.
// What plugins define is not here: those names are theirs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weir {

enum class OwnMetric : uint8_t {
  kCallbacks,
  kCallbackSeconds,
  kFailures,
  kInstances,
  kPluginUp,
  kPluginMemory,
  kPluginStreams,
  kHostCallRejected,
  kCalls,
  kCallSeconds,
  kAnswersDropped,
  kStreamNotes,
  kStreams,
};

struct OwnMetricRow {
  enum class Kind : uint8_t {
    kCounter,
    kGauge,    ///< a value of each worker; what is shown is their sum
    kSeconds,  ///< a histogram of nanoseconds, shown in seconds
  };
  OwnMetric id;
  Kind kind;
  std::string_view name;
  std::string_view labels;  ///< in the order of OwnLabels, with commas
  std::string_view help;
};

inline constexpr OwnMetricRow kOwnMetrics[] = {
    {OwnMetric::kCallbacks, OwnMetricRow::Kind::kCounter, "weir_callbacks_total", "plugin,callback", "Calls of a plugin's callback."},
    {OwnMetric::kCallbackSeconds, OwnMetricRow::Kind::kSeconds, "weir_callback_duration_seconds", "plugin,callback",
     "Time that a callback took, of the first call and each 16th after it."},
    {OwnMetric::kFailures, OwnMetricRow::Kind::kCounter, "weir_plugin_failures_total", "plugin,reason",
     "Instances of a plugin that ended by a trap, its deadline or another limit, or did not start."},
    {OwnMetric::kInstances, OwnMetricRow::Kind::kCounter, "weir_plugin_instances_total", "plugin",
     "Instances of a plugin that were started: one in each worker, and one more for each restart."},
    {OwnMetric::kPluginUp, OwnMetricRow::Kind::kGauge, "weir_plugin_up", "plugin", "Workers in which the plugin is up."},
    {OwnMetric::kPluginMemory, OwnMetricRow::Kind::kGauge, "weir_plugin_memory_bytes", "plugin",
     "Linear memory of a plugin's instances, looked at with the same calls as the durations."},
    {OwnMetric::kPluginStreams, OwnMetricRow::Kind::kCounter, "weir_plugin_streams_total", "plugin",
     "Requests and connections that a plugin was given."},
    {OwnMetric::kHostCallRejected, OwnMetricRow::Kind::kCounter, "weir_hostcall_rejected_total", "plugin,call,reason",
     "Host calls without effect whose status the plugin was not told, since SDKs do not survive it (statuses=lenient)."},
    {OwnMetric::kCalls, OwnMetricRow::Kind::kCounter, "weir_calls_total", "plugin,upstream,outcome",
     "HTTP and gRPC calls of plugins that ended, by how."},
    {OwnMetric::kCallSeconds, OwnMetricRow::Kind::kSeconds, "weir_call_duration_seconds", "plugin,upstream",
     "Time from the start of a call to its end."},
    {OwnMetric::kAnswersDropped, OwnMetricRow::Kind::kCounter, "weir_call_answers_dropped_total", "plugin",
     "Answers that came when the context or instance that had asked was gone."},
    {OwnMetric::kStreamNotes, OwnMetricRow::Kind::kCounter, "weir_stream_notes_total", "plugin,note",
     "What went another way than a plugin or its operator may have meant."},
    {OwnMetric::kStreams, OwnMetricRow::Kind::kGauge, "weir_streams", "", "Requests and connections with plugins that are alive."},
};
static_assert([] {
  size_t i = 0;
  for (const OwnMetricRow& row : kOwnMetrics)
    if (size_t(row.id) != i++) return false;
  return true;
}());
constexpr const OwnMetricRow& RowOf(OwnMetric metric) { return kOwnMetrics[size_t(metric)]; }

/// `plugin="auth",call="x"`: the row's labels with these values, as Prometheus writes them.
std::string OwnLabels(OwnMetric metric, std::initializer_list<std::string_view> values);

/// Bounds of a histogram of nanoseconds; the last bucket is for all above.
inline constexpr uint64_t kDurationBoundsNs[] = {
    250,       500,       1'000,     2'500,     5'000,      10'000,     25'000,      50'000,      100'000,       250'000,
    500'000,   1'000'000, 2'500'000, 5'000'000, 10'000'000, 50'000'000, 250'000'000, 1'000'000'000, 5'000'000'000, 30'000'000'000};
inline constexpr size_t kDurationBuckets = std::size(kDurationBoundsNs) + 1;

/// A number that one thread of one process writes, and any process may read: no locked instruction.
class OwnCell {
 public:
  void Add(uint64_t by) { value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// Of a kSeconds row: their sum, then how many fell into each bucket.
inline constexpr size_t kDurationCells = 1 + kDurationBuckets;
inline constexpr size_t CellsOf(OwnMetricRow::Kind kind) { return kind == OwnMetricRow::Kind::kSeconds ? kDurationCells : 1; }
/// `cells`: kDurationCells of them.
inline void AddDuration(OwnCell* cells, uint64_t ns) {
  size_t bucket = 0;
  while (bucket < kDurationBuckets - 1 && ns > kDurationBoundsNs[bucket]) ++bucket;
  cells[0].Add(ns);
  cells[1 + bucket].Add(1);
}

}  // namespace weir
