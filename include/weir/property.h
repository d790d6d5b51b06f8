// The well-known properties of Proxy-Wasm: one table, from which come the lookup, docs/properties.md and `weir inspect --properties`.
// Its paths are those of the specification and of Envoy's attributes. A path that is not here is a custom property.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace weir {

/// How a value crosses: bytes as they are, integers and durations as 8 bytes little-endian, bool as 1 byte. [Envoy attributes]
/// Times and durations are int64 nanoseconds.
using PropertyValue = std::variant<std::string, int64_t, bool>;

enum class PropertyType : uint8_t {
  kString,
  kInt,       ///< int64
  kUint,      ///< uint64
  kBool,      ///< one byte, 0 or 1
  kTime,      ///< int64: nanoseconds since the Unix epoch
  kDuration,  ///< int64: nanoseconds
  kMap,       ///< pairs; PATH.NAME is one of its values
  kMessage,   ///< protocol buffer
};

/// Who answers.
enum class PropertyFrom : uint8_t {
  kEmbedder,         ///< HttpStream::property
  kPath,             ///< the request header :path
  kHost,             ///< … :authority
  kScheme,
  kMethod,
  kReferer,
  kUseragent,
  kRequestId,        ///< … x-request-id, else the embedder's
  kUrlPath,          ///< :path up to the '?'
  kQuery,            ///< :path behind it
  kRequestHeaders,   ///< the whole map, or one of it
  kRequestTrailers,
  kResponseHeaders,
  kResponseTrailers,
  kRequestHeaderBytes,
  kResponseHeaderBytes,
  kGrpcStatus,       ///< of the response's trailers, else headers
  kPluginName,
  kPluginRootId,
  kPluginVmId,
  kNode,             ///< PluginSpec::node: the whole message
  kNodeId,
  kNodeCluster,
  kNodeLocality,     ///< the message
  kNodeRegion,
  kNodeZone,
  kNodeSubZone,
  kNodeMetadata,     ///< the map, or one of it
  kInbound,          ///< the number 1
  kWhole,            ///< a message that is made of the other rows: SERIALIZATION_FAILURE
  kEmptyMessage,     ///< a message of Envoy's configuration that is never set here: no bytes, as Envoy writes one without fields
  kNobody,           ///< has no meaning here: NOT_FOUND
};

enum class PropertyWhen : uint8_t {
  kAlways,    ///< in the plugin context too
  kStream,    ///< in every callback of a stream
  kResponse,  ///< from its response's headers on
  kEnd,       ///< in on_done and on_log
};

/// Where a row is answered, as bits. In memory what the embedder does not know itself can be given to it.
inline constexpr uint8_t kInNginx = 1, kInMemory = 2, kInTcp = 4, kAlsoXds = 8;  // kAlsoXds: "xds.PATH" is the same
inline constexpr uint8_t kInHttp = kInNginx | kInMemory, kInAll = kInHttp | kInTcp, kNowhere = 0;

