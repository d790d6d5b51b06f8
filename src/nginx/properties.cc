#include "nginx/properties.h"

#include <charconv>

#if (NGX_HTTP_SSL)
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#endif

namespace weir::nginx {
namespace {

using Value = std::optional<PropertyValue>;

Value Text(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return PropertyValue(std::string(text));
}
Value Number(int64_t number) { return PropertyValue(number); }

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

/// The attempt that is on, or was last.
const ngx_http_upstream_state_t* LastState(const ngx_http_request_t* r) {
  if (r->upstream_states == nullptr || r->upstream_states->nelts == 0) return nullptr;
  auto* states = static_cast<ngx_http_upstream_state_t*>(r->upstream_states->elts);
  return &states[r->upstream_states->nelts - 1];
}
/// "address:port" of the attempt that is on, or was last; nginx clears its peer before the last callbacks, but not this.
std::string_view UpstreamName(const ngx_http_request_t* r) {
  const ngx_http_upstream_state_t* state = LastState(r);
  return state != nullptr && state->peer != nullptr ? View(*state->peer) : std::string_view();
}
Value UpstreamPort(const ngx_http_request_t* r) {
  const std::string_view name = UpstreamName(r);
  const size_t colon = name.rfind(':');
  int64_t port = 0;
  if (colon == name.npos || name.starts_with("unix:")) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + colon + 1, name.data() + name.size(), port);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return Number(port);
}

enum class Field : uint8_t { kSubject, kDnsSan, kUriSan, kDigest };

#if (NGX_HTTP_SSL)
std::string SubjectOf(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  if (bio == nullptr) return {};
  X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, size > 0 ? static_cast<size_t>(size) : 0);
  BIO_free(bio);
  return text;
}

/// The first alternative name of that kind, as in Envoy.
std::string AlternativeName(X509* certificate, int kind) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return {};
  std::string text;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && text.empty(); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != kind) continue;
    const ASN1_STRING* value = name->d.ia5;  // dNSName and uniformResourceIdentifier alike
    text.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                static_cast<size_t>(ASN1_STRING_length(value)));
  }
  GENERAL_NAMES_free(names);
  return text;
}

std::string DigestOf(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return {};
  std::string hex(size * 2, '0');
  ngx_hex_dump(Bytes(hex), digest, size);
  return hex;
}

std::string FieldOf(X509* certificate, Field field) {
  switch (field) {
    case Field::kSubject:
      return SubjectOf(certificate);
    case Field::kDnsSan:
      return AlternativeName(certificate, GEN_DNS);
    case Field::kUriSan:
      return AlternativeName(certificate, GEN_URI);
    case Field::kDigest:
      return DigestOf(certificate);
  }
  return {};
}
#endif

ngx_ssl_conn_t* TlsOf(const ngx_connection_t* connection) {
#if (NGX_HTTP_SSL)
  return connection != nullptr && connection->ssl != nullptr ? connection->ssl->connection : nullptr;
#else
  (void)connection;
  return nullptr;
#endif
}

Value PeerCertificate(ngx_ssl_conn_t* tls, Field field) {
#if (NGX_HTTP_SSL)
  X509* certificate = tls != nullptr ? SSL_get_peer_certificate(tls) : nullptr;
  if (certificate == nullptr) return std::nullopt;
  const std::string text = FieldOf(certificate, field);
  X509_free(certificate);
  return Text(text);
#else
  (void)tls, (void)field;
  return std::nullopt;
#endif
}
Value LocalCertificate(ngx_ssl_conn_t* tls, Field field) {
#if (NGX_HTTP_SSL)
  X509* certificate = tls != nullptr ? SSL_get_certificate(tls) : nullptr;  // borrowed
  return certificate != nullptr ? Text(FieldOf(certificate, field)) : std::nullopt;
#else
  (void)tls, (void)field;
  return std::nullopt;
#endif
}
Value TlsVersion(ngx_ssl_conn_t* tls) {
#if (NGX_HTTP_SSL)
  return tls != nullptr ? Text(SSL_get_version(tls)) : std::nullopt;
#else
  (void)tls;
  return std::nullopt;
#endif
}
bool HasVerifiedPeer(ngx_ssl_conn_t* tls) {
#if (NGX_HTTP_SSL)
  if (tls == nullptr || SSL_get_verify_result(tls) != X509_V_OK) return false;
  X509* certificate = SSL_get_peer_certificate(tls);
  X509_free(certificate);
  return certificate != nullptr;
#else
  (void)tls;
  return false;
#endif
}

}  // namespace

