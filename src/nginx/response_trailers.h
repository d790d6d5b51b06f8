// The response's trailers as plugins see and change them: nginx's own list, that the chunked and HTTP/2 filters send behind the body.
#pragma once

#include "nginx/ngx.h"
#include "weir/http.h"

namespace weir::nginx {

/// Only gRPC upstreams fill the list in nginx 1.22; plugins may.
class ResponseTrailers final : public HeaderMap {
 public:
  explicit ResponseTrailers(ngx_http_request_t* request) : r_(request) {}
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override;
  void ForEach(Visitor& visitor) const override;
  size_t size() const override;
  bool Add(std::string_view name, std::string_view value) override;
  bool Replace(std::string_view name, std::string_view value) override;
  bool Remove(std::string_view name) override;
  /// Takes out what did not come from Add.
  void DropUpstreams();

 private:
  ngx_http_request_t* r_;
};

}  // namespace weir::nginx
