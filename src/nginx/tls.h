// What a TLS session says of itself and of both certificates. Without TLS in nginx nothing is known.
#pragma once

#include <optional>
#include <string>

#include "nginx/ngx.h"

#if !(NGX_SSL)
using ngx_ssl_conn_t = void;
#endif

namespace weir::nginx {

enum class CertificateField : uint8_t {
  kSubject,  ///< RFC 2253
  kDnsSan,   ///< the first
  kUriSan,   ///< the first
  kDigest,   ///< SHA-256, in hexadecimal
  kPem,      ///< URL-encoded as in Envoy
};

/// Null: no TLS on that connection.
ngx_ssl_conn_t* TlsOf(const ngx_connection_t* connection);

// Of a null session nothing is known; an empty value is none.
std::optional<std::string> PeerCertificate(ngx_ssl_conn_t* tls, CertificateField field);
std::optional<std::string> LocalCertificate(ngx_ssl_conn_t* tls, CertificateField field);
std::optional<std::string> TlsVersion(ngx_ssl_conn_t* tls);
/// The peer gave a certificate, and it was validated.
bool HasVerifiedPeer(ngx_ssl_conn_t* tls);
/// Why the peer's certificate was not validated.
std::optional<std::string> VerifyFailure(ngx_ssl_conn_t* tls);

}  // namespace weir::nginx
