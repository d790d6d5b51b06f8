#include "host/scripted_calls.h"

#include <algorithm>

#include "base/log_text.h"
#include "host/call_request.h"
#include "host/call_token.h"
#include "host/grpc_wire.h"

namespace weir {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr size_t kSeenMax = 1'000;  // newest calls that are kept to look at

Error Unknown(const std::string& upstream) { return {ErrorCode::kNotFound, "upstream \"" + LogText(upstream, 200) + "\" has no script"}; }

}  // namespace

CallScript HttpScript(uint32_t status, std::string body, HeaderList headers, HeaderList trailers) {
  CallScript script;
  script.http.headers = {{":status", std::to_string(status)}};
  script.http.headers.insert(script.http.headers.end(), headers.begin(), headers.end());
  script.http.body = std::move(body);
  script.http.trailers = std::move(trailers);
  return script;
}

CallScript FailureScript(CallFailure failure, std::string reason) {
  CallScript script;
  script.http.failure = failure;
  script.http.reason = reason.empty() ? std::string(Name(failure)) : reason;
  script.grpc.push_back({GrpcClose{StatusOfFailure(failure), script.http.reason}});
  return script;
}

CallScript SilentScript() {
  CallScript script;
  script.never = true;
  return script;
}

CallScript GrpcScript(std::vector<std::string> messages, GrpcStatus status, std::string message, HeaderList metadata, HeaderList trailers) {
  CallScript script;
  script.grpc.push_back({GrpcMetadata{std::move(metadata)}});
  for (std::string& one : messages) script.grpc.push_back({GrpcMessage{std::move(one)}});
  script.grpc.push_back({GrpcTrailers{std::move(trailers)}});
  script.grpc.push_back({GrpcClose{status, std::move(message)}});
  return script;
}

Result<CallScript> ScriptedCalls::Next(const std::string& upstream) {
  auto it = upstreams_.find(upstream);
  if (it == upstreams_.end()) return Unknown(upstream);
  if (live_.size() >= calls_max_) return Error{ErrorCode::kLimit, std::to_string(live_.size()) + " calls are in flight, the most there may be"};
  CallScript script = it->second.front();
  if (it->second.size() > 1) it->second.pop_front();
  return script;
}

CallToken ScriptedCalls::Begin(CallScript script, bool grpc, uint32_t timeout_ms, CallEvents& events) {
  const CallToken token = NewCallToken();
  const uint64_t now_ns = clock_.MonotonicNs();
  Live live{&events, std::move(script), grpc};
  live.last_ns = now_ns + live.script.after_ms * kNsPerMs;
  if (timeout_ms) live.deadline_ns = now_ns + timeout_ms * kNsPerMs;
  live_.emplace(token, std::move(live));
  if (seen_.size() == kSeenMax) seen_.pop_front();
  seen_.push_back({.token = token});
  return token;
}

Result<CallToken> ScriptedCalls::StartHttp(HttpCall call, CallEvents& events) {
  if (!KnowsUpstream(call.upstream)) return Unknown(call.upstream);
  auto refused = MakeHttpRequest(call, ActiveCluster{});
  if (!refused) return std::move(refused).error();
  WEIR_TRY(CallScript script, Next(call.upstream));
  const CallToken token = Begin(std::move(script), false, call.timeout_ms, events);
  seen_.back().http = std::move(call);
  return token;
}

Result<CallToken> ScriptedCalls::StartGrpc(GrpcCall call, CallEvents& events) {
  if (!KnowsUpstream(call.upstream)) return Unknown(call.upstream);
  auto refused = MakeGrpcRequest(call, ActiveCluster{});
  if (!refused) return std::move(refused).error();
  WEIR_TRY(CallScript script, Next(call.upstream));
  const CallToken token = Begin(std::move(script), true, call.timeout_ms, events);
  Live& live = live_.at(token);
  live.half_open = !call.message;
  live.messages = call.message ? 1 : 0;
  if (call.message) seen_.back().messages.push_back(*call.message);
  seen_.back().half_closed = !live.half_open;
  seen_.back().grpc = std::move(call);
  return token;
}

