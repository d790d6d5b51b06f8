// The response's headers as plugins see and change them: nginx's own list, ":status" in front, and the ones that nginx keeps
// outside of it until the last moment (Content-Type, Content-Length, Last-Modified, Server, Date).
#pragma once

#include "nginx/ngx.h"
#include "weir/http.h"

namespace weir::nginx {

/// Framing is nginx's: Transfer-Encoding and Connection cannot be written; Content-Length can only be removed.
class ResponseHeaders final : public HeaderMap {
 public:
  explicit ResponseHeaders(ngx_http_request_t* request) : r_(request) {}
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override;
  void ForEach(Visitor& visitor) const override;
  size_t size() const override;
  bool Add(std::string_view name, std::string_view value) override;
  bool Replace(std::string_view name, std::string_view value) override;
  bool Remove(std::string_view name) override;

 private:
  /// The value of a header that is not in the list (yet); data null: there is none.
  std::string_view Synthesized(size_t row) const;
  bool SetStatus(std::string_view status);
  bool SetContentType(std::string_view value);
  bool Append(std::string_view name, std::string_view value);
  void Erase(std::string_view name);

  ngx_http_request_t* r_;
  mutable u_char length_[NGX_OFF_T_LEN];  ///< text of what nginx keeps as a number
  mutable u_char modified_[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
  mutable u_char status_[NGX_INT_T_LEN];
};

}  // namespace weir::nginx
