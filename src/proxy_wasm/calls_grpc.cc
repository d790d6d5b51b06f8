// gRPC calls and streams. A unary call ends with one of two callbacks, as on Envoy: on_grpc_receive, or on_grpc_close with what went
// wrong. SDKs panic on metadata or a close that they do not expect of it.
#include "proxy_wasm/callouts.h"
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/proto.h"
#include "proxy_wasm/vm.h"

namespace weir::proxy_wasm {
namespace {
constexpr std::string_view kNoCall = "no such gRPC call or stream", kNoStream = "no such gRPC stream";
constexpr std::string_view kOwnMetadata[] = {"te", "content-type", "host", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding"};

bool IsOwn(std::string_view name) {
  for (std::string_view own : kOwnMetadata)
    if (name == own) return true;
  return IsFraming(name);
}
/// A service, or a method: a segment of the path.
bool IsSegment(std::string_view name) { return IsVisible(name) && name.find_first_of("/?#") == name.npos; }

/// Plugins of Envoy may name an upstream by a serialized GrpcService: the cluster of its envoy_grpc (1.1), or the target of its
/// google_grpc (2.1). Empty: it is none. [envoy.config.core.v3.GrpcService]
std::string_view TargetOf(std::string_view grpc_service) {
  const std::string_view cluster = ProtoField(ProtoField(grpc_service, 1), 1);
  return cluster.empty() ? ProtoField(ProtoField(grpc_service, 2), 1) : cluster;
}
}  // namespace

Answer<uint32_t> HostCalls::StartGrpc(std::string_view function, std::string_view upstream, std::string_view service,
                                      std::string_view method, std::string_view metadata, const std::string_view* message,
                                      uint32_t timeout_ms) {
  ::weir::GrpcCall call;
  const auto pairs = ParsePairs(metadata, pair_limits());
  if (!pairs) return BadGrpc("malformed or too long pairs");
  if (!IsSegment(service)) return BadGrpc("no such name of a service", service);
  if (!IsSegment(method)) return BadGrpc("no such name of a method", method);
  for (const auto& [key, value] : *pairs) {
    const std::string_view name = Lower(key);
    if (!IsName(name)) return BadGrpc(Reason(HeaderVerdict::kBadName), name);
    if (!name.ends_with("-bin") && !IsValue(value)) return BadGrpc(Reason(HeaderVerdict::kBadValue), name);
    if (!IsOwn(name)) call.metadata.emplace_back(name, value);
  }
  if (const std::string_view target = TargetOf(upstream); !target.empty() && !core_->host.calls.KnowsUpstream(upstream)) upstream = target;
  if (!KnowsUpstream(function, upstream)) return Refuse(Status::kParseFailure, "that upstream is not known or not allowed", upstream);
  if (!RoomForCall(message == nullptr ? 0 : message->size())) return Refuse(Status::kInternalFailure, why_);
  call.upstream.assign(upstream);
  call.service.assign(service);
  call.method.assign(method);
  if (message != nullptr) call.message.emplace(*message);
  call.timeout_ms = timeout_ms;
  return Started({.kind = message != nullptr ? Callout::Kind::kGrpcCall : Callout::Kind::kGrpcStream, .upstream = std::string(upstream)},
                 core_->host.calls.StartGrpc(std::move(call), core_->events), Status::kParseFailure);
}

Answer<uint32_t> HostCalls::GrpcCall(std::string_view upstream, std::string_view service, std::string_view method,
                                     std::string_view initial_metadata, std::string_view message, uint32_t timeout_ms) {
  return StartGrpc("proxy_grpc_call", upstream, service, method, initial_metadata, &message, timeout_ms);
}

Answer<uint32_t> HostCalls::GrpcStream(std::string_view upstream, std::string_view service, std::string_view method,
                                       std::string_view initial_metadata) {
  return StartGrpc("proxy_grpc_stream", upstream, service, method, initial_metadata, nullptr, 0);
}

Answer<Callout*> HostCalls::Grpc(uint32_t id) {
  Callout* callout = vm_.callouts().Find(id);
  if (callout == nullptr || callout->core != core_) return Refuse(Status::kNotFound, kNoCall);
  if (callout->kind == Callout::Kind::kHttp) return Refuse(Status::kBadArgument, "that is the id of an HTTP call");
  return callout;
}

Status HostCalls::GrpcSend(uint32_t stream_id, std::string_view message, uint32_t end_stream) {
  auto callout = Grpc(stream_id);
  if (callout.status == Status::kNotFound) return Refuse(Status::kNotFound, kNoStream);
  if (callout.status != Status::kOk) return callout.status;
  if (callout.value->kind != Callout::Kind::kGrpcStream) return Refuse(Status::kBadArgument, "that is the id of a unary call");
  if (message.size() > core_->spec.limits.call_bytes) {
    core_->LogOnce(LogLevel::kWarn, "a gRPC message is refused: it is over the limit of " + std::to_string(core_->spec.limits.call_bytes) +
                                       " bytes (said once)");
    return Refuse(Status::kBadArgument, "the message is over the limit");
  }
  const EndOfStream end = end_stream != 0 ? EndOfStream::kYes : EndOfStream::kNo;
  if (!core_->host.calls.GrpcSend(callout.value->token, std::string(message), end))
    return Refuse(Status::kBadArgument, "the plugin has ended that stream, or the host cannot take more");
  return Status::kOk;
}

Status HostCalls::GrpcCancel(uint32_t call_id) {
  auto callout = Grpc(call_id);
  if (callout.status != Status::kOk) return callout.status;
  vm_.callouts().Cancel(*callout.value);
  return Status::kOk;
}

// A stream: no further message of ours, the server's go on. A unary call has none to end: it is cancelled, as on Envoy.
Status HostCalls::GrpcClose(uint32_t call_id) {
  auto callout = Grpc(call_id);
  if (callout.status != Status::kOk) return callout.status;
  if (callout.value->kind == Callout::Kind::kGrpcCall) {
    vm_.callouts().Cancel(*callout.value);
  } else {
    (void)core_->host.calls.GrpcCloseSend(callout.value->token);  // false: ended already
  }
  return Status::kOk;
}

}  // namespace weir::proxy_wasm
