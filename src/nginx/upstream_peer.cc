#include "nginx/upstream_peer.h"

namespace weir::nginx {

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

}  // namespace weir::nginx
