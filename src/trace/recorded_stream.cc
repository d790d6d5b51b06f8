// A request as a recorded plugin sees it.
#include <utility>

#include "trace/recorded_plugin.h"

namespace weir::trace {
namespace {

constexpr std::string_view kMaps[] = {"request_headers", "request_trailers", "response_headers", "response_trailers"};
constexpr std::string_view kBodies[] = {"request_body", "response_body"};
constexpr std::string_view kStatuses[] = {"continue", "pause", "failed"};

std::string_view YesNo(bool yes) { return yes ? "yes" : "no"; }

HeaderList Copy(const HeaderMap& map) {
  struct Collect final : HeaderMap::Visitor {
    bool OnHeader(std::string_view name, std::string_view value) override {
      list.emplace_back(name, value);
      return true;
    }
    HeaderList list;
  } collect;
  map.ForEach(collect);
  return std::move(collect.list);
}

/// Without a copy: most events show what the one before did.
bool Equal(const HeaderMap& map, const HeaderList& list) {
  struct Compare final : HeaderMap::Visitor {
    explicit Compare(const HeaderList& with) : list(with) {}
    bool OnHeader(std::string_view name, std::string_view value) override {
      same = at < list.size() && list[at].first == name && list[at].second == value;
      ++at;
      return same;
    }
    const HeaderList& list;
    size_t at = 0;
    bool same = true;
  } compare(list);
  map.ForEach(compare);
  return compare.same && compare.at == list.size();
}

/// Strings of a value, with its type.
Strings Text(const std::optional<PropertyValue>& value) {
  if (!value) return {};
  if (const auto* text = std::get_if<std::string>(&*value)) return {"string", *text};
  if (const auto* number = std::get_if<int64_t>(&*value)) return {"number", std::to_string(*number)};
  return {"bool", std::string(YesNo(std::get<bool>(*value)))};
}

/// A header map whose changes are noted. What is in it was given before.
class RecordedMap final : public HeaderMap {
 public:
  void Set(HeaderMap* map, RecordedPlugin* plugin, Tape* tape, HeaderMapKind kind) { map_ = map, plugin_ = plugin, tape_ = tape, kind_ = kind; }
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override { return map_->Find(name, out, max); }
  void ForEach(Visitor& visitor) const override { map_->ForEach(visitor); }
  size_t size() const override { return map_->size(); }
  bool Add(std::string_view name, std::string_view value) override { return Note("add", name, value, map_->Add(name, value)); }
  bool Replace(std::string_view name, std::string_view value) override { return Note("replace", name, value, map_->Replace(name, value)); }
  bool Remove(std::string_view name) override {
    const bool removed = map_->Remove(name);
    if (plugin_->on()) plugin_->Note({"remove", std::string(NameOf(kind_)), std::string(name)}, {std::string(YesNo(removed))}, tape_);
    return removed;
  }

 private:
  bool Note(std::string_view word, std::string_view name, std::string_view value, bool done) {
    if (plugin_->on()) {
      plugin_->Note({std::string(word), std::string(NameOf(kind_)), std::string(name), std::string(value)}, {std::string(YesNo(done))}, tape_);
    }
    return done;
  }
  HeaderMap* map_ = nullptr;
  RecordedPlugin* plugin_ = nullptr;
  Tape* tape_ = nullptr;
  HeaderMapKind kind_ = HeaderMapKind::kRequestHeaders;
};

class RecordedStream final : public HttpStream {
 public:
  RecordedStream(RecordedPlugin& plugin, HttpStream& real, Tape& tape) : plugin_(plugin), real_(real), tape_(tape) {}

