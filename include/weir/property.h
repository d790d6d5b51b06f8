// The well-known properties an embedder can answer. Those that follow from a header map (request.path, request.headers.x …)
// and from the plugin itself (plugin_name …) are answered by the family and are not here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace weir {

/// How a value crosses: bytes as they are, integers and durations as 8 bytes little-endian, bool as 1 byte. [Envoy attributes]
/// Times and durations are int64 nanoseconds.
using PropertyValue = std::variant<std::string, int64_t, bool>;

#define WEIR_PROPERTIES(X)                                                        \
  X(kRequestId, "request.id")                                                     \
  X(kRequestProtocol, "request.protocol")                                         \
  X(kRequestScheme, "request.scheme")                                             \
  X(kRequestTime, "request.time")                                                 \
  X(kRequestDuration, "request.duration")                                         \
  X(kRequestSize, "request.size")                                                 \
  X(kRequestTotalSize, "request.total_size")                                      \
  X(kResponseCode, "response.code")                                               \
  X(kResponseCodeDetails, "response.code_details")                                \
  X(kResponseFlags, "response.flags")                                             \
  X(kResponseGrpcStatus, "response.grpc_status")                                  \
  X(kResponseSize, "response.size")                                               \
  X(kResponseTotalSize, "response.total_size")                                    \
  X(kResponseBackendLatency, "response.backend_latency")                          \
  X(kSourceAddress, "source.address")                                             \
  X(kSourcePort, "source.port")                                                   \
  X(kDestinationAddress, "destination.address")                                   \
  X(kDestinationPort, "destination.port")                                         \
  X(kConnectionId, "connection.id")                                               \
  X(kConnectionMtls, "connection.mtls")                                           \
  X(kConnectionRequestedServerName, "connection.requested_server_name")           \
  X(kConnectionTlsVersion, "connection.tls_version")                              \
  X(kConnectionSubjectLocalCertificate, "connection.subject_local_certificate")   \
  X(kConnectionSubjectPeerCertificate, "connection.subject_peer_certificate")     \
  X(kConnectionDnsSanLocalCertificate, "connection.dns_san_local_certificate")    \
  X(kConnectionDnsSanPeerCertificate, "connection.dns_san_peer_certificate")      \
  X(kConnectionUriSanLocalCertificate, "connection.uri_san_local_certificate")    \
  X(kConnectionUriSanPeerCertificate, "connection.uri_san_peer_certificate")      \
  X(kConnectionSha256PeerCertificateDigest, "connection.sha256_peer_certificate_digest") \
  X(kConnectionTerminationDetails, "connection.termination_details")              \
  X(kUpstreamAddress, "upstream.address")                                         \
  X(kUpstreamPort, "upstream.port")                                               \
  X(kUpstreamLocalAddress, "upstream.local_address")                              \
  X(kUpstreamTlsVersion, "upstream.tls_version")                                  \
  X(kUpstreamSubjectLocalCertificate, "upstream.subject_local_certificate")       \
  X(kUpstreamSubjectPeerCertificate, "upstream.subject_peer_certificate")         \
  X(kUpstreamDnsSanLocalCertificate, "upstream.dns_san_local_certificate")        \
  X(kUpstreamDnsSanPeerCertificate, "upstream.dns_san_peer_certificate")          \
  X(kUpstreamUriSanLocalCertificate, "upstream.uri_san_local_certificate")        \
  X(kUpstreamUriSanPeerCertificate, "upstream.uri_san_peer_certificate")          \
  X(kUpstreamSha256PeerCertificateDigest, "upstream.sha256_peer_certificate_digest") \
  X(kUpstreamTransportFailureReason, "upstream.transport_failure_reason")         \
  X(kNode, "node")                                                                \
  X(kClusterName, "cluster_name")                                                 \
  X(kRouteName, "route_name")                                                     \
  X(kListenerDirection, "listener_direction")

enum class Property : uint8_t {
#define WEIR_PROPERTY_ENUM(id, path) id,
  WEIR_PROPERTIES(WEIR_PROPERTY_ENUM)
#undef WEIR_PROPERTY_ENUM
};

struct PropertyRow {
  Property property;
  std::string_view path;
};
inline constexpr PropertyRow kProperties[] = {
#define WEIR_PROPERTY_ROW(id, path) {Property::id, path},
    WEIR_PROPERTIES(WEIR_PROPERTY_ROW)
#undef WEIR_PROPERTY_ROW
};

}  // namespace weir