#define WEIR_PROPERTIES(X)                                                                                                      \
  X(kRequest, "request", kMessage, kWhole, kAlways, kInAll, "")                                                                 \
  X(kRequestPath, "request.path", kString, kPath, kStream, kInHttp, "path with query")                                          \
  X(kRequestUrlPath, "request.url_path", kString, kUrlPath, kStream, kInHttp, "path without query")                             \
  X(kRequestHost, "request.host", kString, kHost, kStream, kInHttp, "Host header")                                              \
  X(kRequestScheme, "request.scheme", kString, kScheme, kStream, kInHttp, "http or https")                                      \
  X(kRequestMethod, "request.method", kString, kMethod, kStream, kInHttp, "GET …")                                              \
  X(kRequestHeaders, "request.headers", kMap, kRequestHeaders, kStream, kInHttp, "with pseudo headers")                         \
  X(kRequestHeadersBytes, "request.headers_bytes", kInt, kRequestHeaderBytes, kStream, kInHttp, "bytes of names and values")    \
  X(kRequestTrailers, "request.trailers", kMap, kRequestTrailers, kStream, kInMemory, "NGINX drops them")                       \
  X(kRequestReferer, "request.referer", kString, kReferer, kStream, kInHttp, "Referer header")                                  \
  X(kRequestUseragent, "request.useragent", kString, kUseragent, kStream, kInHttp, "User-Agent header")                         \
  X(kRequestTime, "request.time", kTime, kEmbedder, kStream, kInHttp, "of its first byte")                                      \
  X(kRequestId, "request.id", kString, kRequestId, kStream, kInHttp, "x-request-id header, else $request_id")                      \
  X(kRequestProtocol, "request.protocol", kString, kEmbedder, kStream, kInHttp, "HTTP/1.0, HTTP/1.1 or HTTP/2")                 \
  X(kRequestQuery, "request.query", kString, kQuery, kStream, kInHttp, "behind the question mark; empty without")               \
  X(kRequestDuration, "request.duration", kDuration, kEmbedder, kStream, kInHttp, "up to now")                                  \
  X(kRequestSize, "request.size", kInt, kEmbedder, kStream, kInHttp, "bytes of the body")                                       \
  X(kRequestTotalSize, "request.total_size", kInt, kEmbedder, kStream, kInHttp, "bytes with the request line and headers")      \
  X(kResponse, "response", kMessage, kWhole, kAlways, kInAll, "")                                                               \
  X(kResponseCode, "response.code", kInt, kEmbedder, kResponse, kInHttp, "status")                                              \
  X(kResponseCodeDetails, "response.code_details", kString, kEmbedder, kResponse, kInHttp,                                      \
    "who made it: via_upstream, direct_response, a local response's details, or how the upstream failed")                       \
  X(kResponseFlags, "response.flags", kInt, kEmbedder, kStream, kInHttp, "Envoy's bits: how the upstream failed …")             \
  X(kResponseGrpcStatus, "response.grpc_status", kInt, kGrpcStatus, kResponse, kInHttp, "of the trailers, else headers")        \
  X(kResponseHeaders, "response.headers", kMap, kResponseHeaders, kResponse, kInHttp, "with :status")                           \
  X(kResponseHeadersBytes, "response.headers_bytes", kInt, kResponseHeaderBytes, kResponse, kInHttp,                            \
    "bytes of names and values")                                                                                                \
  X(kResponseTrailers, "response.trailers", kMap, kResponseTrailers, kResponse, kInHttp, "once they came")                      \
  X(kResponseSize, "response.size", kInt, kEmbedder, kStream, kInHttp, "bytes of the body that were sent")                      \
  X(kResponseTotalSize, "response.total_size", kInt, kEmbedder, kStream, kInHttp, "bytes that were sent")                       \
  X(kResponseBackendLatency, "response.backend_latency", kDuration, kEmbedder, kResponse, kInHttp,                              \
    "from the connection to the upstream to its headers; at the end: to its last byte")                                         \
  X(kSource, "source", kMessage, kWhole, kAlways, kInAll, "")                                                                   \
  X(kSourceAddress, "source.address", kString, kEmbedder, kStream, kInAll, "the client's, ADDRESS:PORT")                        \
  X(kSourcePort, "source.port", kInt, kEmbedder, kStream, kInAll, "none for a Unix socket")                                     \
  X(kDestination, "destination", kMessage, kWhole, kAlways, kInAll, "")                                                         \
  X(kDestinationAddress, "destination.address", kString, kEmbedder, kStream, kInAll, "where the client connected to")           \
  X(kDestinationPort, "destination.port", kInt, kEmbedder, kStream, kInAll, "none for a Unix socket")                           \
  X(kConnection, "connection", kMessage, kWhole, kAlways, kInAll, "")                                                           \
  X(kConnectionId, "connection.id", kUint, kEmbedder, kStream, kInAll, "$connection")                                           \
  X(kConnectionIdOld, "connection_id", kUint, kEmbedder, kStream, kInAll, "the same")                                           \
  X(kConnectionMtls, "connection.mtls", kBool, kEmbedder, kStream, kInAll, "the client's certificate was validated")            \
  X(kConnectionRequestedServerName, "connection.requested_server_name", kString, kEmbedder, kStream, kInAll, "SNI")             \
  X(kConnectionTlsVersion, "connection.tls_version", kString, kEmbedder, kStream, kInAll, "TLSv1.3 …")                          \
  X(kConnectionSubjectLocalCertificate, "connection.subject_local_certificate", kString, kEmbedder, kStream, kInAll,            \
    "subject of the server's certificate, RFC 2253")                                                                            \
  X(kConnectionSubjectPeerCertificate, "connection.subject_peer_certificate", kString, kEmbedder, kStream, kInAll,              \
    "subject of the client's certificate")                                                                                      \
  X(kConnectionDnsSanLocalCertificate, "connection.dns_san_local_certificate", kString, kEmbedder, kStream, kInAll,             \
    "first DNS name in the server's certificate")                                                                               \
  X(kConnectionDnsSanPeerCertificate, "connection.dns_san_peer_certificate", kString, kEmbedder, kStream, kInAll,               \
    "first DNS name in the client's certificate")                                                                               \
  X(kConnectionUriSanLocalCertificate, "connection.uri_san_local_certificate", kString, kEmbedder, kStream, kInAll,             \
    "first URI in the server's certificate")                                                                                    \
  X(kConnectionUriSanPeerCertificate, "connection.uri_san_peer_certificate", kString, kEmbedder, kStream, kInAll,               \
    "first URI in the client's certificate")                                                                                    \
  X(kConnectionSha256PeerCertificateDigest, "connection.sha256_peer_certificate_digest", kString, kEmbedder, kStream, kInAll,   \
    "of the client's certificate: 64 hexadecimal digits")                                                                       \
  X(kConnectionPeerCertificate, "connection.peer_certificate", kString, kEmbedder, kStream, kInAll,                             \
    "the client's certificate: PEM, URL-encoded")                                                                               \
  X(kConnectionTransportFailureReason, "connection.transport_failure_reason", kString, kEmbedder, kStream, kInAll,              \
    "why the client's certificate was not validated")                                                                           \
  X(kConnectionTerminationDetails, "connection.termination_details", kString, kEmbedder, kEnd, kInAll,                          \
    "why the client's connection ended early")                                                                                  \
  X(kUpstream, "upstream", kMessage, kWhole, kAlways, kInAll, "")                                                               \
  X(kUpstreamAddress, "upstream.address", kString, kEmbedder, kResponse, kInAll, "ADDRESS:PORT of the last attempt")            \
  X(kUpstreamPort, "upstream.port", kInt, kEmbedder, kResponse, kInAll, "none for a Unix socket")                               \
  X(kUpstreamLocalAddress, "upstream.local_address", kString, kEmbedder, kResponse, kInAll, "our end of that connection")       \
  X(kUpstreamLocalPort, "upstream.local_port", kInt, kEmbedder, kResponse, kInAll, "its port")                                  \
  X(kUpstreamTlsVersion, "upstream.tls_version", kString, kEmbedder, kResponse, kInAll, "TLSv1.3 …")                            \
  X(kUpstreamSubjectLocalCertificate, "upstream.subject_local_certificate", kString, kEmbedder, kResponse, kInAll,              \
    "subject of our certificate (proxy_ssl_certificate)")                                                                       \
  X(kUpstreamSubjectPeerCertificate, "upstream.subject_peer_certificate", kString, kEmbedder, kResponse, kInAll,                \
    "subject of the upstream's certificate")                                                                                    \
  X(kUpstreamDnsSanLocalCertificate, "upstream.dns_san_local_certificate", kString, kEmbedder, kResponse, kInAll,               \
    "first DNS name in ours")                                                                                                   \
  X(kUpstreamDnsSanPeerCertificate, "upstream.dns_san_peer_certificate", kString, kEmbedder, kResponse, kInAll,                 \
    "first DNS name in the upstream's")                                                                                         \
  X(kUpstreamUriSanLocalCertificate, "upstream.uri_san_local_certificate", kString, kEmbedder, kResponse, kInAll,               \
    "first URI in ours")                                                                                                        \
  X(kUpstreamUriSanPeerCertificate, "upstream.uri_san_peer_certificate", kString, kEmbedder, kResponse, kInAll,                 \
    "first URI in the upstream's")                                                                                              \
  X(kUpstreamSha256PeerCertificateDigest, "upstream.sha256_peer_certificate_digest", kString, kEmbedder, kResponse, kInAll,     \
    "of the upstream's certificate: 64 hexadecimal digits")                                                                     \
  X(kUpstreamPeerCertificate, "upstream.peer_certificate", kString, kEmbedder, kResponse, kInAll,                               \
    "the upstream's certificate: PEM, URL-encoded")                                                                             \
  X(kUpstreamTransportFailureReason, "upstream.transport_failure_reason", kString, kEmbedder, kResponse, kInHttp,               \
    "why no connection came about: refused, timed out, certificate …")                                                          \
  X(kUpstreamRequestAttemptCount, "upstream.request_attempt_count", kUint, kEmbedder, kStream, kInHttp,                         \
    "attempts at upstreams; 0: none")                                                                                           \
  X(kUpstreamNumEndpoints, "upstream.num_endpoints", kUint, kEmbedder, kResponse, kInHttp, "addresses in upstream{}")           \
  X(kUpstreamCxPoolReadyDuration, "upstream.cx_pool_ready_duration", kDuration, kEmbedder, kResponse, kInHttp,                  \
    "how long connecting took")                                                                                                 \
  X(kUpstreamLocality, "upstream.locality", kMessage, kNobody, kAlways, kNowhere, "")                                           \
  X(kPluginName, "plugin_name", kString, kPluginName, kAlways, kInAll, "NAME of weir_plugin")                                   \
  X(kPluginRootId, "plugin_root_id", kString, kPluginRootId, kAlways, kInAll, "root_id=")                                       \
  X(kPluginVmId, "plugin_vm_id", kString, kPluginVmId, kAlways, kInAll, "vm_id=, else the name")                                \
  X(kNode, "node", kMessage, kNode, kAlways, kInAll | kAlsoXds, "envoy.config.core.v3.Node of weir_node")                       \
  X(kNodeId, "node.id", kString, kNodeId, kAlways, kInAll | kAlsoXds, "weir_node id=")                                          \
  X(kNodeCluster, "node.cluster", kString, kNodeCluster, kAlways, kInAll | kAlsoXds, "weir_node cluster=")                      \
  X(kNodeMetadata, "node.metadata", kMap, kNodeMetadata, kAlways, kInAll | kAlsoXds, "weir_node metadata.NAME=")                \
  X(kNodeLocality, "node.locality", kMessage, kNodeLocality, kAlways, kInAll | kAlsoXds, "envoy.config.core.v3.Locality")       \
  X(kNodeRegion, "node.locality.region", kString, kNodeRegion, kAlways, kInAll | kAlsoXds, "weir_node region=")                 \
  X(kNodeZone, "node.locality.zone", kString, kNodeZone, kAlways, kInAll | kAlsoXds, "weir_node zone=")                         \
  X(kNodeSubZone, "node.locality.sub_zone", kString, kNodeSubZone, kAlways, kInAll | kAlsoXds, "weir_node sub_zone=")           \
  X(kClusterName, "cluster_name", kString, kEmbedder, kResponse, kInHttp | kAlsoXds, "name of the upstream")                    \
  X(kClusterMetadata, "cluster_metadata", kMessage, kEmptyMessage, kStream, kInAll | kAlsoXds, "")                              \
  X(kListenerDirection, "listener_direction", kInt, kInbound, kAlways, kInAll | kAlsoXds, "1: inbound")                         \
  X(kListenerMetadata, "listener_metadata", kMessage, kEmptyMessage, kAlways, kInAll | kAlsoXds, "")                            \
  X(kRouteName, "route_name", kString, kEmbedder, kStream, kInHttp | kAlsoXds, "name of the location")                          \
  X(kRouteMetadata, "route_metadata", kMessage, kEmptyMessage, kStream, kInAll | kAlsoXds, "")                                  \
  X(kUpstreamHostMetadata, "upstream_host_metadata", kMessage, kNobody, kAlways, kNowhere | kAlsoXds, "")                       \
  X(kVirtualHostName, "xds.virtual_host_name", kString, kEmbedder, kStream, kInHttp, "server_name")                             \
  X(kVirtualHostMetadata, "xds.virtual_host_metadata", kMessage, kEmptyMessage, kStream, kInAll, "")                            \
  X(kLocalityMetadata, "xds.upstream_host_locality_metadata", kMessage, kNobody, kAlways, kNowhere, "")                         \
  X(kFilterChainName, "xds.filter_chain_name", kString, kNobody, kAlways, kNowhere, "")                                         \
  X(kXds, "xds", kMessage, kWhole, kAlways, kInAll, "")                                                                         \
  X(kMetadata, "metadata", kMessage, kEmptyMessage, kStream, kInAll, "")                                                        \
  X(kFilterState, "filter_state", kMap, kNobody, kAlways, kNowhere, "custom properties have their own paths")                   \
  X(kUpstreamFilterState, "upstream_filter_state", kMap, kNobody, kAlways, kNowhere, "")

