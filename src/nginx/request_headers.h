// The request's headers as plugins see and change them: nginx's own list, with the pseudo headers in front.
#pragma once

#include "nginx/ngx.h"
#include "weir/http.h"

namespace weir::nginx {

/// ":method :path :authority :scheme", then the list without "host" (it is ":authority", and found by either name).
/// Length and connection headers are nginx's: a change of them is taken and has no effect.
class RequestHeaders final : public HeaderMap {
 public:
  explicit RequestHeaders(ngx_http_request_t* request) : r_(request) {}
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override;
  void ForEach(Visitor& visitor) const override;
  size_t size() const override;
  bool Add(std::string_view name, std::string_view value) override;
  bool Replace(std::string_view name, std::string_view value) override;
  bool Remove(std::string_view name) override;

  /// The body has another length than the client said: Content-Length and framing follow.
  bool SetBodyLength(off_t bytes);
  /// Upstreams see no Accept-Encoding any more; plugins do, and nginx's own gzip. False: out of memory.
  bool HideAcceptEncoding();
  /// A plugin wrote another `:path`.
  bool path_changed() const { return path_changed_; }

 private:
  bool SetMethod(std::string_view method);
  bool SetPath(std::string_view path);
  bool SetAuthority(std::string_view authority);
  bool Append(std::string_view name, std::string_view value);
  size_t Erase(std::string_view name);

  ngx_http_request_t* r_;
  std::vector<ngx_str_t> hidden_;  ///< values of Accept-Encoding, in the pool
  bool path_changed_ = false;
};

}  // namespace weir::nginx
