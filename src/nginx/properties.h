// What nginx knows about a request, as Envoy's attributes; and nginx's variables under "ngx.".
#pragma once

#include <optional>

#include "nginx/ngx.h"
#include "nginx/tls.h"
#include "weir/property.h"

namespace weir::nginx {

/// How an attempt at an upstream ended without an answer, in Envoy's words.
struct UpstreamFailure {
  int64_t flag;                ///< of response.flags
  std::string_view details;    ///< response.code_details
  std::string_view transport;  ///< upstream.transport_failure_reason; empty: the connection was there
};
/// Null: it answered, none was asked, or the attempt goes on.
const UpstreamFailure* FailureOf(const ngx_http_request_t* r);

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

/// nullopt: not known here, or not yet.
std::optional<PropertyValue> ReadProperty(ngx_http_request_t* r, const UpstreamPeer& upstream, Property property);

/// "ngx.NAME" is `$NAME`.
std::optional<std::string> ReadVariable(ngx_http_request_t* r, std::string_view path);
/// Only variables that the configuration made (set, map, geo …). False: no such, or it is nginx's own.
bool WriteVariable(ngx_http_request_t* r, std::string_view path, std::string_view value);

}  // namespace weir::nginx
