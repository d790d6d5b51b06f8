#include "nginx/connection_properties.h"

#include <charconv>

namespace weir::nginx {
namespace {

using Value = std::optional<PropertyValue>;
using Field = CertificateField;

/// "address:port", as Envoy writes it; "unix:" paths as they are.
Value Address(const sockaddr* address, socklen_t size) {
  if (address == nullptr) return std::nullopt;
  u_char text[NGX_SOCKADDR_STRLEN];
  const size_t length = ngx_sock_ntop(const_cast<sockaddr*>(address), size, text, sizeof text, 1);
  return Text({reinterpret_cast<char*>(text), length});
}
/// None for a Unix socket.
Value Port(const sockaddr* address) {
  if (address == nullptr || address->sa_family == AF_UNIX) return std::nullopt;
  return Number(ngx_inet_get_port(const_cast<sockaddr*>(address)));
}

}  // namespace

std::optional<PropertyValue> Text(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return PropertyValue(std::string(text));
}
std::optional<PropertyValue> Number(int64_t number) { return PropertyValue(number); }

std::optional<PropertyValue> PortOf(std::string_view name) {
  const size_t colon = name.rfind(':');
  int64_t port = 0;
  if (colon == name.npos || name.starts_with("unix:")) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + colon + 1, name.data() + name.size(), port);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return Number(port);
}

std::optional<PropertyValue> ReadProperty(ngx_connection_t& connection, const UpstreamPeer& upstream, Property property) {
  ngx_ssl_conn_t* tls = TlsOf(&connection);
  switch (property) {
    case Property::kSourceAddress:
      return Address(connection.sockaddr, connection.socklen);
    case Property::kSourcePort:
      return Port(connection.sockaddr);
    case Property::kDestinationAddress:
      if (ngx_connection_local_sockaddr(&connection, nullptr, 0) != NGX_OK) return std::nullopt;
      return Address(connection.local_sockaddr, connection.local_socklen);
    case Property::kDestinationPort:
      if (ngx_connection_local_sockaddr(&connection, nullptr, 0) != NGX_OK) return std::nullopt;
      return Port(connection.local_sockaddr);
    case Property::kConnectionId:
    case Property::kConnectionIdOld:
      return Number(static_cast<int64_t>(connection.number));
    case Property::kConnectionMtls:
      return PropertyValue(HasVerifiedPeer(tls));
    case Property::kConnectionTlsVersion:
      return TlsVersion(tls);
    case Property::kConnectionSubjectLocalCertificate:
      return LocalCertificate(tls, Field::kSubject);
    case Property::kConnectionSubjectPeerCertificate:
      return PeerCertificate(tls, Field::kSubject);
    case Property::kConnectionDnsSanLocalCertificate:
      return LocalCertificate(tls, Field::kDnsSan);
    case Property::kConnectionDnsSanPeerCertificate:
      return PeerCertificate(tls, Field::kDnsSan);
    case Property::kConnectionUriSanLocalCertificate:
      return LocalCertificate(tls, Field::kUriSan);
    case Property::kConnectionUriSanPeerCertificate:
      return PeerCertificate(tls, Field::kUriSan);
    case Property::kConnectionSha256PeerCertificateDigest:
      return PeerCertificate(tls, Field::kDigest);
    case Property::kConnectionPeerCertificate:
      return PeerCertificate(tls, Field::kPem);
    case Property::kConnectionTransportFailureReason:
      return VerifyFailure(tls);
    case Property::kUpstreamLocalAddress:
      return Address(upstream.local_address(), upstream.local_size());
    case Property::kUpstreamLocalPort:
      return Port(upstream.local_address());
    case Property::kUpstreamTlsVersion:
      return TlsVersion(upstream.tls());
    case Property::kUpstreamSubjectLocalCertificate:
      return LocalCertificate(upstream.tls(), Field::kSubject);
    case Property::kUpstreamSubjectPeerCertificate:
      return PeerCertificate(upstream.tls(), Field::kSubject);
    case Property::kUpstreamDnsSanLocalCertificate:
      return LocalCertificate(upstream.tls(), Field::kDnsSan);
    case Property::kUpstreamDnsSanPeerCertificate:
      return PeerCertificate(upstream.tls(), Field::kDnsSan);
    case Property::kUpstreamUriSanLocalCertificate:
      return LocalCertificate(upstream.tls(), Field::kUriSan);
    case Property::kUpstreamUriSanPeerCertificate:
      return PeerCertificate(upstream.tls(), Field::kUriSan);
    case Property::kUpstreamSha256PeerCertificateDigest:
      return PeerCertificate(upstream.tls(), Field::kDigest);
    case Property::kUpstreamPeerCertificate:
      return PeerCertificate(upstream.tls(), Field::kPem);
    default:
      return std::nullopt;
  }
}

}  // namespace weir::nginx
