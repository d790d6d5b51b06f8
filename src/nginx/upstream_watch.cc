// Why no connection to an upstream came about: nginx tells its log and closes the connection before any filter runs. So a request's
// peer is watched as it is given back (peer.free), which is what modules that balance do too.
#include "nginx/upstream_watch.h"

#include "nginx/stream.h"
#include "nginx/tls.h"

#if (NGX_HTTP_SSL)
#include <openssl/x509.h>
#endif

namespace weir::nginx {
namespace {

NgxStream* StreamOf(const ngx_peer_connection_t& peer) {
  auto* context = static_cast<ngx_http_log_ctx_t*>(peer.log->data);
  return context != nullptr && context->request != nullptr ? NgxStream::Find(context->request->main) : nullptr;
}

/// Of a connection that is given back before a request went over it.
std::string FailureOfTls(ngx_connection_t* connection) {
  ngx_ssl_conn_t* tls = TlsOf(connection);
  if (tls == nullptr) return {};
#if (NGX_HTTP_SSL)
  if (!connection->ssl->handshaked) return "TLS handshake failed";
  const long result = SSL_get_verify_result(tls);
  if (result != X509_V_OK) return std::string("certificate verify failed: ") + X509_verify_cert_error_string(result);
  return "the certificate does not match the upstream's name";
#else
  return {};
#endif
}

void OnPeerFree(ngx_peer_connection_t* peer, void* data, ngx_uint_t state) noexcept {
  NgxStream* stream = StreamOf(*peer);
  if (stream == nullptr) return;  // cannot be: it was found when the peer was taken
  stream->upstream_peer().set_failure(FailureOfTls(peer->connection));
  stream->upstream_peer().original_free()(peer, data, state);
}

ngx_int_t OnPeerInit(ngx_http_request_t* r, ngx_http_upstream_srv_conf_t* upstream) noexcept {
  const auto& watched = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_weir_module))->watched_upstreams;
  const ngx_int_t rc = watched.at(upstream)(r, upstream);
  NgxStream* stream = rc == NGX_OK && r == r->main ? NgxStream::Find(r) : nullptr;
  if (stream == nullptr) return rc;
  stream->upstream_peer().set_original_free(r->upstream->peer.free);
  r->upstream->peer.free = OnPeerFree;
  return rc;
}

}  // namespace

void WatchUpstreams(ngx_conf_t* cf, MainConf& conf) {
  auto* main = static_cast<ngx_http_upstream_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module));
  if (main == nullptr) return;
  auto** upstreams = static_cast<ngx_http_upstream_srv_conf_t**>(main->upstreams.elts);
  for (ngx_uint_t i = 0; i < main->upstreams.nelts; i++) {
    if (upstreams[i]->peer.init == nullptr) continue;
    conf.watched_upstreams[upstreams[i]] = upstreams[i]->peer.init;
    upstreams[i]->peer.init = OnPeerInit;
  }
}

}  // namespace weir::nginx
