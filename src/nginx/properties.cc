#include "nginx/properties.h"

#include "nginx/connection_properties.h"

namespace weir::nginx {
namespace {

using Value = std::optional<PropertyValue>;

std::optional<std::string> Variable(ngx_http_request_t* r, std::string_view name) {
  std::string lower(name);
  ngx_str_t key{lower.size(), Bytes(lower)};
  const ngx_uint_t hash = ngx_hash_strlow(key.data, key.data, key.len);
  const ngx_http_variable_value_t* value = ngx_http_get_variable(r, &key, hash);
  if (value == nullptr || value->not_found || !value->valid) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(value->data), value->len);
}
Value VariableText(ngx_http_request_t* r, std::string_view name) {
  std::optional<std::string> value = Variable(r, name);
  if (!value || value->empty()) return std::nullopt;
  return PropertyValue(*std::move(value));
}

constexpr int64_t kNsPerMs = 1'000'000;

int64_t StartNs(const ngx_http_request_t* r) {
  return static_cast<int64_t>(r->start_sec) * 1000 * kNsPerMs + static_cast<int64_t>(r->start_msec) * kNsPerMs;
}
int64_t DurationNs(const ngx_http_request_t* r) {
  const ngx_time_t* now = ngx_timeofday();
  const int64_t ms = (now->sec - r->start_sec) * 1000 +
                     (static_cast<int64_t>(now->msec) - static_cast<int64_t>(r->start_msec));
  return (ms < 0 ? 0 : ms) * kNsPerMs;
}

/// The attempt that is on, or was last.
const ngx_http_upstream_state_t* LastState(const ngx_http_request_t* r) {
  if (r->upstream_states == nullptr || r->upstream_states->nelts == 0) return nullptr;
  auto* states = static_cast<ngx_http_upstream_state_t*>(r->upstream_states->elts);
  return &states[r->upstream_states->nelts - 1];
}
/// By what nginx knows of the attempt that was last.
constexpr UpstreamFailure kNoHealthyUpstream{0x2, "no_healthy_upstream", ""};
constexpr UpstreamFailure kConnectFailure{0x20, "upstream_reset_before_response_started{connection_failure}", "connection failure"};
constexpr UpstreamFailure kConnectTimeout{0x20, "upstream_reset_before_response_started{connection_timeout}", "connection timeout"};
constexpr UpstreamFailure kResponseTimeout{0x4, "response_timeout", ""};
constexpr UpstreamFailure kTermination{0x40, "upstream_reset_before_response_started{connection_termination}", ""};
constexpr UpstreamFailure kProtocolError{0x800000, "upstream_reset_before_response_started{protocol_error}", ""};
constexpr int64_t kClientGone = 0x4000, kFromCache = 0x100000;  // flags of Envoy too
constexpr ngx_uint_t kClientClosedRequest = 499;

/// No peer was left: nginx then names the group in place of a peer.
bool IsNoPeer(const ngx_http_request_t* r, const ngx_http_upstream_state_t& state) {
  return r->upstream->upstream != nullptr && state.peer != nullptr && state.peer->data == r->upstream->upstream->host.data &&
         r->upstream->upstream->host.len == state.peer->len;
}

/// "address:port" of the attempt that is on, or was last; nginx clears its peer before the last callbacks, but not this.
std::string_view UpstreamName(const ngx_http_request_t* r) {
  const ngx_http_upstream_state_t* state = LastState(r);
  return state != nullptr && state->peer != nullptr && !IsNoPeer(r, *state) ? View(*state->peer) : std::string_view();
}

/// Addresses of upstream{}; none for an upstream that only proxy_pass names.
Value Endpoints(const ngx_http_request_t* r) {
  if (r->upstream == nullptr || r->upstream->upstream == nullptr || r->upstream->upstream->servers == nullptr) return std::nullopt;
  const ngx_array_t& servers = *r->upstream->upstream->servers;
  int64_t addresses = 0;
  for (ngx_uint_t i = 0; i < servers.nelts; i++) {
    addresses += static_cast<int64_t>(static_cast<ngx_http_upstream_server_t*>(servers.elts)[i].naddrs);
  }
  return Number(addresses);
}
/// From the connection to the newest that came. No value while neither is there.
Value BackendLatency(const ngx_http_request_t* r) {
  constexpr auto kUnset = static_cast<ngx_msec_t>(-1);
  const ngx_http_upstream_state_t* state = LastState(r);
  if (state == nullptr || state->header_time == kUnset) return std::nullopt;
  const ngx_msec_t last = state->response_time != kUnset ? state->response_time : state->header_time;
  const ngx_msec_t connected = state->connect_time != kUnset ? state->connect_time : 0;
  return Number(static_cast<int64_t>(last - std::min(connected, last)) * kNsPerMs);
}
Value ConnectTime(const ngx_http_request_t* r) {
  const ngx_http_upstream_state_t* state = LastState(r);
  if (state == nullptr || state->connect_time == static_cast<ngx_msec_t>(-1)) return std::nullopt;
  return Number(static_cast<int64_t>(state->connect_time) * kNsPerMs);
}

bool IsClientGone(const ngx_http_request_t* r) {
  return r->connection->error || r->headers_out.status == kClientClosedRequest;
}
int64_t ResponseFlags(const ngx_http_request_t* r) {
  const UpstreamFailure* failure = FailureOf(r);
  int64_t flags = failure != nullptr ? failure->flag : 0;
  if (IsClientGone(r)) flags |= kClientGone;
#if (NGX_HTTP_CACHE)
  if (r->upstream != nullptr && r->upstream->cache_status == NGX_HTTP_CACHE_HIT) flags |= kFromCache;
#endif
  return flags;
}
Value CodeDetails(const ngx_http_request_t* r) {
  if (r->headers_out.status == 0) return std::nullopt;
  if (const UpstreamFailure* failure = FailureOf(r)) return Text(failure->details);
  return Text(r->upstream != nullptr ? "via_upstream" : "direct_response");
}
Value TerminationDetails(const ngx_http_request_t* r) {
  if (r->connection->timedout) return Text("the client timed out");
  return IsClientGone(r) ? Text("the client closed the connection") : std::nullopt;
}
Value Attempts(const ngx_http_request_t* r) {
  return Number(r->upstream_states == nullptr ? 0 : static_cast<int64_t>(r->upstream_states->nelts));
}

}  // namespace

