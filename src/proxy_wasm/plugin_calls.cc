// Answers of upstreams, on their way to the plugin. An answer for a call that is not in the table (its context or instance is gone, or the
// plugin cancelled it) is dropped: SDKs panic on a call id that they do not know.
#include "proxy_wasm/plugin.h"

namespace weir::proxy_wasm {
namespace {

constexpr uint32_t kBrokenConnection = 11;  // what Envoy's get_status answers after an HTTP call that failed, whatever the reason
constexpr std::string_view kStatusOutcome = "grpc-status";

size_t MapIndex(MapType map) { return size_t(map) - kHeaderMapKinds; }

std::string TextOf(const HttpAnswer& answer) {
  return std::string(Name(answer.failure)) + (answer.reason.empty() ? "" : ": " + answer.reason);
}

}  // namespace

Callout* ProxyWasmPlugin::Waiting(CallToken token) {
  Callout* callout = up() ? vm_->vm()->callouts().FindToken(token) : nullptr;
  if (callout == nullptr) {
    ++core_.stats.answers_dropped;
    core_.statistics.AnswerDropped();
  }
  return callout;
}

void ProxyWasmPlugin::Delivered(bool alive, Callback callback) {
  if (!alive) return OnDeath(nullptr, Name(callback));
  FinalizeReady();
}

void ProxyWasmPlugin::OnHttpAnswer(CallToken token, HttpAnswer answer) {
  Callout* callout = Waiting(token);
  if (callout == nullptr || callout->kind != Callout::Kind::kHttp) return;
  const uint32_t id = callout->id;
  const bool failed = answer.failure != CallFailure::kNone;
  Incoming incoming;
  std::string text;
  if (failed) {
    text = TextOf(answer);
    core_.Log(LogLevel::kWarn, "HTTP call " + std::to_string(id) + " to upstream \"" + callout->upstream + "\" failed: " + text);
    answer.headers.clear();
    answer.body.clear();
    answer.trailers.clear();
    incoming.status = kBrokenConnection;
    incoming.message = text;
  }
  vm_->vm()->callouts().End(*callout, failed ? Name(answer.failure) : kEndedOk);
  SnapshotMap headers(std::move(answer.headers)), trailers(std::move(answer.trailers));
  incoming.maps[MapIndex(MapType::kHttpCallResponseHeaders)] = &headers;
  incoming.maps[MapIndex(MapType::kHttpCallResponseTrailers)] = &trailers;
  incoming.http_body = &answer.body;
  Delivered(vm_->vm()->Deliver(core_, incoming, Callback::kOnHttpCallResponse, id, headers.size(), answer.body.size(), trailers.size()),
            Callback::kOnHttpCallResponse);
}

void ProxyWasmPlugin::OnGrpcMetadata(CallToken token, HeaderList metadata) {
  DeliverMetadata(token, std::move(metadata), MapType::kGrpcCallInitialMetadata, Callback::kOnGrpcReceiveInitialMetadata);
}

void ProxyWasmPlugin::OnGrpcTrailers(CallToken token, HeaderList metadata) {
  DeliverMetadata(token, std::move(metadata), MapType::kGrpcCallTrailingMetadata, Callback::kOnGrpcReceiveTrailingMetadata);
}

void ProxyWasmPlugin::DeliverMetadata(CallToken token, HeaderList metadata, MapType type, Callback callback) {
  Callout* callout = Waiting(token);
  if (callout == nullptr || callout->kind != Callout::Kind::kGrpcStream) return;
  SnapshotMap map(std::move(metadata));
  Incoming incoming;
  incoming.maps[MapIndex(type)] = &map;
  Delivered(vm_->vm()->Deliver(core_, incoming, callback, callout->id, map.size()), callback);
}

void ProxyWasmPlugin::OnGrpcMessage(CallToken token, std::string message) {
  Callout* callout = Waiting(token);
  if (callout == nullptr || callout->kind == Callout::Kind::kHttp) return;
  if (callout->kind == Callout::Kind::kGrpcCall) {
    callout->reply = std::move(message);
    return;
  }
  DeliverMessage(callout->id, message);
}

void ProxyWasmPlugin::DeliverMessage(uint32_t id, const std::string& message) {
  Incoming incoming;
  incoming.grpc_message = &message;
  Delivered(vm_->vm()->Deliver(core_, incoming, Callback::kOnGrpcReceive, id, message.size()), Callback::kOnGrpcReceive);
}

void ProxyWasmPlugin::OnGrpcClose(CallToken token, GrpcStatus status, std::string message) {
  Callout* callout = Waiting(token);
  if (callout == nullptr || callout->kind == Callout::Kind::kHttp) return;
  const uint32_t id = callout->id;
  const bool unary = callout->kind == Callout::Kind::kGrpcCall;
  std::optional<std::string> reply = std::move(callout->reply);
  if (unary && status == GrpcStatus::kOk && !reply) {
    status = GrpcStatus::kInternal;
    message = "the server answered OK without a message";
  }
  if (status != GrpcStatus::kOk) {
    core_.Log(unary ? LogLevel::kWarn : LogLevel::kInfo,
              "gRPC " + std::string(unary ? "call " : "stream ") + std::to_string(id) + " to upstream \"" + callout->upstream +
                  "\" ended with status " + std::to_string(uint32_t(status)) + (message.empty() ? "" : ": " + message));
  }
  vm_->vm()->callouts().End(*callout, status == GrpcStatus::kOk ? kEndedOk : kStatusOutcome);
  if (unary && status == GrpcStatus::kOk) return DeliverMessage(id, *reply);
  Incoming incoming;
  incoming.status = uint32_t(status);
  incoming.message = message;
  Delivered(vm_->vm()->Deliver(core_, incoming, Callback::kOnGrpcClose, id, uint32_t(status)), Callback::kOnGrpcClose);
}

void ProxyWasmPlugin::OnForeignFunction(uint32_t function_id, std::string_view arguments) {
  if (!EnsureUp()) return;
  const std::string copy(arguments);
  Incoming incoming;
  incoming.foreign_arguments = &copy;
  Delivered(vm_->vm()->Deliver(core_, incoming, Callback::kOnForeignFunction, function_id, copy.size()), Callback::kOnForeignFunction);
}

}  // namespace weir::proxy_wasm