enum class Property : uint8_t {
#define WEIR_PROPERTY_ENUM(id, path, type, from, when, where, meaning) id,
  WEIR_PROPERTIES(WEIR_PROPERTY_ENUM)
#undef WEIR_PROPERTY_ENUM
};

struct PropertyRow {
  Property property;
  std::string_view path;
  PropertyType type;
  PropertyFrom from;
  PropertyWhen when;
  uint8_t where;  ///< bits kInNginx …
  std::string_view meaning;
};
/// By Property.
inline constexpr PropertyRow kProperties[] = {
#define WEIR_PROPERTY_ROW(id, path, type, from, when, where, meaning) \
  {Property::id, path, PropertyType::type, PropertyFrom::from, PropertyWhen::when, where, meaning},
    WEIR_PROPERTIES(WEIR_PROPERTY_ROW)
#undef WEIR_PROPERTY_ROW
};
constexpr const PropertyRow& RowOf(Property property) { return kProperties[static_cast<size_t>(property)]; }

namespace internal {
inline constexpr auto kPropertiesByPath = [] {
  std::array<uint8_t, std::size(kProperties)> order{};
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint8_t>(i);
  std::sort(order.begin(), order.end(), [](uint8_t a, uint8_t b) { return kProperties[a].path < kProperties[b].path; });
  return order;
}();
constexpr const PropertyRow* ExactProperty(std::string_view path) {
  const auto at = std::lower_bound(kPropertiesByPath.begin(), kPropertiesByPath.end(), path,
                                   [](uint8_t row, std::string_view wanted) { return kProperties[row].path < wanted; });
  return at != kPropertiesByPath.end() && kProperties[*at].path == path ? &kProperties[*at] : nullptr;
}
}  // namespace internal

/// Of the embedder's variables, which plugins may read and write: "ngx.request_uri".
inline constexpr std::string_view kVariablePrefix = "ngx.";

/// The row of a path with dots, or null. Of PATH.NAME in a map: the map's row, and NAME in `*name` (else empty).
constexpr const PropertyRow* FindProperty(std::string_view path, std::string_view* name) {
  constexpr std::string_view kXdsPrefix = "xds.";
  *name = {};
  if (const PropertyRow* row = internal::ExactProperty(path)) return row;
  if (path.starts_with(kXdsPrefix)) {
    const PropertyRow* row = FindProperty(path.substr(kXdsPrefix.size()), name);
    return row != nullptr && (row->where & kAlsoXds) != 0 ? row : nullptr;
  }
  for (size_t dot = path.find('.'); dot != path.npos && dot + 1 < path.size(); dot = path.find('.', dot + 1)) {
    const PropertyRow* row = internal::ExactProperty(path.substr(0, dot));
    if (row == nullptr || row->type != PropertyType::kMap) continue;
    *name = path.substr(dot + 1);
    return row;
  }
  return nullptr;
}

}  // namespace weir
