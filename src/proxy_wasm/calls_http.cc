// HTTP calls to upstreams, and what they share with gRPC. Nothing is sent before all is judged; the return pointer was, too.
#include "proxy_wasm/allow.h"
#include "proxy_wasm/callouts.h"
#include "proxy_wasm/context.h"
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/vm.h"

namespace weir::proxy_wasm {
namespace {
constexpr size_t kNameMax = 256;  // bytes of an upstream's name in a log line

/// Pseudo headers stand first, each once.
void Put(HeaderList* list, std::string_view name, std::string_view value) {
  if (!name.starts_with(':')) return void(list->emplace_back(name, value));
  auto at = list->begin();
  for (; at != list->end() && at->first.starts_with(':'); ++at) {
    if (at->first == name) return void(at->second = value);
  }
  list->emplace(at, name, value);
}
}  // namespace

bool HostCalls::KnowsUpstream(std::string_view call, std::string_view upstream) {
  const std::string quoted = "\"" + std::string(upstream.substr(0, kNameMax)) + "\"";
  if (!Allows(core_->spec.allow.upstreams, upstream)) {
    core_->LogOnce(LogLevel::kWarn, std::string(call) + ": upstream " + quoted + " is refused: allow= of this plugin does not name upstream:" +
                                       std::string(upstream.substr(0, kNameMax)) + " (said once)");
    core_->Rejected(call, kNotAllowed);
    return false;
  }
  if (core_->host.calls.KnowsUpstream(upstream)) return true;
  core_->LogOnce(LogLevel::kWarn, std::string(call) + ": upstream " + quoted + " is not known here: give it that name, or allow the host (said once)");
  return false;
}

bool HostCalls::RoomForCall(uint64_t bytes) {
  const Limits& limits = core_->spec.limits;
  if (bytes > limits.call_bytes) {
    why_ = "the body or message is over the limit of " + std::to_string(limits.call_bytes) + " bytes";
  } else if (vm_.callouts().size() >= limits.calls) {
    why_ = "the limit of " + std::to_string(limits.calls) + " calls in flight is reached";
  } else {
    return true;
  }
  core_->LogOnce(LogLevel::kWarn, "a call to an upstream is refused: " + why_ + " (said once)");
  return false;
}

Answer<uint32_t> HostCalls::Started(Callout callout, Result<CallToken> token, Status unknown) {
  if (!token) {
    why_ = token.error().message;
    core_->LogOnce(LogLevel::kWarn, "a call to upstream \"" + callout.upstream + "\" is refused: " + why_ + " (said once)");
    const ErrorCode code = token.error().code;
    const bool argument = code == ErrorCode::kInvalidArgument || code == ErrorCode::kNotFound;
    return Refuse(argument ? unknown : Status::kInternalFailure, why_);
  }
  callout.token = *token;
  callout.id = vm_.callouts().TakeId();
  callout.core = core_;
  callout.context = effective_ == nullptr || effective_->finishing() ? 0 : effective_->id();
  const uint32_t id = callout.id;
  if (id == 0) {
    core_->host.calls.Cancel(*token);
    return Refuse(Status::kInternalFailure, "this instance has used all call ids");
  }
  vm_.callouts().Add(std::move(callout));
  return id;
}

Answer<uint32_t> HostCalls::HttpCall(std::string_view upstream, std::string_view headers, std::string_view body,
                                     std::string_view trailers, uint32_t timeout_ms) {
  ::weir::HttpCall call;
  const auto pairs = ParsePairs(headers, pair_limits()), ends = ParsePairs(trailers, pair_limits());
  if (!pairs || !ends) return Refuse(Status::kBadArgument, "malformed or too long pairs");
  for (const auto& [key, value] : *pairs) {
    std::string_view name = key;
    const HeaderVerdict verdict = Judge(MapType::kHttpRequestHeaders, &name, value);
    if (verdict == HeaderVerdict::kIgnore || name == "host") continue;  // the client frames it; :authority is the host
    if (verdict != HeaderVerdict::kWrite) return Judged(verdict, name);
    Put(&call.headers, name, value);
  }
  for (const auto& [key, value] : *ends) {
    std::string_view name = key;
    const HeaderVerdict verdict = Judge(MapType::kHttpRequestTrailers, &name, value);
    if (verdict == HeaderVerdict::kIgnore) continue;
    if (verdict != HeaderVerdict::kWrite) return Judged(verdict, name);
    call.trailers.emplace_back(name, value);
  }
  for (std::string_view needed : {":method", ":path", ":authority"}) {
    bool there = false;
    for (const auto& [name, value] : call.headers) there = there || name == needed;
    if (!there) return Refuse(Status::kBadArgument, ":method, :path and :authority are needed", needed);
  }
  if (!KnowsUpstream("proxy_http_call", upstream)) return Refuse(Status::kBadArgument, "that upstream is not known or not allowed", upstream);
  if (!RoomForCall(body.size())) return Refuse(Status::kInternalFailure, why_);
  call.upstream.assign(upstream);
  call.body.assign(body);
  call.timeout_ms = timeout_ms;
  return Started({.kind = Callout::Kind::kHttp, .upstream = std::string(upstream)},
                 core_->host.calls.StartHttp(std::move(call), core_->events), Status::kBadArgument);
}

}  // namespace weir::proxy_wasm
