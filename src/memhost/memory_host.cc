#include "memhost/memory_host.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "base/check.h"
#include "host/log.h"
#include "memhost/traced_calls.h"
#include "memhost/traced_tcp.h"

namespace weir {

/// What plugins get: the services, with a line in the trace for each effect.
class MemoryHost::Services final : public Log, public Metrics, public Timers {
 public:
  Services(MemoryHost& world, LogLevel level) : world_(world), level_(level), calls_(world) {}
  TracedCalls& calls() { return calls_; }
  void Write(LogLevel level, std::string_view plugin, std::string_view line) override {
    if (level < level_ || !world_.tracing_) return;
    std::string text = "log ";
    text.append(LogLevelName(level)).append(" ").append(plugin).append(": ").append(line);
    world_.Note(std::move(text));
  }
  LogLevel level() const override { return level_; }

  std::optional<uint32_t> Define(MetricType type, std::string_view name, std::string_view plugin) override {
    auto id = world_.metrics_.Define(type, name, plugin);
    if (!id || !world_.tracing_) return id;
    if (names_.size() <= *id) names_.resize(*id + 1);
    names_[*id] = name;
    return id;
  }
  std::optional<MetricType> TypeOf(uint32_t id) override { return world_.metrics_.TypeOf(id); }
  void Increment(uint32_t id, int64_t by) override {
    world_.metrics_.Increment(id, by);
    if (world_.tracing_) world_.Note("metric " + Name(id) + " + " + std::to_string(by));
  }
  void Record(uint32_t id, uint64_t value) override {
    world_.metrics_.Record(id, value);
    if (world_.tracing_) world_.Note("metric " + Name(id) + " = " + std::to_string(value));
  }
  uint64_t Get(uint32_t id) override { return world_.metrics_.Get(id); }
  OwnCell* Own(OwnMetric metric, std::string_view labels) override { return world_.metrics_.Own(metric, labels); }

  void SetTick(Plugin& plugin, uint32_t period_ms) override {
    const bool changes = period_ms != 0 || world_.timers_.ticks(plugin);  // a plugin that goes stops its ticks, whether it had any or not
    world_.timers_.SetTick(plugin, period_ms);
    if (world_.tracing_ && changes) world_.Note("tick " + plugin.spec().name + " every " + std::to_string(period_ms) + " ms");
  }

 private:
  std::string Name(uint32_t id) const { return id < names_.size() ? names_[id] : "#" + std::to_string(id); }
  MemoryHost& world_;
  LogLevel level_;
  std::vector<std::string> names_;  ///< by metric id
  TracedCalls calls_;
};

/// A client whose thread wakes the one that waits in Step().
class MemoryHost::ClientLoop {
 public:
  explicit ClientLoop(ClientOptions options) : client_(std::move(options), [this] { Notify(); }) {}
  CallClient& client() { return client_; }
  /// How long it took until something came, at most `max_ms`.
  uint64_t WaitMs(uint64_t max_ms) {
    const auto start = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    condition_.wait_until(lock, start + std::chrono::milliseconds(max_ms), [this] { return notified_; });
    notified_ = false;
    const auto passed = std::chrono::steady_clock::now() - start;
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(passed).count());
  }

 private:
  void Notify() {
    std::lock_guard lock(mutex_);
    notified_ = true;
    condition_.notify_one();
  }
  std::mutex mutex_;
  std::condition_variable condition_;
  bool notified_ = false;
  CallClient client_;  // last: its thread ends first
};

MemoryHost::MemoryHost(LogLevel level)
    : services_(std::make_unique<Services>(*this, level)),
      host_{*services_, clock_, shared_data_, queues_, *services_, *services_, foreign_functions_, services_->calls(), &vms_} {
  services_->calls().Add(scripted_calls_);
}
MemoryHost::~MemoryHost() = default;

void MemoryHost::set_client(ClientOptions options) {
  WEIR_CHECK(!client_);
  client_ = std::make_unique<ClientLoop>(std::move(options));
  services_->calls().Add(client_->client());
}

bool MemoryHost::WaitForClient(uint64_t max_ms) {
  for (uint64_t left_ms = max_ms;;) {
    const uint64_t passed_ms = std::min(client_->WaitMs(left_ms), left_ms);
    clock_.AdvanceMs(passed_ms);
    left_ms -= passed_ms;
    if (client_->client().Deliver() > 0) return true;  // or it was woken for what was taken before
    if (left_ms == 0) return false;
  }
}

