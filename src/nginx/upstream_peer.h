// The connection to an upstream, as far as plugins may ask for it when it is gone.
#pragma once

#include "nginx/ngx.h"
#include "nginx/tls.h"

namespace weir::nginx {

/// What is told of an upstream's connection after nginx closed it, or gave it back to its pool.
class UpstreamPeer {
 public:
  UpstreamPeer() = default;
  ~UpstreamPeer();
  UpstreamPeer(const UpstreamPeer&) = delete;
  UpstreamPeer& operator=(const UpstreamPeer&) = delete;
  /// Null: an answer without a connection, as from a cache.
  void Keep(ngx_connection_t* connection) noexcept;
  const sockaddr* local_address() const { return size_ != 0 ? reinterpret_cast<const sockaddr*>(&local_) : nullptr; }
  socklen_t local_size() const { return size_; }
  ngx_ssl_conn_t* tls() const { return tls_; }
  /// Why the last attempt came to no connection, if that can be said better than FailureOf does. See upstream_watch.cc.
  const std::string& failure() const { return failure_; }
  void set_failure(std::string failure) { failure_ = std::move(failure); }
  ngx_event_free_peer_pt original_free() const { return original_free_; }
  void set_original_free(ngx_event_free_peer_pt free) { original_free_ = free; }

 private:
  std::string failure_;
  ngx_event_free_peer_pt original_free_ = nullptr;
  sockaddr_storage local_;
  socklen_t size_ = 0;  ///< of local_; 0: not known
  ngx_ssl_conn_t* tls_ = nullptr;  ///< a reference of our own
};

}  // namespace weir::nginx
