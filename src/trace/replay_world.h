// What a plugin that is played again sees in place of a proxy: the answers of the record.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "host/clock.h"
#include "host/metrics.h"
#include "host/shared_data.h"
#include "memhost/memory_headers.h"
#include "trace/record.h"
#include "weir/host.h"
#include "weir/plugin.h"

namespace weir::trace {

/// Answers of one record, to be found again by what was asked: first in the event that is on, in order; then what the same question got
/// last before, or first after it.
class Answers {
 public:
  explicit Answers(const Record& record) : record_(record) {}
  /// From now on `event` is on; null: none of this record.
  void Begin(const Event* event);
  /// In the event that is on, each once. Null: not there.
  const Call* Take(const Strings& words);
  /// What that question got in another event. Null: nobody asked that.
  const Call* Recall(const Strings& words) const;
  const Record& record() const { return record_; }

 private:
  const Record& record_;
  const Event* event_ = nullptr;
  std::vector<bool> used_;
};

/// The services. What the record does not know is answered from memory, where what the plugin writes goes too.
class ReplayWorld final : public Log, public Clock, public RandomSource, public SharedData, public Queues, public Metrics, public Timers, public Calls {
 public:
  ReplayWorld();
  Host& host() { return host_; }
  /// Whose answers count now, the event's own first. They outlive the event.
  void set_answers(std::vector<Answers*> answers) { answers_ = std::move(answers); }
  void set_level(LogLevel level) { level_ = level; }
  /// Whose call has that number. Null: nobody's.
  CallEvents* EventsOf(CallToken token);
  const Call* Take(const Strings& words);

  void Write(LogLevel, std::string_view, std::string_view) override {}
  LogLevel level() const override { return level_; }
  uint64_t RealtimeNs() override;
  uint64_t MonotonicNs() override;
  void Fill(std::span<uint8_t> bytes) override;
  std::optional<Entry> Get(std::string_view space, std::string_view key) override;
  StoreStatus Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) override;
  StoreStatus Delete(std::string_view space, std::string_view key, uint32_t cas) override;
  StoreStatus SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) override;
  std::vector<std::string> Keys(std::string_view space, size_t max) override;
  uint32_t Register(std::string_view space, std::string_view name, Plugin& consumer) override;
  std::optional<uint32_t> Resolve(std::string_view space, std::string_view name) override;
  StoreStatus Enqueue(uint32_t id, std::string_view item) override;
  StoreStatus Dequeue(uint32_t id, std::string* item) override;
  void Forget(Plugin&) override {}
  std::optional<uint32_t> Define(MetricType type, std::string_view name, std::string_view plugin) override;
  std::optional<MetricType> TypeOf(uint32_t id) override { return metrics_.TypeOf(id); }
  void Increment(uint32_t id, int64_t by) override { metrics_.Increment(id, by); }
  void Record(uint32_t id, uint64_t value) override { metrics_.Record(id, value); }
  uint64_t Get(uint32_t id) override;
  void SetTick(Plugin&, uint32_t) override {}
  bool KnowsUpstream(std::string_view upstream) override;
  Result<CallToken> StartHttp(HttpCall call, CallEvents& events) override;
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents& events) override;
  bool GrpcSend(CallToken token, std::string message, EndOfStream end) override;
  bool GrpcCloseSend(CallToken token) override;
  void Cancel(CallToken token) override { calls_.erase(token); }

 private:
  std::optional<StoreStatus> TakeStatus(const Strings& words);
  Result<CallToken> Started(const Strings& words, std::string_view upstream, CallEvents& events);

  SystemClock clock_;
  InProcessSharedData shared_data_{clock_};
  InProcessMetrics metrics_;
  ForeignFunctions foreign_functions_;
  std::map<uint32_t, std::string> metric_names_;
  std::vector<Answers*> answers_;
  LogLevel level_ = LogLevel::kTrace;
  std::unordered_map<CallToken, CallEvents*> calls_;
  uint64_t last_token_ = uint64_t{1} << 32;  ///< of calls that are not in the record
  uint32_t last_queue_ = 1u << 30;
  uint64_t realtime_ns_ = ManualClock::kStartRealtimeNs, monotonic_ns_ = ManualClock::kStartMonotonicNs;
  Host host_;
};

/// One request of a record.
class ReplayStream final : public HttpStream {
 public:
  explicit ReplayStream(ReplayWorld& world) : world_(world) {}
  /// What an event gives.
  void Give(const Event& event);
  /// A body event is over.
  void Keep(Direction direction, bool paused);

  HeaderMap* headers(HeaderMapKind kind) override;
  bool headers_writable(HeaderMapKind kind) override;
  std::optional<std::string_view> body(Direction direction) override;
  bool ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) override;
  void Resume(Direction) override {}
  bool SendLocalResponse(LocalResponse response) override;
  void Reset(Direction) override {}
  void ClearRouteCache() override {}
  std::optional<PropertyValue> property(Property property) override;
  std::optional<std::string> custom_property(std::string_view path) override;
  HeaderList custom_properties() override;
  bool SetCustomProperty(std::string_view path, std::string_view value) override;
  void Fail() override {}

 private:
  /// "no" of the record, else yes.
  bool Agrees(const Strings& words);
  ReplayWorld& world_;
  HeaderList lists_[kHeaderMapKinds];
  bool there_[kHeaderMapKinds] = {};
  MemoryHeaders maps_[kHeaderMapKinds] = {{lists_[0], MemoryHeaders::Pseudo::kRequest},
                                          {lists_[1], MemoryHeaders::Pseudo::kNone},
                                          {lists_[2], MemoryHeaders::Pseudo::kResponse},
                                          {lists_[3], MemoryHeaders::Pseudo::kNone}};
  std::optional<std::string> bodies_[kDirections];
  HeaderList custom_;
};

/// name, value, name, value … from `first`, up to an empty pair.
HeaderList PairsFrom(const Strings& strings, size_t first, size_t* end = nullptr);
uint64_t NumberIn(const Strings& strings, size_t at);

}  // namespace weir::trace