bool MemoryHost::Step(uint64_t max_ms) {
  if (queues_.Deliver() + scripted_calls_.Deliver() > 0) return true;
  const bool real = client_ && client_->client().in_flight() > 0;
  if (real && client_->client().Deliver() > 0) return true;
  const std::optional<uint64_t> tick_ns = timers_.next_ns(), answer_ns = scripted_calls_.next_ns();
  const std::optional<uint64_t> next_ns = !tick_ns ? answer_ns : !answer_ns ? tick_ns : std::min(*tick_ns, *answer_ns);
  const uint64_t now_ns = clock_.MonotonicNs();
  const uint64_t wait_ns = next_ns && *next_ns > now_ns ? *next_ns - now_ns : 0;
  const uint64_t wait_ms = (wait_ns + 999'999) / 1'000'000;
  const bool in_time = next_ns && wait_ns <= max_ms * 1'000'000;
  if (real) {
    const uint64_t start_ns = now_ns;
    if (WaitForClient(in_time ? wait_ms : max_ms)) return true;
    if (!in_time) return clock_.MonotonicNs() > start_ns;
    const uint64_t passed_ms = (clock_.MonotonicNs() - start_ns) / 1'000'000;
    clock_.AdvanceMs(wait_ms - std::min(passed_ms, wait_ms));
  } else {
    if (!in_time) return false;
    clock_.AdvanceMs(wait_ms);
  }
  return timers_.Run() + scripted_calls_.Deliver() > 0;
}

namespace {

constexpr std::string_view kMaps[] = {"request_headers", "request_trailers", "response_headers", "response_trailers"};
constexpr std::string_view kStatuses[] = {"continue", "pause", "failed"};
std::string_view Name(Direction direction) { return direction == Direction::kRequest ? "request" : "response"; }

/// A header map that notes what is written to it.
class TracedMap final : public HeaderMap {
 public:
  void Set(HeaderMap* map, MemoryHost* world, std::string prefix) {
    map_ = map, world_ = world, prefix_ = std::move(prefix);
  }
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override { return map_->Find(name, out, max); }
  void ForEach(Visitor& visitor) const override { map_->ForEach(visitor); }
  size_t size() const override { return map_->size(); }
  bool Add(std::string_view name, std::string_view value) override {
    return Done(" add ", name, value, map_->Add(name, value));
  }
  bool Replace(std::string_view name, std::string_view value) override {
    return Done(" replace ", name, value, map_->Replace(name, value));
  }
  bool Remove(std::string_view name) override { return Done(" remove ", name, "", map_->Remove(name)); }

 private:
  bool Done(std::string_view verb, std::string_view name, std::string_view value, bool ok) {
    std::string line = prefix_;
    line.append(verb).append(name);
    if (verb != " remove ") line.append(": ").append(value);
    world_->Note(line.append(ok ? "" : " (refused)"));
    return ok;
  }
  HeaderMap* map_ = nullptr;
  MemoryHost* world_ = nullptr;
  std::string prefix_;
};

class TracedStream final : public HttpStream {
 public:
  TracedStream(HttpStream& stream, MemoryHost& world, std::string plugin)
      : stream_(stream), world_(world), plugin_(std::move(plugin)) {}
  HeaderMap* headers(HeaderMapKind kind) override {
    HeaderMap* map = stream_.headers(kind);
    if (!map) return nullptr;
    const size_t i = static_cast<size_t>(kind);
    maps_[i].Set(map, &world_, plugin_ + " " + std::string(kMaps[i]));
    return &maps_[i];
  }
  bool headers_writable(HeaderMapKind kind) override { return stream_.headers_writable(kind); }
  std::optional<std::string_view> body(Direction direction) override { return stream_.body(direction); }
  bool ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) override {
    const bool ok = stream_.ReplaceBody(direction, start, size, bytes);
    Note(std::string(Name(direction)) + "_body replace " + std::to_string(start) + "+" + std::to_string(size) + " by " +
         std::to_string(bytes.size()) + " bytes" + (ok ? "" : " (refused)"));
    return ok;
  }
  void Resume(Direction direction) override {
    Note("resume " + std::string(Name(direction)));
    stream_.Resume(direction);
  }
  bool SendLocalResponse(LocalResponse response) override {
    Note("local_response " + std::to_string(response.status));
    return stream_.SendLocalResponse(std::move(response));
  }
  void Reset(Direction direction) override {
    Note("reset " + std::string(Name(direction)));
    stream_.Reset(direction);
  }
  std::optional<PropertyValue> property(Property property) override { return stream_.property(property); }
  std::optional<std::string> custom_property(std::string_view path) override { return stream_.custom_property(path); }
  HeaderList custom_properties() override { return stream_.custom_properties(); }
  bool SetCustomProperty(std::string_view path, std::string_view value) override {
    const bool ok = stream_.SetCustomProperty(path, value);
    Note("property " + std::string(path) + " = " + std::string(value) + (ok ? "" : " (refused)"));
    return ok;
  }
  void ClearRouteCache() override {
    Note("clear_route_cache");
    stream_.ClearRouteCache();
  }
  void Fail() override {
    Note("fail");
    stream_.Fail();
  }
  void Note(std::string text) { world_.Note(plugin_ + " " + text); }

 private:
  HttpStream& stream_;
  MemoryHost& world_;
  std::string plugin_;
  TracedMap maps_[kHeaderMapKinds];
};

class TracedFilter final : public HttpFilter {
 public:
  TracedFilter(Plugin& plugin, HttpStream& stream, MemoryHost& world) : stream_(stream, world, plugin.spec().name) {
    filter_ = plugin.NewHttpFilter(stream_);
  }
  bool up() const { return filter_ != nullptr; }
  FilterStatus OnRequestHeaders(size_t count, EndOfStream end) override {
    return Done("on_request_headers", count, end, filter_->OnRequestHeaders(count, end));
  }
  FilterStatus OnRequestBody(size_t bytes, EndOfStream end) override {
    return Done("on_request_body", bytes, end, filter_->OnRequestBody(bytes, end));
  }
  FilterStatus OnRequestTrailers(size_t count) override {
    return Done("on_request_trailers", count, EndOfStream::kNo, filter_->OnRequestTrailers(count));
  }
  FilterStatus OnResponseHeaders(size_t count, EndOfStream end) override {
    return Done("on_response_headers", count, end, filter_->OnResponseHeaders(count, end));
  }
  FilterStatus OnResponseBody(size_t bytes, EndOfStream end) override {
    return Done("on_response_body", bytes, end, filter_->OnResponseBody(bytes, end));
  }
  FilterStatus OnResponseTrailers(size_t count) override {
    return Done("on_response_trailers", count, EndOfStream::kNo, filter_->OnResponseTrailers(count));
  }
  bool ignores_body(Direction direction) const override { return filter_->ignores_body(direction); }
  bool ignores_trailers(Direction direction) const override { return filter_->ignores_trailers(direction); }
  void OnFinish() override {
    stream_.Note("finish");
    filter_->OnFinish();
  }

 private:
  FilterStatus Done(std::string_view event, size_t count, EndOfStream end, FilterStatus status) {
    std::string line(event);
    line.append(" ").append(std::to_string(count)).append(end == EndOfStream::kYes ? " end" : "");
    stream_.Note(line.append(" -> ").append(kStatuses[static_cast<size_t>(status)]));
    return status;
  }
  TracedStream stream_;  // outlives the filter
  std::unique_ptr<HttpFilter> filter_;
};

class TracedPlugin final : public Plugin {
 public:
  TracedPlugin(Plugin& plugin, MemoryHost& world) : plugin_(plugin), world_(world) {}
  const PluginSpec& spec() const override { return plugin_.spec(); }
  const PluginStats& stats() const override { return plugin_.stats(); }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream& stream) override {
    auto filter = std::make_unique<TracedFilter>(plugin_, stream, world_);
    if (!filter->up()) return nullptr;
    return filter;
  }
  std::unique_ptr<TcpFilter> NewTcpFilter(TcpStream& stream) override { return NewTracedTcpFilter(plugin_, stream, world_); }
  void OnTick() override { plugin_.OnTick(); }
  void OnQueueReady(uint32_t queue_id) override { plugin_.OnQueueReady(queue_id); }

 private:
  Plugin& plugin_;
  MemoryHost& world_;
};

}  // namespace

std::unique_ptr<Plugin> MemoryHost::Traced(Plugin& plugin) { return std::make_unique<TracedPlugin>(plugin, *this); }

}  // namespace weir
