#include "nginx/tls.h"

#if (NGX_HTTP_SSL)
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#endif

namespace weir::nginx {
namespace {

using TextValue = std::optional<std::string>;

TextValue NonEmpty(std::string text) {
  if (text.empty()) return std::nullopt;
  return text;
}

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

std::string PemOf(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  if (bio == nullptr) return {};
  PEM_write_bio_X509(bio, certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text;
  for (const char c : std::string_view(data, size > 0 ? static_cast<size_t>(size) : 0)) {
    constexpr std::string_view kEscaped = "\n +/=";  // as Envoy
    constexpr std::string_view kCodes[] = {"%0A", "%20", "%2B", "%2F", "%3D"};
    const size_t at = kEscaped.find(c);
    if (at == kEscaped.npos) {
      text += c;
    } else {
      text += kCodes[at];
    }
  }
  BIO_free(bio);
  return text;
}

std::string FieldOf(X509* certificate, CertificateField field) {
  switch (field) {
    case CertificateField::kSubject:
      return SubjectOf(certificate);
    case CertificateField::kDnsSan:
      return AlternativeName(certificate, GEN_DNS);
    case CertificateField::kUriSan:
      return AlternativeName(certificate, GEN_URI);
    case CertificateField::kDigest:
      return DigestOf(certificate);
    case CertificateField::kPem:
      return PemOf(certificate);
  }
  return {};
}
#endif

}  // namespace

ngx_ssl_conn_t* TlsOf(const ngx_connection_t* connection) {
#if (NGX_HTTP_SSL)
  return connection != nullptr && connection->ssl != nullptr ? connection->ssl->connection : nullptr;
#else
  (void)connection;
  return nullptr;
#endif
}

TextValue PeerCertificate(ngx_ssl_conn_t* tls, CertificateField field) {
#if (NGX_HTTP_SSL)
  X509* certificate = tls != nullptr ? SSL_get_peer_certificate(tls) : nullptr;
  if (certificate == nullptr) return std::nullopt;
  const std::string text = FieldOf(certificate, field);
  X509_free(certificate);
  return NonEmpty(text);
#else
  (void)tls, (void)field;
  return std::nullopt;
#endif
}
TextValue LocalCertificate(ngx_ssl_conn_t* tls, CertificateField field) {
#if (NGX_HTTP_SSL)
  X509* certificate = tls != nullptr ? SSL_get_certificate(tls) : nullptr;  // borrowed
  return certificate != nullptr ? NonEmpty(FieldOf(certificate, field)) : std::nullopt;
#else
  (void)tls, (void)field;
  return std::nullopt;
#endif
}
TextValue TlsVersion(ngx_ssl_conn_t* tls) {
#if (NGX_HTTP_SSL)
  return tls != nullptr ? NonEmpty(SSL_get_version(tls)) : std::nullopt;
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

TextValue VerifyFailure(ngx_ssl_conn_t* tls) {
#if (NGX_HTTP_SSL)
  X509* certificate = tls != nullptr ? SSL_get_peer_certificate(tls) : nullptr;
  if (certificate == nullptr) return std::nullopt;
  X509_free(certificate);
  const long result = SSL_get_verify_result(tls);
  return result != X509_V_OK ? NonEmpty(X509_verify_cert_error_string(result)) : std::nullopt;
#else
  (void)tls;
  return std::nullopt;
#endif
}

}  // namespace weir::nginx
