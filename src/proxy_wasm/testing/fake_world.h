// A world for tests: everything a plugin may touch, in vectors and maps that a test reads.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "weir/host.h"
#include "weir/http.h"
#include "weir/plugin.h"

namespace weir::proxy_wasm::testing {

class FakeLog final : public Log {
 public:
  void Write(LogLevel level, std::string_view plugin, std::string_view line) override {
    levels.push_back(level);
    lines.emplace_back(line);
    by.push_back(std::string(plugin) + ": " + std::string(line));
  }
  LogLevel level() const override { return least; }
  bool Has(std::string_view part) const { return Count(part) > 0; }
  size_t Count(std::string_view part) const {
    return size_t(std::count_if(lines.begin(), lines.end(), [&](const auto& l) { return l.find(part) != l.npos; }));
  }
  LogLevel least = LogLevel::kDebug;
  std::vector<LogLevel> levels;
  std::vector<std::string> lines;
  std::vector<std::string> by;  ///< the same with the plugin in front
};

class FakeClock final : public Clock {
 public:
  uint64_t RealtimeNs() override { return 1'700'000'000'000'000'000 + now_ns; }
  uint64_t MonotonicNs() override { return now_ns; }
  uint64_t now_ns = 1'000'000'000;
};

class FakeSharedData final : public SharedData {
 public:
  std::optional<Entry> Get(std::string_view space, std::string_view key) override {
    auto at = entries.find({std::string(space), std::string(key)});
    if (at == entries.end()) return std::nullopt;
    return at->second;
  }
  StoreStatus Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) override {
    auto now = Get(space, key);
    if (cas != 0 && (!now || now->cas != cas)) return StoreStatus::kCasMismatch;
    entries[{std::string(space), std::string(key)}] = {std::string(value), now ? now->cas + 1 : 1};
    return StoreStatus::kOk;
  }
  StoreStatus Delete(std::string_view space, std::string_view key, uint32_t) override {
    return entries.erase({std::string(space), std::string(key)}) > 0 ? StoreStatus::kOk : StoreStatus::kNotFound;
  }
  StoreStatus SetTtl(std::string_view space, std::string_view key, uint64_t ms) override {
    ttl_ms = ms;
    return Get(space, key) ? StoreStatus::kOk : StoreStatus::kNotFound;
  }
  std::vector<std::string> Keys(std::string_view space, size_t max) override {
    std::vector<std::string> keys;
    for (const auto& [at, entry] : entries)
      if (at.first == space && keys.size() < max) keys.push_back(at.second);
    return keys;
  }
  std::map<std::pair<std::string, std::string>, Entry> entries;
  uint64_t ttl_ms = 0;
};

class FakeQueues final : public Queues {
 public:
  uint32_t Register(std::string_view space, std::string_view name, Plugin& plugin) override {
    consumer = &plugin;
    if (auto id = Resolve(space, name)) return *id;
    names.emplace_back(space, name);
    items.emplace_back();
    return uint32_t(names.size());
  }
  std::optional<uint32_t> Resolve(std::string_view space, std::string_view name) override {
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i] == std::pair<std::string, std::string>(space, name)) return uint32_t(i + 1);
    return std::nullopt;
  }
  StoreStatus Enqueue(uint32_t id, std::string_view item) override {
    if (id == 0 || id > items.size()) return StoreStatus::kNotFound;
    items[id - 1].emplace_back(item);
    return StoreStatus::kOk;
  }
  StoreStatus Dequeue(uint32_t id, std::string* item) override {
    if (id == 0 || id > items.size()) return StoreStatus::kNotFound;
    if (items[id - 1].empty()) return StoreStatus::kEmpty;
    *item = items[id - 1].front();
    items[id - 1].pop_front();
    return StoreStatus::kOk;
  }
  void Forget(Plugin& plugin) override {
    if (consumer == &plugin) consumer = nullptr;
  }
  Plugin* consumer = nullptr;
  std::vector<std::pair<std::string, std::string>> names;
  std::vector<std::deque<std::string>> items;
};

class FakeMetrics final : public Metrics {
 public:
  struct Cell {
    MetricType type;
    std::string name;
    uint64_t value = 0;
  };
  std::optional<uint32_t> Define(MetricType type, std::string_view name, std::string_view) override {
    for (size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].name != name) continue;
      return cells[i].type == type ? std::optional<uint32_t>(i + 1) : std::nullopt;
    }
    cells.push_back({type, std::string(name)});
    return uint32_t(cells.size());
  }
  std::optional<MetricType> TypeOf(uint32_t id) override {
    if (id == 0 || id > cells.size()) return std::nullopt;
    return cells[id - 1].type;
  }
  void Increment(uint32_t id, int64_t by) override { cells[id - 1].value += uint64_t(by); }
  void Record(uint32_t id, uint64_t value) override {
    if (cells[id - 1].type == MetricType::kCounter) value += cells[id - 1].value;
    cells[id - 1].value = value;
  }
  uint64_t Get(uint32_t id) override { return cells[id - 1].value; }
  OwnCell* Own(OwnMetric metric, std::string_view labels) override {
    const OwnMetricRow& row = RowOf(metric);
    auto& own_cells = own[std::string(row.name) + "{" + std::string(labels) + "}"];
    if (!own_cells) own_cells = std::make_unique<OwnCell[]>(CellsOf(row.kind));
    return own_cells.get();
  }
  /// Of one cell, or how many values a histogram has; 0: nobody asked for it.
  uint64_t OwnValue(std::string_view name, size_t cell = 0) const {
    auto it = own.find(name);
    return it == own.end() ? 0 : it->second[cell].value();
  }
  std::vector<Cell> cells;
  std::map<std::string, std::unique_ptr<OwnCell[]>, std::less<>> own;
};

