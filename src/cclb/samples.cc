#include "weir/cclb/samples.h"

namespace weir::cclb {

Principal SamplePrincipal() { return {.id = "dry-run-principal", .kind = "api_key"}; }
RequestWire SampleRequest() { return {.request_id = "dry-run-request", .method = "POST", .path = "/v1/messages"}; }
ShapedRequestWire SampleShaped() { return {.url = "https://api.anthropic.com/v1/messages", .method = "POST"}; }
UpstreamErrorWire SampleError() { return {.status = 401}; }
v2::CandidateWire SampleCandidate() {
  v2::CandidateWire candidate;
  candidate.upstream_id = "00000000-0000-0000-0000-000000000000";
  candidate.name = "dry-run-upstream";
  candidate.kind = "anthropic_api_key";
  return candidate;
}
RateLimitObservationWire SampleRateLimit() { return {.kind = "requests", .window = "dry-run"}; }
SubscriptionQuotaCandidateSnapshotWire SampleQuota() { return {.window = "5h", .source = "missing", .data_state = "missing"}; }
ObserveEventWire SampleEvent() { return {RequestStarted{.request_id = "dry-run-request"}}; }

template <>
v1::ShapeRequest DryRunRequest<fn::Shape>() {
  return {.request = SampleRequest(), .principal = SamplePrincipal()};
}
template <>
v2::ShapeRequest DryRunRequest<fn::ShapeV2>() {
  return {DryRunRequest<fn::Shape>(), {}};
}
template <>
v1::NormalizeErrorRequest DryRunRequest<fn::NormalizeError>() {
  return {.status = 500};
}
template <>
v1::BuildSignerRequest DryRunRequest<fn::BuildSigner>() {
  return {};
}
template <>
v1::SignRequest DryRunRequest<fn::Sign>() {
  return {.shaped = SampleShaped()};
}
template <>
v1::OnUnauthorizedRequest DryRunRequest<fn::OnUnauthorized>() {
  return {.error = SampleError()};
}
template <>
v1::ObserveRequest DryRunRequest<fn::Observe>() {
  return {};
}
template <>
v3::FilterRequest DryRunRequest<fn::Filter>() {
  return {.request_id = "dry-run-request", .method = "POST", .path = "/v1/messages", .principal = SamplePrincipal()};
}

template <>
v1::ShapeResponse DryRunResponse<fn::Shape>() {
  return {SampleShaped()};
}
template <>
v1::ShapeResponse DryRunResponse<fn::ShapeV2>() {
  return {SampleShaped()};
}
template <>
v1::NormalizeErrorResponse DryRunResponse<fn::NormalizeError>() {
  return {};
}
template <>
v1::BuildSignerResponse DryRunResponse<fn::BuildSigner>() {
  return {};
}
template <>
v1::SignResponse DryRunResponse<fn::Sign>() {
  return {};
}
template <>
v1::OnUnauthorizedResponse DryRunResponse<fn::OnUnauthorized>() {
  return {.decision = "fail"};
}
template <>
v1::ObserveResponse DryRunResponse<fn::Observe>() {
  return {};
}
template <>
v3::FilterResponse DryRunResponse<fn::Filter>() {
  return {{{.upstream_id = "00000000-0000-0000-0000-000000000000", .decision = "accept"}}};
}

}  // namespace weir::cclb