bool ScriptedCalls::GrpcSend(CallToken token, std::string message, EndOfStream end) {
  auto it = live_.find(token);
  if (it == live_.end() || !it->second.half_open) return false;
  Live& live = it->second;
  live.last_ns = std::max(live.last_ns, clock_.MonotonicNs());
  auto seen = std::find_if(seen_.rbegin(), seen_.rend(), [token](const Seen& one) { return one.token == token; });
  if (end == EndOfStream::kYes) {
    live.half_open = false;
    if (seen != seen_.rend()) seen->half_closed = true;
    if (message.empty()) return true;
  }
  ++live.messages;
  if (seen != seen_.rend()) seen->messages.push_back(std::move(message));
  return true;
}

bool ScriptedCalls::GrpcCloseSend(CallToken token) {
  auto it = live_.find(token);
  if (it == live_.end() || !it->second.grpc) return false;
  return !it->second.half_open || GrpcSend(token, {}, EndOfStream::kYes);
}

std::optional<uint64_t> ScriptedCalls::DueNs(const Live& live) {
  const std::optional<uint64_t> deadline = live.deadline_ns ? std::optional(live.deadline_ns) : std::nullopt;
  uint64_t due_ns = live.last_ns;
  if (live.script.never) return deadline;
  if (live.grpc) {
    if (live.step >= live.script.grpc.size()) return deadline;
    const GrpcStep& step = live.script.grpc[live.step];
    if (step.when == GrpcStep::When::kAfterMessage && live.messages <= live.messages_used) return deadline;
    if (step.when == GrpcStep::When::kAfterHalfClose && live.half_open) return deadline;
    due_ns += step.after_ms * kNsPerMs;
  }
  return deadline ? std::min(due_ns, *deadline) : due_ns;
}

std::optional<uint64_t> ScriptedCalls::next_ns() const {
  std::optional<uint64_t> next;
  for (const auto& [token, live] : live_) {
    const auto due_ns = DueNs(live);
    if (due_ns && (!next || *due_ns < *next)) next = due_ns;
  }
  return next;
}

size_t ScriptedCalls::Deliver() {
  const uint64_t now_ns = clock_.MonotonicNs();
  const CallToken newest = live_.empty() ? 0 : live_.rbegin()->first;
  size_t told = 0;
  while (true) {
    auto first = live_.end();
    uint64_t first_ns = 0;
    for (auto it = live_.begin(); it != live_.end() && it->first <= newest; ++it) {
      const auto due_ns = DueNs(it->second);
      if (!due_ns || *due_ns > now_ns || (first != live_.end() && *due_ns >= first_ns)) continue;
      first = it, first_ns = *due_ns;
    }
    if (first == live_.end()) return told;
    Tell(first->first, first_ns);
    ++told;
  }
}

void ScriptedCalls::Tell(CallToken token, uint64_t due_ns) {
  Live& live = live_.at(token);
  CallEvents& events = *live.events;
  const bool late = live.deadline_ns && due_ns >= live.deadline_ns;
  if (!live.grpc) {
    HttpAnswer answer = std::move(live.script.http);
    if (late) answer = {.failure = CallFailure::kTimeout, .reason = "no answer in time"};
    live_.erase(token);
    return events.OnHttpAnswer(token, std::move(answer));
  }
  if (late) {
    live_.erase(token);
    return events.OnGrpcClose(token, GrpcStatus::kDeadlineExceeded, "no answer in time");
  }
  GrpcStep step = live.script.grpc[live.step++];
  live.last_ns = due_ns;
  if (step.when == GrpcStep::When::kAfterMessage) ++live.messages_used;
  if (auto* metadata = std::get_if<GrpcMetadata>(&step.what)) return events.OnGrpcMetadata(token, std::move(metadata->headers));
  if (auto* message = std::get_if<GrpcMessage>(&step.what)) return events.OnGrpcMessage(token, std::move(message->bytes));
  if (auto* trailers = std::get_if<GrpcTrailers>(&step.what)) return events.OnGrpcTrailers(token, std::move(trailers->headers));
  auto close = std::get<GrpcClose>(std::move(step.what));
  live_.erase(token);
  events.OnGrpcClose(token, close.status, std::move(close.message));
}

}  // namespace weir
