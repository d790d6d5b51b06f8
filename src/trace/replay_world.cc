#include "trace/replay_world.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "trace/recorded_plugin.h"

namespace weir::trace {
namespace {

constexpr std::string_view kStoreStatuses[] = {"ok", "not_found", "cas_mismatch", "full", "empty"};

std::optional<StoreStatus> StatusIn(const Strings& strings) {
  const auto found = strings.empty() ? std::end(kStoreStatuses) : std::find(std::begin(kStoreStatuses), std::end(kStoreStatuses), strings[0]);
  if (found == std::end(kStoreStatuses)) return std::nullopt;
  return static_cast<StoreStatus>(found - std::begin(kStoreStatuses));
}

std::string Number(uint64_t number) { return std::to_string(number); }
std::string Text(std::string_view text) { return std::string(text); }
const std::string& At(const Strings& strings, size_t at) {
  static const std::string kNothing;
  return at < strings.size() ? strings[at] : kNothing;
}

}  // namespace

uint64_t NumberIn(const Strings& strings, size_t at) {
  uint64_t number = 0;
  const std::string& text = At(strings, at);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

HeaderList PairsFrom(const Strings& strings, size_t first, size_t* end) {
  HeaderList list;
  size_t at = first;
  for (; at + 1 < strings.size() && !(strings[at].empty() && strings[at + 1].empty()); at += 2) list.emplace_back(strings[at], strings[at + 1]);
  if (end != nullptr) *end = at;
  return list;
}

// ---- answers

void Answers::Begin(const Event* event) {
  event_ = event;
  used_.assign(event != nullptr ? event->calls.size() : 0, false);
}

const Call* Answers::Take(const Strings& words) {
  if (event_ != nullptr) {
    for (size_t i = 0; i < event_->calls.size(); ++i) {
      if (used_[i] || event_->calls[i].words != words) continue;
      used_[i] = true;
      return &event_->calls[i];
    }
  }
  return nullptr;
}

const Call* Answers::Recall(const Strings& words) const {
  if (IsEffect(words[0])) return nullptr;
  const Call* nearest = nullptr;
  for (const Event& event : record_.events) {
    const bool later = event_ != nullptr && event.number > event_->number;
    if (later && nearest != nullptr) break;
    for (const Call& call : event.calls) {
      if (call.words != words) continue;
      nearest = &call;
      if (later) break;
    }
  }
  return nearest;
}

// ---- services

ReplayWorld::ReplayWorld() : host_{*this, clock_, *this, *this, *this, *this, foreign_functions_, *this, nullptr, nullptr, this, this} {}

const Call* ReplayWorld::Take(const Strings& words) {
  for (Answers* answers : answers_) {
    if (const Call* call = answers->Take(words)) return call;
  }
  for (const Answers* answers : answers_) {
    if (const Call* call = answers->Recall(words)) return call;
  }
  return nullptr;
}

std::optional<StoreStatus> ReplayWorld::TakeStatus(const Strings& words) {
  const Call* call = Take(words);
  return call != nullptr ? StatusIn(call->answer) : std::nullopt;
}

uint64_t ReplayWorld::RealtimeNs() {
  if (const Call* call = Take({"clock"})) realtime_ns_ = NumberIn(call->answer, 0);
  return realtime_ns_;
}

uint64_t ReplayWorld::MonotonicNs() {
  if (const Call* call = Take({"monotonic"})) monotonic_ns_ = NumberIn(call->answer, 0);
  return monotonic_ns_;
}

void ReplayWorld::Fill(std::span<uint8_t> bytes) {
  const Call* call = Take({"random", Number(bytes.size())});
  const std::string known = call != nullptr ? At(call->answer, 0) : std::string();
  std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  std::copy_n(known.begin(), std::min(bytes.size(), known.size()), bytes.begin());
}

std::optional<SharedData::Entry> ReplayWorld::Get(std::string_view space, std::string_view key) {
  const Call* call = Take({"shared_get", Text(space), Text(key)});
  if (call == nullptr) return shared_data_.Get(space, key);
  if (call->answer.empty()) return std::nullopt;
  return Entry{call->answer[0], static_cast<uint32_t>(NumberIn(call->answer, 1))};
}

StoreStatus ReplayWorld::Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) {
  const auto known = TakeStatus({"shared_set", Text(space), Text(key), Text(value), Number(cas)});
  const StoreStatus status = shared_data_.Set(space, key, value, known ? 0 : cas);
  return known.value_or(status);
}

StoreStatus ReplayWorld::Delete(std::string_view space, std::string_view key, uint32_t cas) {
  const auto known = TakeStatus({"shared_delete", Text(space), Text(key), Number(cas)});
  const StoreStatus status = shared_data_.Delete(space, key, known ? 0 : cas);
  return known.value_or(status);
}

StoreStatus ReplayWorld::SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) {
  const auto known = TakeStatus({"shared_ttl", Text(space), Text(key), Number(ttl_ms)});
  return known ? *known : shared_data_.SetTtl(space, key, ttl_ms);
}

