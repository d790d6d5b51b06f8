// A plugin with its host and its requests, all of which take notes. See recorder.h.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "trace/recorder.h"
#include "weir/plugin.h"

namespace weir::trace {

class RecordedPlugin;

/// The services as the plugin sees them. A note is taken while an event is on.
class RecordedHost final : public Log, public Clock, public RandomSource, public SharedData, public Queues, public Metrics, public Timers, public Calls, public CallEvents {
 public:
  RecordedHost(RecordedPlugin& plugin, Host& real);
  Host& host() { return host_; }
  LogLevel level() const override { return real_.log.level(); }

  void Write(LogLevel level, std::string_view plugin, std::string_view line) override;
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
  void Forget(Plugin& consumer) override;

  std::optional<uint32_t> Define(MetricType type, std::string_view name, std::string_view plugin) override;
  std::optional<MetricType> TypeOf(uint32_t id) override { return real_.metrics.TypeOf(id); }
  void Increment(uint32_t id, int64_t by) override;
  void Record(uint32_t id, uint64_t value) override;
  uint64_t Get(uint32_t id) override;
  OwnCell* Own(OwnMetric metric, std::string_view labels) override { return real_.metrics.Own(metric, labels); }

  void SetTick(Plugin& plugin, uint32_t period_ms) override;

  bool KnowsUpstream(std::string_view upstream) override;
  Result<CallToken> StartHttp(HttpCall call, CallEvents& events) override;
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents& events) override;
  bool GrpcSend(CallToken token, std::string message, EndOfStream end) override;
  bool GrpcCloseSend(CallToken token) override;
  void Cancel(CallToken token) override;
  void OnHttpAnswer(CallToken token, HttpAnswer answer) override;
  void OnGrpcMetadata(CallToken token, HeaderList metadata) override;
  void OnGrpcMessage(CallToken token, std::string message) override;
  void OnGrpcTrailers(CallToken token, HeaderList metadata) override;
  void OnGrpcClose(CallToken token, GrpcStatus status, std::string message) override;

 private:
  /// A call in flight. Its number is the plugin's own, so that a replay finds it again.
  struct Flight {
    uint64_t number;
    uint64_t tape;  ///< of the request whose event began it; 0: none
    CallEvents* events;
    bool recorded;  ///< the event that began it was; else its answers are none of ours
  };
  void Note(Strings words, Strings answer = {});
  bool on() const;
  Result<CallToken> Started(Strings words, Result<CallToken> token, CallEvents& events);
  std::string NumberOf(CallToken token) const;
  std::string MetricName(uint32_t id) const;
  /// One event of a call in flight; `last` ends it.
  template <class Deliver>
  void Arrived(CallToken token, std::string_view name, Strings more, bool last, Deliver deliver);

  RecordedPlugin& plugin_;
  Host& real_;
  std::unordered_map<CallToken, Flight> flights_;
  std::unordered_map<uint32_t, std::string> metric_names_;
  uint64_t calls_ = 0;
  Host host_;
};

class RecordedPlugin final : public Plugin {
 public:
  RecordedPlugin(Recorder& recorder, PluginSpec spec, std::string digest, Host& host);
  ~RecordedPlugin() override;
  Result<void> Load(const Recorder::Loader& load);

  const PluginSpec& spec() const override { return inner_ ? inner_->spec() : spec_; }
  const PluginStats& stats() const override { return inner_ ? inner_->stats() : none_; }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream& stream) override;
  std::unique_ptr<TcpFilter> NewTcpFilter(TcpStream& stream) override { return inner_->NewTcpFilter(stream); }
  void UseStreamId(uint32_t id) override { inner_->UseStreamId(id); }
  void OnTick() override;
  void OnQueueReady(uint32_t queue_id) override;
  void OnForeignFunction(uint32_t function_id, std::string_view arguments) override;

  // For the host, streams and filters:
  bool on() const { return on_; }
  /// Null: an event of no request.
  Tape* tape() const { return tape_; }
  /// `stream`: whose call it is when it is none of the host's; null: the host's.
  void Note(Strings words, Strings answer = {}, Tape* stream = nullptr);
  void Begin(Tape* tape, std::string name, Strings args);
  Event& event() { return event_; }
  /// An event of no request has to do with that one.
  void Touch(uint64_t tape);
  void End(std::string result);
  /// The event was none after all.
  void Drop() { on_ = false, tape_ = nullptr; }
  void Over(std::unique_ptr<Tape> tape);
  Plugin& inner() { return *inner_; }
  LogLevel level() const { return host_.level(); }
  bool call_numbers_are_tokens() const { return recorder_.call_numbers_are_tokens_; }
  /// null: the system's.
  static void FillRandom(RandomSource* random, std::span<uint8_t> bytes);

  /// The start with what was of no request since.
  struct Start {
    Record record;             ///< spec, and the first events
    size_t first_bytes = 0;
    std::deque<Event> later;   ///< the last ones
    size_t later_bytes = 0;
  };
  const Start& start() const { return starts_.back(); }
  /// Null: it is too long ago.
  const Start* FindStart(std::string_view id) const;

 private:
  friend class Recorder;
  void NewStart();
  void Append(Tape& tape, Event event);
  void AppendToStart(Event event);

  Recorder& recorder_;
  const PluginSpec spec_;
  const PluginStats none_;
  const std::string digest_;
  RecordedHost host_;
  std::unordered_map<uint64_t, Tape*> tapes_;  ///< of requests that are not over
  std::deque<Start> starts_;  ///< the last ones: requests that an instance left behind are of an earlier one
  bool on_ = false;
  Tape* tape_ = nullptr;
  Event event_;
  size_t event_bytes_ = 0;
  bool event_cut_ = false;
  std::vector<uint64_t> touched_;
  uint64_t instances_ = 0, failures_ = 0;
  uint64_t trap_written_ns_ = 0;
  std::unique_ptr<Plugin> inner_;  ///< last: its end still asks the host
};

/// The filter that notes its events and what `plugin` does to the stream. Null: the plugin is down.
std::unique_ptr<HttpFilter> NewRecordedFilter(RecordedPlugin& plugin, HttpStream& stream, std::unique_ptr<Tape> tape);

std::string_view NameOf(HeaderMapKind kind);
std::string_view NameOf(Direction direction);
void AppendPairs(const HeaderList& list, Strings* strings);
Strings WordsOf(const HttpCall& call);
Strings WordsOf(const GrpcCall& call);
Strings WordsOf(const LocalResponse& response);

}  // namespace weir::trace