// The status of the attempt is that of its answer, or the one that nginx gives in its place.
const UpstreamFailure* FailureOf(const ngx_http_request_t* r) {
  const ngx_http_upstream_state_t* state = LastState(r);
  if (state == nullptr || r->upstream == nullptr || state->status == r->upstream->headers_in.status_n) return nullptr;
  const bool connected = state->connect_time != static_cast<ngx_msec_t>(-1);
  if (state->status == NGX_HTTP_GATEWAY_TIME_OUT) return connected ? &kResponseTimeout : &kConnectTimeout;
  if (state->status != NGX_HTTP_BAD_GATEWAY) return nullptr;
  if (IsNoPeer(r, *state)) return &kNoHealthyUpstream;
  if (!connected) return &kConnectFailure;
  return state->bytes_received > 0 ? &kProtocolError : &kTermination;
}

namespace {
Value TransportFailure(const ngx_http_request_t* r, const UpstreamPeer& peer) {
  const UpstreamFailure* failure = FailureOf(r);
  if (failure == nullptr || failure->transport.empty()) return std::nullopt;
  return Text(peer.failure().empty() ? failure->transport : peer.failure());
}
}  // namespace

std::optional<PropertyValue> ReadProperty(ngx_http_request_t* r, const UpstreamPeer& upstream, Property property) {
  // Over HTTP/2 it stands for the stream, with the addresses and the TLS session of the socket below.
  ngx_connection_t* connection = r->connection;
  switch (property) {
    case Property::kRequestId:
      return VariableText(r, "request_id");
    case Property::kRequestProtocol:
      return Text(r->http_version == NGX_HTTP_VERSION_20 ? "HTTP/2" : View(r->http_protocol));
    case Property::kRequestTime:
      return Number(StartNs(r));
    case Property::kRequestDuration:
      return Number(DurationNs(r));
    case Property::kRequestSize:
      return Number(r->request_body != nullptr && r->request_body->received > 0 ? r->request_body->received
                    : r->headers_in.content_length_n > 0                        ? r->headers_in.content_length_n
                                                                                : 0);
    case Property::kRequestTotalSize:
      return Number(r->request_length);
    case Property::kResponseCode:
      if (r->headers_out.status == 0) return std::nullopt;
      return Number(static_cast<int64_t>(r->headers_out.status));
    case Property::kResponseCodeDetails:
      return CodeDetails(r);
    case Property::kResponseFlags:
      return Number(ResponseFlags(r));
    case Property::kResponseSize:
      return Number(connection->sent > static_cast<off_t>(r->header_size)
                        ? connection->sent - static_cast<off_t>(r->header_size)
                        : 0);
    case Property::kResponseTotalSize:
      return Number(connection->sent);
    case Property::kResponseBackendLatency:
      return BackendLatency(r);
    case Property::kConnectionRequestedServerName:
      return VariableText(r, "ssl_server_name");
    case Property::kConnectionTerminationDetails:
      return TerminationDetails(r);
    case Property::kUpstreamAddress:
      return Text(UpstreamName(r));
    case Property::kUpstreamPort:
      return PortOf(UpstreamName(r));
    case Property::kUpstreamTransportFailureReason:
      return TransportFailure(r, upstream);
    case Property::kUpstreamRequestAttemptCount:
      return Attempts(r);
    case Property::kUpstreamNumEndpoints:
      return Endpoints(r);
    case Property::kUpstreamCxPoolReadyDuration:
      return ConnectTime(r);
    case Property::kClusterName:
      if (r->upstream == nullptr || r->upstream->upstream == nullptr) return std::nullopt;
      return Text(View(r->upstream->upstream->host));
    case Property::kRouteName: {
      auto* location = static_cast<ngx_http_core_loc_conf_t*>(
          ngx_http_get_module_loc_conf(r, ngx_http_core_module));
      return Text(View(location->name));
    }
    case Property::kVirtualHostName:
      return VariableText(r, "server_name");
    default:
      return ReadProperty(*connection, upstream, property);
  }
}