std::vector<std::string> ReplayWorld::Keys(std::string_view space, size_t max) {
  const Call* call = Take({"shared_keys", Text(space), Number(max)});
  return call != nullptr ? call->answer : shared_data_.Keys(space, max);
}

uint32_t ReplayWorld::Register(std::string_view space, std::string_view name, Plugin&) {
  const Call* call = Take({"queue_register", Text(space), Text(name)});
  return call != nullptr ? static_cast<uint32_t>(NumberIn(call->answer, 0)) : ++last_queue_;
}

std::optional<uint32_t> ReplayWorld::Resolve(std::string_view space, std::string_view name) {
  const Call* call = Take({"queue_resolve", Text(space), Text(name)});
  if (call == nullptr || call->answer.empty()) return std::nullopt;
  return static_cast<uint32_t>(NumberIn(call->answer, 0));
}

StoreStatus ReplayWorld::Enqueue(uint32_t id, std::string_view item) {
  return TakeStatus({"enqueue", Number(id), Text(item)}).value_or(StoreStatus::kOk);
}

StoreStatus ReplayWorld::Dequeue(uint32_t id, std::string* item) {
  const Call* call = Take({"dequeue", Number(id)});
  if (call == nullptr) return StoreStatus::kEmpty;
  *item = At(call->answer, 1);
  return StatusIn(call->answer).value_or(StoreStatus::kEmpty);
}

std::optional<uint32_t> ReplayWorld::Define(MetricType type, std::string_view name, std::string_view plugin) {
  const Call* call = Take({"metric_define", Number(static_cast<uint64_t>(type)), Text(name)});
  if (call != nullptr && At(call->answer, 0) == "no") return std::nullopt;
  const std::optional<uint32_t> id = metrics_.Define(type, name, plugin);
  if (id) metric_names_.try_emplace(*id, name);
  return id;
}

uint64_t ReplayWorld::Get(uint32_t id) {
  const auto name = metric_names_.find(id);
  const Call* call = name != metric_names_.end() ? Take({"metric_get", name->second}) : nullptr;
  return call != nullptr ? NumberIn(call->answer, 0) : metrics_.Get(id);
}

bool ReplayWorld::KnowsUpstream(std::string_view upstream) {
  const Call* call = Take({"knows_upstream", Text(upstream)});
  return call != nullptr && At(call->answer, 0) == "yes";
}

Result<CallToken> ReplayWorld::Started(const Strings& words, std::string_view upstream, CallEvents& events) {
  const Call* call = Take(words);
  if (call == nullptr) {  // a difference, which ends the replay after this event
    calls_[++last_token_] = &events;
    return last_token_;
  }
  if (At(call->answer, 0) == "error") {
    return Error{static_cast<ErrorCode>(NumberIn(call->answer, 1)), call->answer.size() > 2 ? call->answer[2] : Text(upstream)};
  }
  const CallToken token = NumberIn(call->answer, 0);
  calls_[token] = &events;
  return token;
}

Result<CallToken> ReplayWorld::StartHttp(HttpCall call, CallEvents& events) { return Started(WordsOf(call), call.upstream, events); }
Result<CallToken> ReplayWorld::StartGrpc(GrpcCall call, CallEvents& events) { return Started(WordsOf(call), call.upstream, events); }

bool ReplayWorld::GrpcSend(CallToken token, std::string message, EndOfStream end) {
  const Call* call = Take({"grpc_send", Number(token), std::move(message), end == EndOfStream::kYes ? "end" : ""});
  return call == nullptr || At(call->answer, 0) != "no";
}