  HeaderMap* headers(HeaderMapKind kind) override {
    HeaderMap* map = real_.headers(kind);
    const bool trailers = kind == HeaderMapKind::kRequestTrailers || kind == HeaderMapKind::kResponseTrailers;
    if (trailers && map != nullptr && plugin_.on()) {  // headers are given with the event; trailers may come about by being asked for
      Strings content;
      AppendPairs(Copy(*map), &content);
      plugin_.Note({"map", std::string(NameOf(kind))}, std::move(content), &tape_);
    }
    if (map == nullptr) return nullptr;
    RecordedMap& recorded = maps_[static_cast<size_t>(kind)];
    recorded.Set(map, &plugin_, &tape_, kind);
    return &recorded;
  }
  bool headers_writable(HeaderMapKind kind) override {
    const bool writable = real_.headers_writable(kind);
    if (plugin_.on()) plugin_.Note({"writable", std::string(NameOf(kind))}, {std::string(YesNo(writable))}, &tape_);
    return writable;
  }
  std::optional<std::string_view> body(Direction direction) override { return real_.body(direction); }
  bool ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) override {
    // In the terms of what there is: SDKs give SIZE_MAX for "to the end".
    const size_t all = real_.body(direction).value_or(std::string_view()).size();
    const size_t from = std::min(start, all);
    Strings words;
    if (plugin_.on()) {
      words = {"replace_body", std::string(NameOf(direction)), std::to_string(from), std::to_string(std::min(size, all - from)), std::string(bytes)};
    }
    const bool done = real_.ReplaceBody(direction, start, size, bytes);
    plugin_.Note(std::move(words), {std::string(YesNo(done))}, &tape_);
    return done;
  }
  void Resume(Direction direction) override {
    Note("resume", direction);
    real_.Resume(direction);
  }
  bool SendLocalResponse(LocalResponse response) override {
    Strings words;
    if (plugin_.on()) words = WordsOf(response);
    const bool sent = real_.SendLocalResponse(std::move(response));
    plugin_.Note(std::move(words), {std::string(YesNo(sent))}, &tape_);
    return sent;
  }
  void Reset(Direction direction) override {
    Note("reset", direction);
    real_.Reset(direction);
  }
  void ClearRouteCache() override {
    plugin_.Note({"clear_route_cache"}, {}, &tape_);
    real_.ClearRouteCache();
  }
  std::optional<PropertyValue> property(Property property) override {
    std::optional<PropertyValue> value = real_.property(property);
    if (plugin_.on()) plugin_.Note({"property", std::string(RowOf(property).path)}, Text(value), &tape_);
    return value;
  }
  std::optional<std::string> custom_property(std::string_view path) override {
    std::optional<std::string> value = real_.custom_property(path);
    if (plugin_.on()) plugin_.Note({"custom_property", std::string(path)}, value ? Strings{*value} : Strings{}, &tape_);
    return value;
  }
  HeaderList custom_properties() override {
    HeaderList all = real_.custom_properties();
    if (plugin_.on()) {
      Strings pairs;
      AppendPairs(all, &pairs);
      plugin_.Note({"custom_properties"}, std::move(pairs), &tape_);
    }
    return all;
  }
  bool SetCustomProperty(std::string_view path, std::string_view value) override {
    const bool set = real_.SetCustomProperty(path, value);
    if (plugin_.on()) plugin_.Note({"set_property", std::string(path), std::string(value)}, {std::string(YesNo(set))}, &tape_);
    return set;
  }
  void Fail() override {
    plugin_.Note({"fail"}, {}, &tape_);
    real_.Fail();
  }

  /// What is new to see since the event before.
  void Give() {
    for (const Direction direction : {Direction::kRequest, Direction::kResponse}) {
      const HeaderMapKind kind = direction == Direction::kRequest ? HeaderMapKind::kRequestHeaders : HeaderMapKind::kResponseHeaders;
      HeaderMap* map = real_.headers(kind);
      if (map == nullptr) continue;
      HeaderList& seen = tape_.seen[static_cast<size_t>(direction)];
      if (Equal(*map, seen)) continue;
      seen = Copy(*map);
      Strings given = {std::string(NameOf(kind))};
      AppendPairs(seen, &given);
      plugin_.event().given.push_back(std::move(given));
    }
  }
  /// The trailers of an event that is about them.
  void GiveTrailers(HeaderMapKind kind) {
    HeaderMap* map = real_.headers(kind);
    if (map == nullptr) return;
    Strings given = {std::string(NameOf(kind))};
    AppendPairs(Copy(*map), &given);
    plugin_.event().given.push_back(std::move(given));
  }
  /// Of a body how much is what the plugin held already, and the rest.
  void GiveBody(Direction direction) {
    const std::string_view now = real_.body(direction).value_or(std::string_view());
    const std::string& held = tape_.body[static_cast<size_t>(direction)];
    const size_t kept = now.starts_with(held) ? held.size() : 0;
    if (now.size() - kept > tape_.rules->stream_bytes) {  // no copy of what is cut anyway
      tape_.record.cut = true;
      return;
    }
    plugin_.event().given.push_back({std::string(kBodies[static_cast<size_t>(direction)]), std::to_string(kept), std::string(now.substr(kept))});
  }
  void KeepBody(Direction direction, bool paused) {
    std::string& held = tape_.body[static_cast<size_t>(direction)];
    const std::string_view now = paused && !tape_.record.cut ? real_.body(direction).value_or(std::string_view()) : std::string_view();
    held = now.size() <= tape_.rules->stream_bytes ? now : std::string_view();
  }