UpstreamPeer::~UpstreamPeer() {
#if (NGX_HTTP_SSL)
  SSL_free(tls_);  // null is fine
#endif
}

void UpstreamPeer::Keep(ngx_connection_t* connection) noexcept {
  if (connection == nullptr) return;
  if (ngx_connection_local_sockaddr(connection, nullptr, 0) == NGX_OK && connection->local_socklen <= sizeof local_) {
    std::memcpy(&local_, connection->local_sockaddr, connection->local_socklen);
    size_ = connection->local_socklen;
  }
#if (NGX_HTTP_SSL)
  ngx_ssl_conn_t* tls = TlsOf(connection);
  if (tls != nullptr && tls_ == nullptr && SSL_up_ref(tls) == 1) tls_ = tls;
#endif
}

std::optional<PropertyValue> ReadProperty(ngx_http_request_t* r, const UpstreamPeer& upstream, Property property) {
  // Over HTTP/2 it stands for the stream, with the addresses and the TLS session of the socket below.
  ngx_connection_t* connection = r->connection;
  ngx_ssl_conn_t* tls = TlsOf(connection);
  switch (property) {
    case Property::kRequestId:
      return VariableText(r, "request_id");
    case Property::kRequestProtocol:
      return Text(r->http_version == NGX_HTTP_VERSION_20 ? "HTTP/2" : View(r->http_protocol));
    case Property::kRequestScheme:
      return VariableText(r, "scheme");
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
      if (r->headers_out.status == 0) return std::nullopt;
      return Text(r->upstream != nullptr ? "via_upstream" : "direct_response");
    case Property::kResponseFlags:
      return Number(0);
    case Property::kResponseSize:
      return Number(connection->sent > static_cast<off_t>(r->header_size)
                        ? connection->sent - static_cast<off_t>(r->header_size)
                        : 0);
    case Property::kResponseTotalSize:
      return Number(connection->sent);
    case Property::kResponseBackendLatency: {
      const ngx_http_upstream_state_t* state = LastState(r);
      if (state == nullptr || state->header_time == static_cast<ngx_msec_t>(-1)) return std::nullopt;
      return Number(static_cast<int64_t>(state->header_time) * kNsPerMs);
    }
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
      return Number(static_cast<int64_t>(connection->number));
    case Property::kConnectionMtls:
      return PropertyValue(HasVerifiedPeer(tls));
    case Property::kConnectionRequestedServerName:
      return VariableText(r, "ssl_server_name");
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
    case Property::kUpstreamAddress:
      return Text(UpstreamName(r));
    case Property::kUpstreamPort:
      return UpstreamPort(r);
    case Property::kUpstreamLocalAddress:
      return Address(upstream.local_address(), upstream.local_size());
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
    case Property::kClusterName:
      if (r->upstream == nullptr || r->upstream->upstream == nullptr) return std::nullopt;
      return Text(View(r->upstream->upstream->host));
    case Property::kRouteName: {
      auto* location = static_cast<ngx_http_core_loc_conf_t*>(
          ngx_http_get_module_loc_conf(r, ngx_http_core_module));
      return Text(View(location->name));
    }
    case Property::kListenerDirection:
      return Number(1);  // inbound
    case Property::kResponseGrpcStatus:
    case Property::kConnectionTerminationDetails:
    case Property::kUpstreamTransportFailureReason:
    case Property::kNode:
      return std::nullopt;
  }
  return std::nullopt;
}

constexpr std::string_view kVariablePrefix = "ngx.";

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
