// The wire types of cc-lb: what goes to a plugin's functions and what comes back, for v1 (frozen), v2 and filter (v3).
// How each is written (names, order, absence) is in src/cclb/wire_tables.h. Base64 stays text at this layer.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "weir/cclb/json.h"

namespace weir::cclb {

// ---- common to all versions -------------------------------------------------------------------------------------------
struct HeaderWire {
  std::string name, value_base64;
};
struct Principal {
  std::string id, kind;
  JsonObject claims;
};
struct RequestWire {
  std::string request_id;
  std::vector<HeaderWire> headers;
  std::string method, path;
  std::optional<std::string> query;
  std::string body_base64;
};
enum class UpstreamWire : uint8_t { kAnthropicDirect };
enum class DialectBinding : uint8_t { kSelf };
/// Also what `shape` answers.
struct ShapedRequestWire {
  std::string url, method;
  std::vector<HeaderWire> headers;
  std::string body_base64;
};
enum class UpstreamErrorCategory : uint8_t { kUnauthorized, kRetryable, kFailed };
struct UpstreamErrorWire {
  uint16_t status = 0;
  std::optional<std::string> body_base64;
  UpstreamErrorCategory category = UpstreamErrorCategory::kUnauthorized;
};
struct RateLimitObservationWire {
  std::string kind, window;
  std::optional<uint64_t> limit, remaining;
  std::optional<std::string> reset;
};
struct SubscriptionQuotaCandidateSnapshotWire {
  std::string window, source, data_state;
  std::optional<double> utilization;
  std::optional<std::string> status;
  std::optional<uint64_t> resets_at_unix_secs;
  std::optional<bool> surpassed_threshold;
  std::optional<std::string> representative_claim, disabled_reason;
  std::optional<uint64_t> observed_at_unix_millis, age_secs;
};

// ---- the events of `observe` --------------------------------------------------------------------------------------------
struct RequestStarted {
  std::string request_id;
  std::optional<std::string> downstream_user_agent;
};
struct AuthnComplete {
  std::string principal_id, principal_kind;
};
struct UpstreamChosen {
  UpstreamWire upstream = UpstreamWire::kAnthropicDirect;
};
struct Chunk {
  uint64_t batch_index = 0, event_count = 0, total_bytes = 0;
};
struct RequestFinished {
  uint16_t status = 0;
  std::optional<uint64_t> input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens;
  uint64_t duration_ms = 0;
};
struct ErrorEvent {
  std::string code, message, source;
};
struct ObserveEventWire {
  std::variant<RequestStarted, AuthnComplete, UpstreamChosen, Chunk, RequestFinished, ErrorEvent> event;
};

// ---- caches (v2) ------------------------------------------------------------------------------------------------------
struct CacheScoreWire {
  uint32_t predicted_cache_read_tokens = 0, predicted_cache_creation_tokens_5m = 0, predicted_cache_creation_tokens_1h = 0;
  uint32_t predicted_uncached_input_tokens = 0;
  std::optional<uint64_t> predicted_expires_at_unix_secs;
  std::optional<uint32_t> matched_breakpoint_index;
  float confidence = 0;
  std::optional<std::string> ambiguity_reason;
};
enum class CacheBreakpointSourceWire : uint8_t { kTools, kSystem, kMessage };
enum class TtlClassWire : uint8_t { kEphemeral5m, kEphemeral1h };
enum class BreakpointOriginWire : uint8_t { kExplicit, kAutoCacheInferred };
struct CacheBreakpointWire {
  uint32_t block_index = 0;
  CacheBreakpointSourceWire source = CacheBreakpointSourceWire::kTools;
  std::string path;
  std::optional<uint32_t> message_index;
  std::string prefix_hash;
  uint64_t prefix_token_count = 0;
  TtlClassWire requested_ttl = TtlClassWire::kEphemeral5m;
  BreakpointOriginWire origin = BreakpointOriginWire::kExplicit;
};
struct WarmCacheEntryWire {
  std::string prefix_hash;
  uint64_t expires_at_unix_secs = 0;
  TtlClassWire ttl_class = TtlClassWire::kEphemeral5m;
  uint64_t last_observed_at_unix_secs = 0;
};

// ---- requests and responses, by version ---------------------------------------------------------------------------------
namespace v1 {
struct CandidateWire {
  std::string upstream_id, name, kind;
  std::vector<RateLimitObservationWire> observed_rate_limits;
  std::vector<SubscriptionQuotaCandidateSnapshotWire> subscription_quotas;
  uint64_t observed_at_unix_secs = 0;
};
struct ShapeRequest {
  RequestWire request;
  UpstreamWire upstream = UpstreamWire::kAnthropicDirect;
  Principal principal;
};
struct ShapeResponse : ShapedRequestWire {};
struct NormalizeErrorRequest {
  uint16_t status = 0;
  std::string body_base64;
};
struct NormalizeErrorResponse {
  std::optional<std::string> body_base64;
};
struct BuildSignerRequest {
  UpstreamWire upstream = UpstreamWire::kAnthropicDirect;
  Json factory_state;
};
struct BuildSignerResponse {
  Json signer_state;
};
struct SignRequest {
  ShapedRequestWire shaped;
  Json signer_state;
};
/// What is absent stays as it was shaped.
struct SignResponse {
  std::optional<std::string> url, method;
  std::optional<std::vector<HeaderWire>> headers;
  std::optional<std::string> body_base64;
};
struct OnUnauthorizedRequest {
  UpstreamErrorWire error;
  Json signer_state;
};
struct OnUnauthorizedResponse {
  std::string decision;  ///< "refresh"; all else is a failure
  Json signer_state;
};
struct ObserveRequest {
  std::vector<ObserveEventWire> events;
};
struct ObserveResponse {};
}  // namespace v1

namespace v2 {
struct CandidateWire : v1::CandidateWire {
  std::optional<CacheScoreWire> cache_score;
};
struct ShapeRequest : v1::ShapeRequest {
  std::optional<std::string> upstream_base_url;
};
using v1::BuildSignerRequest, v1::BuildSignerResponse, v1::NormalizeErrorRequest, v1::NormalizeErrorResponse, v1::ObserveRequest,
    v1::ObserveResponse, v1::OnUnauthorizedRequest, v1::OnUnauthorizedResponse, v1::ShapeResponse, v1::SignRequest, v1::SignResponse;
}  // namespace v2

namespace v3 {
struct FilterRequest {
  std::string request_id;
  std::vector<HeaderWire> headers;
  std::string method, path;
  std::optional<std::string> query;
  std::string body_base64;
  Principal principal;
  std::vector<v2::CandidateWire> candidates;
};
struct FilterResult {
  std::string upstream_id;
  std::string decision;  ///< "accept", "reject"; not checked here
  std::string reason;
};
struct FilterResponse {
  std::vector<FilterResult> results;
};
}  // namespace v3

}  // namespace weir::cclb
