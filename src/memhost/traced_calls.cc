#include "memhost/traced_calls.h"

#include "memhost/memory_host.h"

namespace weir {
namespace {

std::string_view WordFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kInvalidArgument: return "bad_argument";
    case ErrorCode::kLimit: return "limit";
    default: return "failed";
  }
}

std::string ValueOf(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace

Calls* TracedCalls::Find(std::string_view upstream) {
  for (Calls* calls : all_) {
    if (calls->KnowsUpstream(upstream)) return calls;
  }
  return nullptr;
}

void TracedCalls::Note(std::string_view what, const Live& live, std::string_view more) {
  if (!world_.tracing()) return;
  std::string line(what);
  line.append(" ").append(std::to_string(live.number)).append(more.empty() ? "" : " ").append(more);
  world_.Note(std::move(line));
}

Result<CallToken> TracedCalls::Started(std::string line, Result<CallToken> token, Calls* calls, CallEvents& events) {
  if (token) {
    live_.emplace(*token, Live{++last_number_, calls, &events});
    line.append(" -> ").append(std::to_string(last_number_));
  } else {
    line.append(" (refused: ").append(WordFor(token.error().code)).append(")");
  }
  world_.Note(std::move(line));
  return token;
}

Result<CallToken> TracedCalls::StartHttp(HttpCall call, CallEvents& events) {
  Calls* calls = Find(call.upstream);
  if (!calls) calls = &nobody_;
  std::string line = "call " + call.upstream + " " + ValueOf(call.headers, ":method") + " " + ValueOf(call.headers, ":path");
  return Started(std::move(line), calls->StartHttp(std::move(call), *this), calls, events);
}

Result<CallToken> TracedCalls::StartGrpc(GrpcCall call, CallEvents& events) {
  Calls* calls = Find(call.upstream);
  if (!calls) calls = &nobody_;
  std::string line = (call.message ? "grpc " : "grpc_stream ") + call.upstream + " " + call.service + "/" + call.method;
  return Started(std::move(line), calls->StartGrpc(std::move(call), *this), calls, events);
}

bool TracedCalls::GrpcSend(CallToken token, std::string message, EndOfStream end) {
  auto it = live_.find(token);
  if (it == live_.end()) return false;
  std::string more = std::to_string(message.size()) + " bytes" + (end == EndOfStream::kYes ? " end" : "");
  const bool sent = it->second.calls->GrpcSend(token, std::move(message), end);
  Note("send", it->second, more + (sent ? "" : " (refused)"));
  return sent;
}

bool TracedCalls::GrpcCloseSend(CallToken token) {
  auto it = live_.find(token);
  if (it == live_.end()) return false;
  const bool closed = it->second.calls->GrpcCloseSend(token);
  Note("close_send", it->second, closed ? "" : "(refused)");
  return closed;
}

void TracedCalls::Cancel(CallToken token) {
  auto it = live_.find(token);
  if (it == live_.end()) return;
  Note("cancel", it->second, "");
  Calls* calls = it->second.calls;
  live_.erase(it);
  calls->Cancel(token);
}

void TracedCalls::OnHttpAnswer(CallToken token, HttpAnswer answer) {
  auto it = live_.find(token);
  if (it == live_.end()) return;
  const Live live = it->second;
  live_.erase(it);
  Note("answer", live, answer.failure == CallFailure::kNone ? ValueOf(answer.headers, ":status") : std::string(Name(answer.failure)));
  live.events->OnHttpAnswer(token, std::move(answer));
}

void TracedCalls::OnGrpcMetadata(CallToken token, HeaderList metadata) {
  auto it = live_.find(token);
  if (it == live_.end()) return;
  Note("metadata", it->second, "");
  it->second.events->OnGrpcMetadata(token, std::move(metadata));
}

void TracedCalls::OnGrpcMessage(CallToken token, std::string message) {
  auto it = live_.find(token);
  if (it == live_.end()) return;
  Note("message", it->second, std::to_string(message.size()) + " bytes");
  it->second.events->OnGrpcMessage(token, std::move(message));
}

void TracedCalls::OnGrpcTrailers(CallToken token, HeaderList metadata) {
  auto it = live_.find(token);
  if (it == live_.end()) return;
  Note("trailers", it->second, "");
  it->second.events->OnGrpcTrailers(token, std::move(metadata));
}

void TracedCalls::OnGrpcClose(CallToken token, GrpcStatus status, std::string message) {
  auto it = live_.find(token);
  if (it == live_.end()) return;
  const Live live = it->second;
  live_.erase(it);
  Note("close", live, std::to_string(static_cast<uint32_t>(status)));
  live.events->OnGrpcClose(token, status, std::move(message));
}

}  // namespace weir