std::optional<std::string> ReadVariable(ngx_http_request_t* r, std::string_view path) {
  if (!path.starts_with(kVariablePrefix)) return std::nullopt;
  return Variable(r, path.substr(kVariablePrefix.size()));
}

bool WriteVariable(ngx_http_request_t* r, std::string_view path, std::string_view value) {
  if (!path.starts_with(kVariablePrefix)) return false;
  std::string name(path.substr(kVariablePrefix.size()));
  const ngx_uint_t hash = ngx_hash_strlow(Bytes(name), Bytes(name), name.size());
  auto* main = static_cast<ngx_http_core_main_conf_t*>(
      ngx_http_get_module_main_conf(r, ngx_http_core_module));
  auto* variable = static_cast<ngx_http_variable_t*>(
      ngx_hash_find(&main->variables_hash, hash, Bytes(name), name.size()));
  const ngx_str_t copy = Copy(r->pool, value);
  if (variable == nullptr || copy.data == nullptr || (variable->flags & NGX_HTTP_VAR_CHANGEABLE) == 0) return false;
  ngx_http_variable_value_t changed{};
  changed.len = static_cast<unsigned>(copy.len);
  changed.valid = 1;
  changed.data = copy.data;
  if (variable->set_handler != nullptr) {
    variable->set_handler(r, &changed, variable->data);
    return true;
  }
  if ((variable->flags & NGX_HTTP_VAR_INDEXED) == 0) return false;
  r->variables[variable->index] = changed;
  return true;
}

}  // namespace weir::nginx
