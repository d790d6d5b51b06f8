#include <algorithm>

#include "trace/recorded_plugin.h"

namespace weir::trace {
namespace {

constexpr std::string_view kStoreStatuses[] = {"ok", "not_found", "cas_mismatch", "full", "empty"};
std::string Text(StoreStatus status) { return std::string(kStoreStatuses[static_cast<size_t>(status)]); }
std::string Text(std::string_view text) { return std::string(text); }
std::string Number(uint64_t number) { return std::to_string(number); }
std::string_view YesNo(bool yes) { return yes ? "yes" : "no"; }

/// Both lists, with an empty pair between them.
void AppendMessage(const HeaderList& headers, const HeaderList& trailers, Strings* strings) {
  AppendPairs(headers, strings);
  if (trailers.empty()) return;
  strings->insert(strings->end(), 2, std::string());
  AppendPairs(trailers, strings);
}

}  // namespace

void AppendPairs(const HeaderList& list, Strings* strings) {
  for (const auto& [name, value] : list) {
    strings->push_back(name);
    strings->push_back(value);
  }
}

Strings WordsOf(const HttpCall& call) {
  Strings words = {"http_call", call.upstream, Number(call.timeout_ms), call.body};
  AppendMessage(call.headers, call.trailers, &words);
  return words;
}
Strings WordsOf(const GrpcCall& call) {
  Strings words = {"grpc_call", call.upstream, call.service, call.method, Number(call.timeout_ms), call.message ? "=" + *call.message : "stream"};
  AppendPairs(call.metadata, &words);
  return words;
}
Strings WordsOf(const LocalResponse& response) {
  Strings words = {"local_response", Number(response.status), response.details, response.body, std::to_string(response.grpc_status)};
  AppendPairs(response.headers, &words);
  return words;
}

RecordedHost::RecordedHost(RecordedPlugin& plugin, Host& real)
    : plugin_(plugin),
      real_(real),
      // No VM is shared: its host would be another plugin's, and gone before this one.
      host_{*this, real.clock, *this, *this, *this, *this, real.foreign_functions, *this, nullptr, real.witness, this, this} {}

bool RecordedHost::on() const { return plugin_.on(); }
void RecordedHost::Note(Strings words, Strings answer) { plugin_.Note(std::move(words), std::move(answer)); }

// ---- log, clock, random numbers

void RecordedHost::Write(LogLevel level, std::string_view plugin, std::string_view line) {
  if (on()) Note({"log", Number(static_cast<uint64_t>(level)), Text(line)});
  real_.log.Write(level, plugin, line);
}

uint64_t RecordedHost::RealtimeNs() {
  const uint64_t now_ns = real_.for_guests().RealtimeNs();
  if (on()) Note({"clock"}, {Number(now_ns)});
  return now_ns;
}

uint64_t RecordedHost::MonotonicNs() {
  const uint64_t now_ns = real_.for_guests().MonotonicNs();
  if (on()) Note({"monotonic"}, {Number(now_ns)});
  return now_ns;
}

void RecordedHost::Fill(std::span<uint8_t> bytes) {
  plugin_.FillRandom(real_.random, bytes);
  if (on()) Note({"random", Number(bytes.size())}, {std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
}

// ---- shared data

std::optional<SharedData::Entry> RecordedHost::Get(std::string_view space, std::string_view key) {
  std::optional<Entry> entry = real_.shared_data.Get(space, key);
  if (on()) Note({"shared_get", Text(space), Text(key)}, entry ? Strings{entry->value, Number(entry->cas)} : Strings{});
  return entry;
}

StoreStatus RecordedHost::Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) {
  const StoreStatus status = real_.shared_data.Set(space, key, value, cas);
  if (on()) Note({"shared_set", Text(space), Text(key), Text(value), Number(cas)}, {Text(status)});
  return status;
}

StoreStatus RecordedHost::Delete(std::string_view space, std::string_view key, uint32_t cas) {
  const StoreStatus status = real_.shared_data.Delete(space, key, cas);
  if (on()) Note({"shared_delete", Text(space), Text(key), Number(cas)}, {Text(status)});
  return status;
}

StoreStatus RecordedHost::SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) {
  const StoreStatus status = real_.shared_data.SetTtl(space, key, ttl_ms);
  if (on()) Note({"shared_ttl", Text(space), Text(key), Number(ttl_ms)}, {Text(status)});
  return status;
}

std::vector<std::string> RecordedHost::Keys(std::string_view space, size_t max) {
  std::vector<std::string> keys = real_.shared_data.Keys(space, max);
  if (on()) Note({"shared_keys", Text(space), Number(max)}, keys);
  return keys;
}

// ---- queues. Their items come back through the recorded plugin.

uint32_t RecordedHost::Register(std::string_view space, std::string_view name, Plugin&) {
  const uint32_t id = real_.queues.Register(space, name, plugin_);
  if (on()) Note({"queue_register", Text(space), Text(name)}, {Number(id)});
  return id;
}

std::optional<uint32_t> RecordedHost::Resolve(std::string_view space, std::string_view name) {
  const std::optional<uint32_t> id = real_.queues.Resolve(space, name);
  if (on()) Note({"queue_resolve", Text(space), Text(name)}, id ? Strings{Number(*id)} : Strings{});
  return id;
}

StoreStatus RecordedHost::Enqueue(uint32_t id, std::string_view item) {
  const StoreStatus status = real_.queues.Enqueue(id, item);
  if (on()) Note({"enqueue", Number(id), Text(item)}, {Text(status)});
  return status;
}

StoreStatus RecordedHost::Dequeue(uint32_t id, std::string* item) {
  const StoreStatus status = real_.queues.Dequeue(id, item);
  if (on()) Note({"dequeue", Number(id)}, status == StoreStatus::kOk ? Strings{Text(status), *item} : Strings{Text(status)});
  return status;
}

void RecordedHost::Forget(Plugin&) { real_.queues.Forget(plugin_); }

// ---- metrics, by name: ids are this host's

std::string RecordedHost::MetricName(uint32_t id) const {
  const auto found = metric_names_.find(id);
  return found != metric_names_.end() ? found->second : "#" + Number(id);
}

std::optional<uint32_t> RecordedHost::Define(MetricType type, std::string_view name, std::string_view plugin) {
  const std::optional<uint32_t> id = real_.metrics.Define(type, name, plugin);
  if (id) metric_names_.try_emplace(*id, name);
  if (on()) Note({"metric_define", Number(static_cast<uint64_t>(type)), Text(name)}, {Text(YesNo(id.has_value()))});
  return id;
}

void RecordedHost::Increment(uint32_t id, int64_t by) {
  real_.metrics.Increment(id, by);
  if (on()) Note({"metric_add", MetricName(id), std::to_string(by)});
}

void RecordedHost::Record(uint32_t id, uint64_t value) {
  real_.metrics.Record(id, value);
  if (on()) Note({"metric_record", MetricName(id), Number(value)});
}

uint64_t RecordedHost::Get(uint32_t id) {
  const uint64_t value = real_.metrics.Get(id);
  if (on()) Note({"metric_get", MetricName(id)}, {Number(value)});
  return value;
}

// ---- ticks

void RecordedHost::SetTick(Plugin&, uint32_t period_ms) {
  if (on()) Note({"tick_every", Number(period_ms)});
  real_.timers.SetTick(plugin_, period_ms);
}

// ---- calls

bool RecordedHost::KnowsUpstream(std::string_view upstream) {
  const bool known = real_.calls.KnowsUpstream(upstream);
  if (on()) Note({"knows_upstream", Text(upstream)}, {Text(YesNo(known))});
  return known;
}

Result<CallToken> RecordedHost::Started(Strings words, Result<CallToken> token, CallEvents& events) {
  if (!token) {
    if (on()) Note(std::move(words), {"error", Number(static_cast<uint64_t>(token.error().code)), token.error().message});
    return token;
  }
  const Flight flight{plugin_.call_numbers_are_tokens() ? *token : ++calls_, plugin_.tape() != nullptr ? plugin_.tape()->number : 0, &events, on()};
  flights_.emplace(*token, flight);
  if (on()) Note(std::move(words), {Number(flight.number)});
  return token;
}

Result<CallToken> RecordedHost::StartHttp(HttpCall call, CallEvents& events) {
  Strings words;
  if (on()) words = WordsOf(call);
  return Started(std::move(words), real_.calls.StartHttp(std::move(call), *this), events);
}

Result<CallToken> RecordedHost::StartGrpc(GrpcCall call, CallEvents& events) {
  Strings words;
  if (on()) words = WordsOf(call);
  return Started(std::move(words), real_.calls.StartGrpc(std::move(call), *this), events);
}

std::string RecordedHost::NumberOf(CallToken token) const {
  const auto found = flights_.find(token);
  return found != flights_.end() ? Number(found->second.number) : "0";
}

bool RecordedHost::GrpcSend(CallToken token, std::string message, EndOfStream end) {
  Strings words;
  if (on()) words = {"grpc_send", NumberOf(token), message, end == EndOfStream::kYes ? "end" : ""};
  const bool sent = real_.calls.GrpcSend(token, std::move(message), end);
  if (on()) Note(std::move(words), {Text(YesNo(sent))});
  return sent;
}

bool RecordedHost::GrpcCloseSend(CallToken token) {
  const bool closed = real_.calls.GrpcCloseSend(token);
  if (on()) Note({"grpc_close_send", NumberOf(token)}, {Text(YesNo(closed))});
  return closed;
}

void RecordedHost::Cancel(CallToken token) {
  if (on()) Note({"cancel", NumberOf(token)});
  flights_.erase(token);
  real_.calls.Cancel(token);
}

template <class Deliver>
void RecordedHost::Arrived(CallToken token, std::string_view name, Strings more, bool last, Deliver deliver) {
  const auto found = flights_.find(token);
  if (found == flights_.end()) return;
  const Flight flight = found->second;
  if (last) flights_.erase(found);
  if (!flight.recorded) return deliver(*flight.events);
  Strings args = {Number(flight.number)};
  std::move(more.begin(), more.end(), std::back_inserter(args));
  plugin_.Begin(nullptr, std::string(name), std::move(args));
  if (flight.tape != 0) plugin_.Touch(flight.tape);
  deliver(*flight.events);
  plugin_.End({});
}

void RecordedHost::OnHttpAnswer(CallToken token, HttpAnswer answer) {
  Strings more = {Number(static_cast<uint64_t>(answer.failure)), answer.reason, answer.body};
  AppendMessage(answer.headers, answer.trailers, &more);
  Arrived(token, "http_answer", std::move(more), true, [&](CallEvents& events) { events.OnHttpAnswer(token, std::move(answer)); });
}

void RecordedHost::OnGrpcMetadata(CallToken token, HeaderList metadata) {
  Strings more;
  AppendPairs(metadata, &more);
  Arrived(token, "grpc_metadata", std::move(more), false, [&](CallEvents& events) { events.OnGrpcMetadata(token, std::move(metadata)); });
}

void RecordedHost::OnGrpcMessage(CallToken token, std::string message) {
  Arrived(token, "grpc_message", {message}, false, [&](CallEvents& events) { events.OnGrpcMessage(token, std::move(message)); });
}

void RecordedHost::OnGrpcTrailers(CallToken token, HeaderList metadata) {
  Strings more;
  AppendPairs(metadata, &more);
  Arrived(token, "grpc_trailers", std::move(more), false, [&](CallEvents& events) { events.OnGrpcTrailers(token, std::move(metadata)); });
}

void RecordedHost::OnGrpcClose(CallToken token, GrpcStatus status, std::string message) {
  Arrived(token, "grpc_close", {Number(static_cast<uint64_t>(status)), message}, true,
          [&](CallEvents& events) { events.OnGrpcClose(token, status, std::move(message)); });
}

}  // namespace weir::trace