 private:
  void Note(std::string_view word, Direction direction) {
    if (plugin_.on()) plugin_.Note({std::string(word), std::string(NameOf(direction))}, {}, &tape_);
  }
  RecordedPlugin& plugin_;
  HttpStream& real_;
  Tape& tape_;
  RecordedMap maps_[kHeaderMapKinds];
};

class RecordedFilter final : public HttpFilter {
 public:
  RecordedFilter(RecordedPlugin& plugin, HttpStream& real, std::unique_ptr<Tape> tape) : plugin_(plugin), tape_(std::move(tape)), stream_(plugin, real, *tape_) {
    plugin_.Begin(tape_.get(), "new", {});
    stream_.Give();
    filter_ = plugin_.inner().NewHttpFilter(stream_);
    if (filter_) tape_->record.stream = std::to_string(filter_->id());
    plugin_.End(filter_ ? "" : "down");
  }
  ~RecordedFilter() override {
    plugin_.Begin(tape_.get(), "gone", {});
    filter_.reset();
    if (plugin_.event().calls.empty()) {
      plugin_.Drop();
    } else {
      plugin_.End({});
    }
    plugin_.Over(std::move(tape_));
  }
  bool up() const { return filter_ != nullptr; }
  uint32_t id() const override { return filter_->id(); }

  FilterStatus OnRequestHeaders(size_t count, EndOfStream end) override {
    return Run("request_headers", Args(count, end), [&] { return filter_->OnRequestHeaders(count, end); });
  }
  FilterStatus OnRequestBody(size_t bytes, EndOfStream end) override {
    return Body("request_body", Direction::kRequest, Args(bytes, end), [&] { return filter_->OnRequestBody(bytes, end); });
  }
  FilterStatus OnRequestTrailers(size_t count) override {
    return Trailers("request_trailers", HeaderMapKind::kRequestTrailers, count, [&] { return filter_->OnRequestTrailers(count); });
  }
  FilterStatus OnResponseHeaders(size_t count, EndOfStream end) override {
    return Run("response_headers", Args(count, end), [&] { return filter_->OnResponseHeaders(count, end); });
  }
  FilterStatus OnResponseBody(size_t bytes, EndOfStream end) override {
    return Body("response_body", Direction::kResponse, Args(bytes, end), [&] { return filter_->OnResponseBody(bytes, end); });
  }
  FilterStatus OnResponseTrailers(size_t count) override {
    return Trailers("response_trailers", HeaderMapKind::kResponseTrailers, count, [&] { return filter_->OnResponseTrailers(count); });
  }
  bool ignores_body(Direction direction) const override { return filter_->ignores_body(direction); }
  bool ignores_trailers(Direction direction) const override { return filter_->ignores_trailers(direction); }
  void OnFinish() override {
    plugin_.Begin(tape_.get(), "finish", {});
    stream_.Give();
    filter_->OnFinish();
    plugin_.End({});
  }

 private:
  static Strings Args(size_t count, EndOfStream end) { return {std::to_string(count), end == EndOfStream::kYes ? "end" : "more"}; }
  FilterStatus Done(FilterStatus status) {
    plugin_.End(std::string(kStatuses[static_cast<size_t>(status)]));
    return status;
  }
  template <class Call>
  FilterStatus Run(std::string_view name, Strings args, Call call) {
    plugin_.Begin(tape_.get(), std::string(name), std::move(args));
    stream_.Give();
    return Done(call());
  }
  template <class Call>
  FilterStatus Trailers(std::string_view name, HeaderMapKind kind, size_t count, Call call) {
    plugin_.Begin(tape_.get(), std::string(name), {std::to_string(count)});
    stream_.Give();
    stream_.GiveTrailers(kind);
    return Done(call());
  }
  template <class Call>
  FilterStatus Body(std::string_view name, Direction direction, Strings args, Call call) {
    plugin_.Begin(tape_.get(), std::string(name), std::move(args));
    stream_.Give();
    stream_.GiveBody(direction);
    const FilterStatus status = call();
    stream_.KeepBody(direction, status == FilterStatus::kPause);
    return Done(status);
  }

  RecordedPlugin& plugin_;
  std::unique_ptr<Tape> tape_;
  RecordedStream stream_;
  std::unique_ptr<HttpFilter> filter_;
};

}  // namespace

std::string_view NameOf(HeaderMapKind kind) { return kMaps[static_cast<size_t>(kind)]; }
std::string_view NameOf(Direction direction) { return direction == Direction::kRequest ? "request" : "response"; }

std::unique_ptr<HttpFilter> NewRecordedFilter(RecordedPlugin& plugin, HttpStream& stream, std::unique_ptr<Tape> tape) {
  auto filter = std::make_unique<RecordedFilter>(plugin, stream, std::move(tape));
  if (!filter->up()) return nullptr;
  return filter;
}

}  // namespace weir::trace