bool ReplayWorld::GrpcCloseSend(CallToken token) {
  const Call* call = Take({"grpc_close_send", Number(token)});
  return call == nullptr || At(call->answer, 0) != "no";
}

CallEvents* ReplayWorld::EventsOf(CallToken token) {
  const auto found = calls_.find(token);
  return found != calls_.end() ? found->second : nullptr;
}

// ---- a request

void ReplayStream::Give(const Event& event) {
  for (const Strings& given : event.given) {
    for (size_t i = 0; i < kHeaderMapKinds; ++i) {
      if (given[0] != NameOf(static_cast<HeaderMapKind>(i))) continue;
      lists_[i] = PairsFrom(given, 1);
      there_[i] = true;
    }
    for (const Direction direction : {Direction::kRequest, Direction::kResponse}) {
      if (given[0] != Text(NameOf(direction)) + "_body") continue;
      std::string held = bodies_[static_cast<size_t>(direction)].value_or(std::string());
      held.resize(std::min<size_t>(held.size(), NumberIn(given, 1)));
      bodies_[static_cast<size_t>(direction)] = held + At(given, 2);
    }
  }
}

void ReplayStream::Keep(Direction direction, bool paused) {
  if (!paused) bodies_[static_cast<size_t>(direction)].reset();
}

HeaderMap* ReplayStream::headers(HeaderMapKind kind) {
  const auto i = static_cast<size_t>(kind);
  const bool trailers = kind == HeaderMapKind::kRequestTrailers || kind == HeaderMapKind::kResponseTrailers;
  if (trailers) {
    if (const Call* call = world_.Take({"map", Text(NameOf(kind))}); call != nullptr && !there_[i]) {
      lists_[i] = PairsFrom(call->answer, 0);
      there_[i] = true;
    }
  }
  return there_[i] ? &maps_[i] : nullptr;
}

bool ReplayStream::Agrees(const Strings& words) {
  const Call* call = world_.Take(words);
  return call == nullptr || At(call->answer, 0) != "no";
}

bool ReplayStream::headers_writable(HeaderMapKind kind) { return Agrees({"writable", Text(NameOf(kind))}); }

std::optional<std::string_view> ReplayStream::body(Direction direction) {
  const auto& body = bodies_[static_cast<size_t>(direction)];
  if (!body) return std::nullopt;
  return std::string_view(*body);
}

bool ReplayStream::ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) {
  auto& body = bodies_[static_cast<size_t>(direction)];
  if (!body) return false;
  start = std::min(start, body->size());
  size = std::min(size, body->size() - start);
  if (!Agrees({"replace_body", Text(NameOf(direction)), Number(start), Number(size), Text(bytes)})) return false;
  body->replace(start, size, bytes);
  return true;
}

bool ReplayStream::SendLocalResponse(LocalResponse response) { return Agrees(WordsOf(response)); }

std::optional<PropertyValue> ReplayStream::property(Property property) {
  const Call* call = world_.Take({"property", Text(RowOf(property).path)});
  if (call == nullptr || call->answer.size() < 2) return std::nullopt;
  if (call->answer[0] == "string") return PropertyValue(call->answer[1]);
  if (call->answer[0] == "bool") return PropertyValue(call->answer[1] == "yes");
  int64_t number = 0;
  std::from_chars(call->answer[1].data(), call->answer[1].data() + call->answer[1].size(), number);
  return PropertyValue(number);
}

std::optional<std::string> ReplayStream::custom_property(std::string_view path) {
  if (const Call* call = world_.Take({"custom_property", Text(path)})) {
    if (call->answer.empty()) return std::nullopt;
    return call->answer[0];
  }
  const auto found = std::find_if(custom_.begin(), custom_.end(), [&](const auto& entry) { return entry.first == path; });
  if (found == custom_.end()) return std::nullopt;
  return found->second;
}

HeaderList ReplayStream::custom_properties() {
  const Call* call = world_.Take({"custom_properties"});
  return call != nullptr ? PairsFrom(call->answer, 0) : custom_;
}

bool ReplayStream::SetCustomProperty(std::string_view path, std::string_view value) {
  if (!Agrees({"set_property", Text(path), Text(value)})) return false;
  std::erase_if(custom_, [&](const auto& entry) { return entry.first == path; });
  custom_.emplace_back(path, value);
  return true;
}

}  // namespace weir::trace
