#include "nginx/request_headers.h"

#include <algorithm>
#include <array>

namespace weir::nginx {
namespace {

// Which member of ngx_http_headers_in_t points at the header of a name. nginx has such a table, with handlers that may end the
// request on a duplicate: not usable for a request that runs.
struct Special {
  std::string_view name;
  size_t offset;
};
#define WEIR_IN(name, member) Special{name, offsetof(ngx_http_headers_in_t, member)}
constexpr std::array kSpecial{
    WEIR_IN("host", host),
    WEIR_IN("connection", connection),
    WEIR_IN("if-modified-since", if_modified_since),
    WEIR_IN("if-unmodified-since", if_unmodified_since),
    WEIR_IN("if-match", if_match),
    WEIR_IN("if-none-match", if_none_match),
    WEIR_IN("user-agent", user_agent),
    WEIR_IN("referer", referer),
    WEIR_IN("content-length", content_length),
    WEIR_IN("content-range", content_range),
    WEIR_IN("content-type", content_type),
    WEIR_IN("range", range),
    WEIR_IN("if-range", if_range),
    WEIR_IN("transfer-encoding", transfer_encoding),
    WEIR_IN("te", te),
    WEIR_IN("expect", expect),
    WEIR_IN("upgrade", upgrade),
#if (NGX_HTTP_GZIP || NGX_HTTP_HEADERS)
    WEIR_IN("accept-encoding", accept_encoding),
    WEIR_IN("via", via),
#endif
    WEIR_IN("authorization", authorization),
    WEIR_IN("keep-alive", keep_alive),
#if (NGX_HTTP_REALIP)
    WEIR_IN("x-real-ip", x_real_ip),
#endif
#if (NGX_HTTP_HEADERS)
    WEIR_IN("accept", accept),
    WEIR_IN("accept-language", accept_language),
#endif
#if (NGX_HTTP_DAV)
    WEIR_IN("depth", depth),
    WEIR_IN("destination", destination),
    WEIR_IN("overwrite", overwrite),
    WEIR_IN("date", date),
#endif
};
#undef WEIR_IN

ngx_table_elt_t** Pointer(ngx_http_headers_in_t& in, const Special& special) {
  return reinterpret_cast<ngx_table_elt_t**>(reinterpret_cast<char*>(&in) + special.offset);
}

std::string_view Name(const ngx_table_elt_t& header) {
  return {reinterpret_cast<const char*>(header.lowcase_key), header.key.len};
}

#if nginx_version < 1023000
/// The array of pointers that 1.22 keeps for a header that may come several times.
bool PushPointer(ngx_array_t* array, ngx_pool_t* pool, ngx_table_elt_t* header) {
  if (array->elts == nullptr &&
      ngx_array_init(array, pool, 1, sizeof(ngx_table_elt_t*)) != NGX_OK) {
    return false;
  }
  auto** slot = static_cast<ngx_table_elt_t**>(ngx_array_push(array));
  if (slot == nullptr) return false;
  *slot = header;
  return true;
}
#endif

/// Elements moved in the list, or came: every pointer into it is set again.
void Relink(ngx_http_request_t* r) {
  ngx_http_headers_in_t& in = r->headers_in;
  for (const Special& special : kSpecial) *Pointer(in, special) = nullptr;
#if nginx_version < 1023000
  in.cookies.nelts = 0;
#if (NGX_HTTP_X_FORWARDED_FOR)
  in.x_forwarded_for.nelts = 0;
#endif
#else
  in.cookie = nullptr;
#if (NGX_HTTP_X_FORWARDED_FOR)
  in.x_forwarded_for = nullptr;
#endif
#endif
  ForEachElement(in.headers, [&](ngx_table_elt_t& header) {
    const std::string_view name = Name(header);
    for (const Special& special : kSpecial) {
      if (special.name != name) continue;
      ngx_table_elt_t** pointer = Pointer(in, special);
      if (*pointer == nullptr) *pointer = &header;
    }
#if nginx_version < 1023000
    if (name == "cookie") PushPointer(&in.cookies, r->pool, &header);
#if (NGX_HTTP_X_FORWARDED_FOR)
    if (name == "x-forwarded-for") PushPointer(&in.x_forwarded_for, r->pool, &header);
#endif
#else
    // 1.23 and later link the headers of one name through `next`, in order.
    header.next = nullptr;
    ngx_table_elt_t** first = nullptr;
    if (name == "cookie") first = &in.cookie;
#if (NGX_HTTP_X_FORWARDED_FOR)
    if (name == "x-forwarded-for") first = &in.x_forwarded_for;
#endif
    if (first != nullptr) {
      while (*first != nullptr) first = &(*first)->next;
      *first = &header;
    }
#endif
    return true;
  });
}

/// Nginx frames the message: what a plugin writes here is not a header but a smuggled request.
bool IsFraming(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "connection" ||
         name == "keep-alive";
}

enum class Pseudo : uint8_t { kNone, kMethod, kPath, kAuthority, kScheme, kUnknown };
Pseudo PseudoOf(std::string_view name) {
  if (name == "host") return Pseudo::kAuthority;
  if (name.empty() || name[0] != ':') return Pseudo::kNone;
  if (name == ":method") return Pseudo::kMethod;
  if (name == ":path") return Pseudo::kPath;
  if (name == ":authority") return Pseudo::kAuthority;
  if (name == ":scheme") return Pseudo::kScheme;
  return Pseudo::kUnknown;
}

std::string_view Authority(const ngx_http_request_t* r) {
  return r->headers_in.host != nullptr ? View(r->headers_in.host->value) : std::string_view();
}
std::string_view Scheme(const ngx_http_request_t* r) {
#if (NGX_HTTP_SSL)
  if (r->connection->ssl != nullptr) return "https";
#endif
  (void)r;
  return "http";
}
std::string_view PseudoValue(const ngx_http_request_t* r, Pseudo pseudo) {
  switch (pseudo) {
    case Pseudo::kMethod:
      return View(r->method_name);
    case Pseudo::kPath:
      return View(r->unparsed_uri);
    case Pseudo::kAuthority:
      return Authority(r);
    default:
      return Scheme(r);
  }
}

constexpr std::string_view kAcceptEncoding = "accept-encoding";

}  // namespace

size_t RequestHeaders::Find(std::string_view name, std::string_view* out, size_t max) const {
  const Pseudo pseudo = PseudoOf(name);
  if (pseudo == Pseudo::kUnknown) return 0;
  size_t count = 0;
  if (pseudo != Pseudo::kNone) {
    if (pseudo == Pseudo::kAuthority && r_->headers_in.host == nullptr) return 0;
    if (max > 0) out[0] = PseudoValue(r_, pseudo);
    return 1;
  }
  ForEachElement(r_->headers_in.headers, [&](const ngx_table_elt_t& header) {
    if (Name(header) != name) return true;
    if (count < max) out[count] = View(header.value);
    count++;
    return true;
  });
  if (name != kAcceptEncoding) return count;
  for (const ngx_str_t& value : hidden_) {
    if (count < max) out[count] = View(value);
    count++;
  }
  return count;
}

void RequestHeaders::ForEach(Visitor& visitor) const {
  if (r_->headers_in.host != nullptr && !visitor.OnHeader(":authority", Authority(r_))) return;
  if (!visitor.OnHeader(":path", View(r_->unparsed_uri))) return;
  if (!visitor.OnHeader(":method", View(r_->method_name))) return;
  if (!visitor.OnHeader(":scheme", Scheme(r_))) return;
  bool more = true;
  ForEachElement(r_->headers_in.headers, [&](const ngx_table_elt_t& header) {
    return more = Name(header) == "host" || visitor.OnHeader(Name(header), View(header.value));
  });
  for (size_t i = 0; more && i < hidden_.size(); i++) more = visitor.OnHeader(kAcceptEncoding, View(hidden_[i]));
}

size_t RequestHeaders::size() const {
  size_t count = (r_->headers_in.host != nullptr ? 4 : 3) + hidden_.size();
  ForEachElement(r_->headers_in.headers, [&](const ngx_table_elt_t& header) {
    if (Name(header) != "host") count++;
    return true;
  });
  return count;
}

bool RequestHeaders::Append(std::string_view name, std::string_view value) {
  ngx_table_elt_t* header = PushHeader(&r_->headers_in.headers, r_->pool, name, value);
  if (header == nullptr) return false;
  for (const Special& special : kSpecial) {
    if (special.name != Name(*header)) continue;
    ngx_table_elt_t** pointer = Pointer(r_->headers_in, special);
    if (*pointer == nullptr) *pointer = header;
    return true;
  }
  if (name == "cookie" || name == "x-forwarded-for") Relink(r_);
  return true;
}

bool RequestHeaders::Add(std::string_view name, std::string_view value) {
  switch (PseudoOf(name)) {
    case Pseudo::kNone:
      return IsFraming(name) || Append(name, value);
    case Pseudo::kMethod:
      return SetMethod(value);
    case Pseudo::kPath:
      return SetPath(value);
    case Pseudo::kAuthority:
      return SetAuthority(value);
    default:
      return false;
  }
}

bool RequestHeaders::Replace(std::string_view name, std::string_view value) {
  if (PseudoOf(name) != Pseudo::kNone) return Add(name, value);
  if (IsFraming(name)) return true;
  // In the usual case, one header of that name, only its value changes.
  ngx_table_elt_t* only = nullptr;
  size_t count = 0;
  ForEachElement(r_->headers_in.headers, [&](ngx_table_elt_t& header) {
    if (Name(header) == name) {
      only = &header;
      count++;
    }
    return true;
  });
  if (count == 1) {
    const ngx_str_t copy = Copy(r_->pool, value);
    if (copy.data == nullptr) return false;
    only->value = copy;
    return true;
  }
  if (count > 1) Erase(name);
  return Append(name, value);
}

bool RequestHeaders::Remove(std::string_view name) {
  if (PseudoOf(name) != Pseudo::kNone) return false;
  if (!IsFraming(name)) Erase(name);
  return true;
}

/// proxy_pass sends request headers whose hash is 0 too, so that marking is not enough: the parts of the list are compacted.
size_t RequestHeaders::Erase(std::string_view name) {
  size_t gone = 0;
  for (ngx_list_part_t* part = &r_->headers_in.headers.part; part != nullptr; part = part->next) {
    auto* elements = static_cast<ngx_table_elt_t*>(part->elts);
    ngx_uint_t kept = 0;
    for (ngx_uint_t i = 0; i < part->nelts; i++) {
      if (Name(elements[i]) == name) {
        gone++;
        continue;
      }
      if (kept != i) elements[kept] = elements[i];
      kept++;
    }
    part->nelts = kept;
  }
  // ngx_list_push counts in the last part by itself, from the same nelts.
  if (gone > 0) Relink(r_);
  return gone;
}

bool RequestHeaders::HideAcceptEncoding() {
  if (r_->headers_in.accept_encoding == nullptr) return true;
  auto* kept = static_cast<ngx_table_elt_t*>(ngx_palloc(r_->pool, sizeof(ngx_table_elt_t)));
  if (kept == nullptr) return false;
  *kept = *r_->headers_in.accept_encoding;
  ForEachElement(r_->headers_in.headers, [&](const ngx_table_elt_t& header) {
    if (Name(header) == kAcceptEncoding) hidden_.push_back(header.value);
    return true;
  });
  Erase(kAcceptEncoding);
  r_->headers_in.accept_encoding = kept;  // gzip asks here, not in the list
  return true;
}

bool RequestHeaders::SetBodyLength(off_t bytes) {
  Erase("content-length");
  Erase("transfer-encoding");
  r_->headers_in.chunked = 0;
  r_->headers_in.content_length_n = bytes;
  return Append("content-length", std::to_string(bytes));
}

}  // namespace weir::nginx
