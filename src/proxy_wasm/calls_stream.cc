// Streams and contexts: what is recorded here is carried out by the embedder when the guest has returned.
#include "proxy_wasm/callouts.h"
#include "proxy_wasm/context.h"
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/vm.h"

namespace weir::proxy_wasm {
namespace {

constexpr std::string_view kNoStream = "there is no HTTP stream in the effective context";
constexpr std::string_view kNoTcp = "there is no TCP connection in the effective context";
TcpSide SideOf(StreamType type) { return type == StreamType::kDownstream ? TcpSide::kDownstream : TcpSide::kUpstream; }
constexpr uint32_t kGrpcStatusMax = 16;

}  // namespace

Status HostCalls::ContinueStream(StreamType type) {
  if (uint32_t(type) >= kStreamTypes) return Refuse(Status::kBadArgument, "no such stream type");
  if (uint32_t(type) >= kDirections) {
    if (tcp() == nullptr) return Refuse(Status::kUnimplemented, kNoTcp);
    tcp()->Resume(SideOf(type));
    return Status::kOk;
  }
  if (stream() == nullptr) return Refuse(Status::kBadArgument, kNoStream);
  stream()->Resume(Direction(type));
  return Status::kOk;
}

Status HostCalls::CloseStream(StreamType type) {
  if (uint32_t(type) >= kStreamTypes) return Refuse(Status::kBadArgument, "no such stream type");
  if (uint32_t(type) >= kDirections) {
    if (tcp() == nullptr) return Refuse(Status::kBadArgument, kNoTcp);
    tcp()->Close(SideOf(type));
    return Status::kOk;
  }
  if (stream() == nullptr) return Refuse(Status::kBadArgument, kNoStream);
  stream()->Reset(Direction(type));
  return Status::kOk;
}

Status HostCalls::ContinueRequest() { return ContinueStream(StreamType::kHttpRequest); }
Status HostCalls::ContinueResponse() { return ContinueStream(StreamType::kHttpResponse); }
Status HostCalls::ClearRouteCache() {
  if (stream() == nullptr) return Refuse(Status::kBadArgument, kNoStream);
  stream()->ClearRouteCache();
  return Status::kOk;
}
HostCalls::Nothing HostCalls::ContinueRequestNothing() {
  (void)ContinueRequest();
  return Nothing::kReturn;
}
HostCalls::Nothing HostCalls::ContinueResponseNothing() {
  (void)ContinueResponse();
  return Nothing::kReturn;
}
HostCalls::Nothing HostCalls::ClearRouteCacheNothing() {
  (void)ClearRouteCache();
  return Nothing::kReturn;
}

// A response that a plugin wants is not lost because of a bad header in it: lenient sends it without that header, since going
// on with the request would undo what the plugin decided.
Status HostCalls::SendLocalResponse(uint32_t status_code, std::string_view details, std::string_view body,
                                    std::string_view headers, int32_t grpc_status) {
  if (stream() == nullptr) return Refuse(Status::kBadArgument, kNoStream);
  LocalResponse response;
  response.status = status_code;
  if (status_code < 200 || status_code > 599) {
    core_->LogOnce(LogLevel::kWarn, "proxy_send_local_response with status " + std::to_string(status_code) +
                                       ": sent as 500, since only 200 to 599 are statuses of a response (said once)");
    response.status = 500;
  }
  auto pairs = ParsePairs(headers, pair_limits());
  if (!pairs && strict()) return Refuse(Status::kBadArgument, "malformed or too long pairs");
  if (!pairs) core_->LogOnce(LogLevel::kWarn, "proxy_send_local_response with malformed headers: sent without them (said once)");
  for (const auto& [key, value] : pairs.value_or(PairViews())) {
    const std::string_view name = Lower(key);
    const HeaderVerdict verdict = JudgeWrite(HeaderMapKind::kResponseHeaders, name, value);
    if (name.starts_with(':') || verdict == HeaderVerdict::kIgnore) continue;  // the host writes these
    if (verdict != HeaderVerdict::kWrite) {
      if (strict()) return Judged(verdict, name);
      core_->LogOnce(LogLevel::kWarn,
                    "proxy_send_local_response: a header is left out: " + std::string(Reason(verdict)) + " (said once)");
      continue;
    }
    response.headers.emplace_back(name, value);
  }
  response.body.assign(body);
  response.details.assign(details);
  response.grpc_status = uint32_t(grpc_status) <= kGrpcStatusMax ? grpc_status : -1;
  if (!stream()->SendLocalResponse(std::move(response)))
    core_->LogOnce(LogLevel::kWarn, "proxy_send_local_response after another one, or after the headers were sent: ignored (said once)");
  return Status::kOk;
}

Status HostCalls::Done() {
  if (effective_ == nullptr || !effective_->Done()) return Refuse(Status::kNotFound, "the context is not pending finalization");
  return Status::kOk;
}

Status HostCalls::SetEffectiveContext(uint32_t context_id) {
  if (plugin_context_exists() && context_id == core_->root_context) {
    effective_ = nullptr;
    return Status::kOk;
  }
  Context* context = vm_.contexts().Find(context_id);
  if (context == nullptr || &context->core() != core_) return Refuse(Status::kBadArgument, "no such context in this plugin");
  effective_ = context;
  return Status::kOk;
}

// Of the call whose answer is delivered; else 0 and nothing.
Answer<std::tuple<uint32_t, std::string_view>> HostCalls::GetStatus() {
  if (incoming_ == nullptr) return std::tuple{0u, std::string_view()};
  return std::tuple{incoming_->status, incoming_->message};
}

}  // namespace weir::proxy_wasm