class FakeTimers final : public Timers {
 public:
  void SetTick(Plugin& plugin, uint32_t ms) override {
    of[&plugin] = ms;
    period_ms = ms;
    periods.push_back(ms);
  }
  uint32_t period_ms = 0;
  std::vector<uint32_t> periods;
  std::map<const Plugin*, uint32_t> of;
};

/// Takes every call to "up" and keeps it; the test answers through `events`.
class FakeCalls final : public Calls {
 public:
  bool KnowsUpstream(std::string_view upstream) override { return upstream == "up" || upstream == "other"; }
  Result<CallToken> StartHttp(HttpCall call, CallEvents& to) override {
    if (error) return *error;
    http.push_back(std::move(call));
    return Start(to);
  }
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents& to) override {
    if (error) return *error;
    grpc.push_back(std::move(call));
    return Start(to);
  }
  bool GrpcSend(CallToken token, std::string message, EndOfStream end) override {
    if (!alive.contains(token) || half_closed.contains(token)) return false;
    sent.emplace_back(token, std::move(message));
    if (end == EndOfStream::kYes) half_closed.insert(token);
    return true;
  }
  bool GrpcCloseSend(CallToken token) override { return alive.contains(token) && half_closed.insert(token).second; }
  void Cancel(CallToken token) override {
    if (alive.erase(token) > 0) cancelled.push_back(token);
  }
  /// A token over; its next event is the last.
  CallEvents& End(CallToken token) {
    alive.erase(token);
    return *events;
  }

  CallEvents* events = nullptr;
  std::optional<Error> error;  ///< of the next starts
  std::vector<HttpCall> http;
  std::vector<GrpcCall> grpc;
  std::vector<std::pair<CallToken, std::string>> sent;
  std::vector<CallToken> cancelled;
  std::set<CallToken> alive, half_closed;
  CallToken last = 1000;  ///< tokens are no ids

 private:
  CallToken Start(CallEvents& to) {
    events = &to;
    alive.insert(++last);
    return last;
  }
};

struct FakeWorld {
  FakeLog log;
  FakeClock clock;
  FakeSharedData shared_data;
  FakeQueues queues;
  FakeMetrics metrics;
  FakeTimers timers;
  ForeignFunctions foreign;
  FakeCalls calls;
  VmPool vms;
  Host host{log, clock, shared_data, queues, metrics, timers, foreign, calls, &vms};
};

class FakeMap final : public HeaderMap {
 public:
  explicit FakeMap(HeaderList from = {}) : list(std::move(from)) {}
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override {
    size_t found = 0;
    for (const auto& [key, value] : list) {
      if (key != name) continue;
      if (found < max) out[found] = value;
      ++found;
    }
    return found;
  }
  void ForEach(Visitor& visitor) const override {
    for (const auto& [key, value] : list)
      if (!visitor.OnHeader(key, value)) return;
  }
  size_t size() const override { return list.size(); }
  bool Add(std::string_view name, std::string_view value) override {
    if (name.starts_with(':')) return Replace(name, value);
    list.emplace_back(name, value);
    return true;
  }
  bool Replace(std::string_view name, std::string_view value) override {
    for (auto& [key, old] : list) {
      if (key != name) continue;
      old = value;
      return true;
    }
    list.emplace_back(name, value);
    return true;
  }
  bool Remove(std::string_view name) override {
    std::erase_if(list, [&](const auto& pair) { return pair.first == name; });
    return true;
  }
  std::string operator[](std::string_view name) const {
    std::string_view value;
    return Find(name, &value, 1) > 0 ? std::string(value) : "(none)";
  }
  HeaderList list;
};

class FakeStream final : public HttpStream {
 public:
  HeaderMap* headers(HeaderMapKind kind) override { return maps[size_t(kind)] ? &*maps[size_t(kind)] : nullptr; }
  bool headers_writable(HeaderMapKind) override { return writable; }
  std::optional<std::string_view> body(Direction direction) override { return bodies[size_t(direction)]; }
  bool ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) override {
    auto& body = bodies[size_t(direction)];
    if (!body) return false;
    start = std::min(start, body->size());
    body->replace(start, std::min(size, body->size() - start), bytes);
    return true;
  }
  void Resume(Direction direction) override { ++resumed[size_t(direction)]; }
  bool SendLocalResponse(LocalResponse response) override {
    if (local) return false;
    local = std::move(response);
    return true;
  }
  void Reset(Direction direction) override { ++resets[size_t(direction)]; }
  std::optional<PropertyValue> property(Property property) override {
    auto at = properties.find(property);
    if (at == properties.end()) return std::nullopt;
    return at->second;
  }
  std::optional<std::string> custom_property(std::string_view path) override {
    auto at = custom.find(std::string(path));
    if (at == custom.end()) return std::nullopt;
    return at->second;
  }
  HeaderList custom_properties() override { return {custom.begin(), custom.end()}; }
  bool SetCustomProperty(std::string_view path, std::string_view value) override {
    custom[std::string(path)] = value;
    return true;
  }
  void ClearRouteCache() override { ++route_clears; }
  void Fail() override { ++failed; }

  std::optional<FakeMap> maps[kHeaderMapKinds] = {
      FakeMap({{":method", "GET"}, {":path", "/a/b?c=d"}, {":authority", "example.com"}, {":scheme", "https"}, {"user-agent", "curl/8"}})};
  bool writable = true;
  std::optional<std::string> bodies[kDirections];
  int resumed[kDirections] = {}, resets[kDirections] = {}, route_clears = 0, failed = 0;
  std::optional<LocalResponse> local;
  std::map<Property, PropertyValue> properties;
  std::map<std::string, std::string> custom;
};

}  // namespace weir::proxy_wasm::testing
