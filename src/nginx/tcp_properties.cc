#include "nginx/tcp_properties.h"

#include <charconv>

#include "nginx/tls.h"

namespace weir::nginx {
namespace {

using Value = std::optional<PropertyValue>;
using Field = CertificateField;

constexpr std::string_view kVariablePrefix = "ngx.";

Value Text(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return PropertyValue(std::string(text));
}
Value Number(int64_t number) { return PropertyValue(number); }

Value Address(const sockaddr* address, socklen_t size) {
  if (address == nullptr) return std::nullopt;
  u_char text[NGX_SOCKADDR_STRLEN];
  const size_t length = ngx_sock_ntop(const_cast<sockaddr*>(address), size, text, sizeof text, 1);
  return Text({reinterpret_cast<char*>(text), length});
}
Value Port(const sockaddr* address) {
  if (address == nullptr || address->sa_family == AF_UNIX) return std::nullopt;
  return Number(ngx_inet_get_port(const_cast<sockaddr*>(address)));
}

std::optional<std::string> Variable(ngx_stream_session_t* s, std::string_view name) {
  std::string lower(name);
  ngx_str_t key{lower.size(), Bytes(lower)};
  const ngx_uint_t hash = ngx_hash_strlow(key.data, key.data, key.len);
  const ngx_stream_variable_value_t* value = ngx_stream_get_variable(s, &key, hash);
  if (value == nullptr || value->not_found || !value->valid) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(value->data), value->len);
}

/// "address:port" of the attempt that is on, or was last.
std::string_view UpstreamName(const ngx_stream_session_t* s) {
  const ngx_stream_upstream_t* upstream = s->upstream;
  if (upstream == nullptr || upstream->state == nullptr || upstream->state->peer == nullptr) return {};
  return View(*upstream->state->peer);
}
Value UpstreamPort(std::string_view name) {
  const size_t colon = name.rfind(':');
  int64_t port = 0;
  if (colon == name.npos || name.starts_with("unix:")) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + colon + 1, name.data() + name.size(), port);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return Number(port);
}

/// Of a handshake that ends here, or that ssl_preread looked into.
Value ServerName(ngx_stream_session_t* s) {
  for (const std::string_view name : {"ssl_server_name", "ssl_preread_server_name"}) {
    const std::optional<std::string> value = Variable(s, name);
    if (value && !value->empty()) return PropertyValue(*value);
  }
  return std::nullopt;
}

Value TerminationDetails(const ngx_connection_t* connection) {
  if (connection->timedout) return Text("the client timed out");
  return connection->error ? Text("the client closed the connection") : std::nullopt;
}

}  // namespace

std::optional<PropertyValue> ReadProperty(ngx_stream_session_t* s, const UpstreamPeer& upstream, Property property) {
  ngx_connection_t* connection = s->connection;
  ngx_ssl_conn_t* tls = TlsOf(connection);
  switch (property) {
    case Property::kSourceAddress:
      return Address(connection->sockaddr, connection->socklen);
    case Property::kSourcePort:
      return Port(connection->sockaddr);
    case Property::kDestinationAddress:
      if (ngx_connection_local_sockaddr(connection, nullptr, 0) != NGX_OK) return std::nullopt;
      return Address(connection->local_sockaddr, connection->local_socklen);
    case Property::kDestinationPort:
      if (ngx_connection_local_sockaddr(connection, nullptr, 0) != NGX_OK) return std::nullopt;
      return Port(connection->local_sockaddr);
    case Property::kConnectionId:
    case Property::kConnectionIdOld:
      return Number(static_cast<int64_t>(connection->number));
    case Property::kConnectionMtls:
      return PropertyValue(HasVerifiedPeer(tls));
    case Property::kConnectionRequestedServerName:
      return ServerName(s);
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
    case Property::kConnectionTerminationDetails:
      return TerminationDetails(connection);
    case Property::kUpstreamAddress:
      return Text(UpstreamName(s));
    case Property::kUpstreamPort:
      return UpstreamPort(UpstreamName(s));
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
    case Property::kClusterName:
      if (s->upstream == nullptr || s->upstream->upstream == nullptr) return std::nullopt;
      return Text(View(s->upstream->upstream->host));
    default:
      return std::nullopt;  // of HTTP, or answered by the plugin's side
  }
}

std::optional<std::string> ReadVariable(ngx_stream_session_t* s, std::string_view path) {
  if (!path.starts_with(kVariablePrefix)) return std::nullopt;
  return Variable(s, path.substr(kVariablePrefix.size()));
}

bool WriteVariable(ngx_stream_session_t* s, std::string_view path, std::string_view value) {
  if (!path.starts_with(kVariablePrefix)) return false;
  std::string name(path.substr(kVariablePrefix.size()));
  const ngx_uint_t hash = ngx_hash_strlow(Bytes(name), Bytes(name), name.size());
  auto* main = static_cast<ngx_stream_core_main_conf_t*>(ngx_stream_get_module_main_conf(s, ngx_stream_core_module));
  auto* variable = static_cast<ngx_stream_variable_t*>(ngx_hash_find(&main->variables_hash, hash, Bytes(name), name.size()));
  const ngx_str_t copy = Copy(s->connection->pool, value);
  if (variable == nullptr || copy.data == nullptr || (variable->flags & NGX_STREAM_VAR_CHANGEABLE) == 0) return false;
  ngx_stream_variable_value_t changed{};
  changed.len = static_cast<unsigned>(copy.len);
  changed.valid = 1;
  changed.data = copy.data;
  if (variable->set_handler != nullptr) {
    variable->set_handler(s, &changed, variable->data);
    return true;
  }
  if ((variable->flags & NGX_STREAM_VAR_INDEXED) == 0) return false;
  s->variables[variable->index] = changed;
  return true;
}

}  // namespace weir::nginx
