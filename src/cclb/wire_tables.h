// How the wire types are written: names in declaration order, F a required or nullable field, Omit one left out when absent.
#pragma once

#include "cclb/codec_write.h"
#include "weir/cclb/wire.h"

namespace weir::cclb {

#define WEIR_CCLB_TABLE(Type, ...)                                  \
  template <>                                                       \
  struct Table<Type> {                                              \
    using T = Type;                                                 \
    static constexpr std::string_view kName = TableName(#Type);     \
    static constexpr auto kFields = std::make_tuple(__VA_ARGS__);   \
  }
#define WEIR_CCLB_ENUM(Type, ...)                                  \
  template <>                                                      \
  struct Table<Type> {                                             \
    static constexpr std::string_view kNames[] = {__VA_ARGS__};    \
  }
#define WEIR_CCLB_TAGGED(Type, tag, ...)                           \
  template <>                                                      \
  struct Table<Type> {                                             \
    static constexpr std::string_view kTag = tag;                  \
    static constexpr std::string_view kNames[] = {__VA_ARGS__};    \
  }
/// "v1::ShapeRequest" -> "ShapeRequest".
constexpr std::string_view TableName(std::string_view type) { return type.substr(type.rfind(':') + 1); }

// ---- common -------------------------------------------------------------------------------------------------------------
WEIR_CCLB_TABLE(HeaderWire, F("name", &T::name), F("value_base64", &T::value_base64));
WEIR_CCLB_TABLE(Principal, F("id", &T::id), F("kind", &T::kind), F("claims", &T::claims));
WEIR_CCLB_TABLE(RequestWire, F("request_id", &T::request_id), F("headers", &T::headers), F("method", &T::method), F("path", &T::path),
                F("query", &T::query), F("body_base64", &T::body_base64));
WEIR_CCLB_TAGGED(UpstreamWire, "kind", "anthropic_direct");
WEIR_CCLB_TAGGED(DialectBinding, "kind", "self");
WEIR_CCLB_TABLE(ShapedRequestWire, F("url", &T::url), F("method", &T::method), F("headers", &T::headers),
                F("body_base64", &T::body_base64));
WEIR_CCLB_ENUM(UpstreamErrorCategory, "unauthorized", "retryable", "failed");
WEIR_CCLB_TABLE(UpstreamErrorWire, F("status", &T::status), F("body_base64", &T::body_base64), F("category", &T::category));
WEIR_CCLB_TABLE(RateLimitObservationWire, F("kind", &T::kind), F("window", &T::window), F("limit", &T::limit),
                F("remaining", &T::remaining), F("reset", &T::reset));
WEIR_CCLB_TABLE(SubscriptionQuotaCandidateSnapshotWire, F("window", &T::window), F("source", &T::source),
                F("data_state", &T::data_state), F("utilization", &T::utilization), F("status", &T::status),
                F("resets_at_unix_secs", &T::resets_at_unix_secs), F("surpassed_threshold", &T::surpassed_threshold),
                F("representative_claim", &T::representative_claim), F("disabled_reason", &T::disabled_reason),
                F("observed_at_unix_millis", &T::observed_at_unix_millis), F("age_secs", &T::age_secs));

// ---- events -------------------------------------------------------------------------------------------------------------
WEIR_CCLB_TABLE(RequestStarted, F("request_id", &T::request_id), F("downstream_user_agent", &T::downstream_user_agent));
WEIR_CCLB_TABLE(AuthnComplete, F("principal_id", &T::principal_id), F("principal_kind", &T::principal_kind));
WEIR_CCLB_TABLE(UpstreamChosen, F("upstream", &T::upstream));
WEIR_CCLB_TABLE(Chunk, F("batch_index", &T::batch_index), F("event_count", &T::event_count), F("total_bytes", &T::total_bytes));
WEIR_CCLB_TABLE(RequestFinished, F("status", &T::status), F("input_tokens", &T::input_tokens), F("output_tokens", &T::output_tokens),
                F("cache_creation_input_tokens", &T::cache_creation_input_tokens),
                F("cache_read_input_tokens", &T::cache_read_input_tokens), F("duration_ms", &T::duration_ms));
WEIR_CCLB_TABLE(ErrorEvent, F("code", &T::code), F("message", &T::message), F("source", &T::source));
WEIR_CCLB_TAGGED(ObserveEventWire, "kind", "request_started", "authn_complete", "upstream_chosen", "chunk", "request_finished", "error");

// ---- caches (v2) ----------------------------------------------------------------------------------------------------------
WEIR_CCLB_TABLE(CacheScoreWire, F("predicted_cache_read_tokens", &T::predicted_cache_read_tokens),
                F("predicted_cache_creation_tokens_5m", &T::predicted_cache_creation_tokens_5m),
                F("predicted_cache_creation_tokens_1h", &T::predicted_cache_creation_tokens_1h),
                F("predicted_uncached_input_tokens", &T::predicted_uncached_input_tokens),
                Omit("predicted_expires_at_unix_secs", &T::predicted_expires_at_unix_secs),
                Omit("matched_breakpoint_index", &T::matched_breakpoint_index), F("confidence", &T::confidence),
                Omit("ambiguity_reason", &T::ambiguity_reason));
WEIR_CCLB_ENUM(CacheBreakpointSourceWire, "tools", "system", "message");
WEIR_CCLB_ENUM(TtlClassWire, "ephemeral5m", "ephemeral1h");
WEIR_CCLB_ENUM(BreakpointOriginWire, "explicit", "auto_cache_inferred");
WEIR_CCLB_TABLE(CacheBreakpointWire, F("block_index", &T::block_index), F("source", &T::source), F("path", &T::path),
                Omit("message_index", &T::message_index), F("prefix_hash", &T::prefix_hash),
                F("prefix_token_count", &T::prefix_token_count), F("requested_ttl", &T::requested_ttl), F("origin", &T::origin));
WEIR_CCLB_TABLE(WarmCacheEntryWire, F("prefix_hash", &T::prefix_hash), F("expires_at_unix_secs", &T::expires_at_unix_secs),
                F("ttl_class", &T::ttl_class), F("last_observed_at_unix_secs", &T::last_observed_at_unix_secs));

// ---- requests and responses -----------------------------------------------------------------------------------------------
WEIR_CCLB_TABLE(v1::CandidateWire, F("upstream_id", &T::upstream_id), F("name", &T::name), F("kind", &T::kind),
                F("observed_rate_limits", &T::observed_rate_limits), F("subscription_quotas", &T::subscription_quotas),
                F("observed_at_unix_secs", &T::observed_at_unix_secs));
WEIR_CCLB_TABLE(v2::CandidateWire, F("upstream_id", &T::upstream_id), F("name", &T::name), F("kind", &T::kind),
                F("observed_rate_limits", &T::observed_rate_limits), F("subscription_quotas", &T::subscription_quotas),
                F("observed_at_unix_secs", &T::observed_at_unix_secs), Omit("cache_score", &T::cache_score));
WEIR_CCLB_TABLE(v1::ShapeRequest, F("request", &T::request), F("upstream", &T::upstream), F("principal", &T::principal));
WEIR_CCLB_TABLE(v2::ShapeRequest, F("request", &T::request), F("upstream", &T::upstream), F("principal", &T::principal),
                Omit("upstream_base_url", &T::upstream_base_url));
WEIR_CCLB_TABLE(v1::ShapeResponse, F("url", &T::url), F("method", &T::method), F("headers", &T::headers),
                F("body_base64", &T::body_base64));
WEIR_CCLB_TABLE(v1::NormalizeErrorRequest, F("status", &T::status), F("body_base64", &T::body_base64));
WEIR_CCLB_TABLE(v1::NormalizeErrorResponse, F("body_base64", &T::body_base64));
WEIR_CCLB_TABLE(v1::BuildSignerRequest, F("upstream", &T::upstream), F("factory_state", &T::factory_state));
WEIR_CCLB_TABLE(v1::BuildSignerResponse, F("signer_state", &T::signer_state));
WEIR_CCLB_TABLE(v1::SignRequest, F("shaped", &T::shaped), F("signer_state", &T::signer_state));
WEIR_CCLB_TABLE(v1::SignResponse, F("url", &T::url), F("method", &T::method), F("headers", &T::headers),
                F("body_base64", &T::body_base64));
WEIR_CCLB_TABLE(v1::OnUnauthorizedRequest, F("error", &T::error), F("signer_state", &T::signer_state));
WEIR_CCLB_TABLE(v1::OnUnauthorizedResponse, F("decision", &T::decision), F("signer_state", &T::signer_state));
WEIR_CCLB_TABLE(v1::ObserveRequest, F("events", &T::events));
template <>
struct Table<v1::ObserveResponse> {
  static constexpr std::string_view kName = "ObserveResponse";
  static constexpr std::tuple<> kFields = {};
};
WEIR_CCLB_TABLE(v3::FilterRequest, F("request_id", &T::request_id), F("headers", &T::headers), F("method", &T::method),
                F("path", &T::path), F("query", &T::query), F("body_base64", &T::body_base64), F("principal", &T::principal),
                F("candidates", &T::candidates));
WEIR_CCLB_TABLE(v3::FilterResult, F("upstream_id", &T::upstream_id), F("decision", &T::decision), F("reason", &T::reason));
WEIR_CCLB_TABLE(v3::FilterResponse, F("results", &T::results));

}  // namespace weir::cclb
