#include "nginx/response_headers.h"

#include <array>
#include <charconv>

namespace weir::nginx {
namespace {

// Members of ngx_http_headers_out_t that point into the list. Other filters look at them (gzip at content_encoding), and the
// last header filter writes a header of its own where server, date or last_modified is null.
struct Special {
  std::string_view name;
  size_t offset;
};
#define WEIR_OUT(name, member) Special{name, offsetof(ngx_http_headers_out_t, member)}
constexpr std::array kSpecial{
    WEIR_OUT("server", server),
    WEIR_OUT("date", date),
    WEIR_OUT("content-length", content_length),
    WEIR_OUT("content-encoding", content_encoding),
    WEIR_OUT("location", location),
    WEIR_OUT("refresh", refresh),
    WEIR_OUT("last-modified", last_modified),
    WEIR_OUT("content-range", content_range),
    WEIR_OUT("accept-ranges", accept_ranges),
    WEIR_OUT("www-authenticate", www_authenticate),
    WEIR_OUT("expires", expires),
    WEIR_OUT("etag", etag),
};
#undef WEIR_OUT

ngx_table_elt_t** PointerTo(ngx_http_headers_out_t& out, std::string_view name) {
  for (const Special& special : kSpecial) {
    if (special.name != name) continue;
    return reinterpret_cast<ngx_table_elt_t**>(reinterpret_cast<char*>(&out) + special.offset);
  }
  return nullptr;
}

// Kept outside of the list. In the order in which plugins see them.
constexpr std::string_view kSynthesized[] = {"server", "date", "content-type", "content-length",
                                             "last-modified"};
enum Row : size_t { kServer, kDate, kContentType, kContentLength, kLastModified };

bool IsFraming(std::string_view name) {
  return name == "transfer-encoding" || name == "connection" || name == "keep-alive" ||
         name == "content-length";
}

/// Elements of other modules may have no lowcase_key at all: compare the key itself.
bool Is(const ngx_table_elt_t& header, std::string_view name) {
  return header.hash != 0 && EqualsLower(View(header.key), name);
}

std::string_view Digits(u_char* text, size_t size, int64_t value) {
  auto* begin = reinterpret_cast<char*>(text);
  const auto end = std::to_chars(begin, begin + size, value).ptr;
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::string_view ResponseHeaders::Synthesized(size_t row) const {
  const ngx_http_headers_out_t& out = r_->headers_out;
  switch (row) {
    case kServer: {
      if (out.server != nullptr) return {};
      auto* location = static_cast<ngx_http_core_loc_conf_t*>(
          ngx_http_get_module_loc_conf(r_, ngx_http_core_module));
      return location->server_tokens == NGX_HTTP_SERVER_TOKENS_OFF ? "nginx" : NGINX_VER;
    }
    case kDate:
      if (out.date != nullptr) return {};
      return View(ngx_str_t{ngx_cached_http_time.len, ngx_cached_http_time.data});
    case kContentType: {
      if (out.content_type.len == 0) return {};
      if (out.content_type_len != out.content_type.len || out.charset.len == 0) {
        return View(out.content_type);
      }
      std::string whole(View(out.content_type));
      whole.append("; charset=").append(View(out.charset));
      return View(Copy(r_->pool, whole));
    }
    case kContentLength:
      if (out.content_length_n < 0) return {};
      return Digits(length_, sizeof length_, out.content_length_n);
    case kLastModified: {
      if (out.last_modified != nullptr || out.last_modified_time == -1) return {};
      const u_char* end = ngx_http_time(modified_, out.last_modified_time);
      return {reinterpret_cast<const char*>(modified_), static_cast<size_t>(end - modified_)};
    }
  }
  return {};
}

size_t ResponseHeaders::Find(std::string_view name, std::string_view* out, size_t max) const {
  if (!name.empty() && name[0] == ':') {
    if (name != ":status") return 0;
    if (max > 0) out[0] = Digits(status_, sizeof status_, static_cast<int64_t>(r_->headers_out.status));
    return 1;
  }
  size_t count = 0;
  for (size_t row = 0; row < std::size(kSynthesized); row++) {
    if (kSynthesized[row] != name) continue;
    const std::string_view value = Synthesized(row);
    if (value.data() == nullptr) break;
    if (max > 0) out[0] = value;
    return 1;
  }
  ForEachElement(r_->headers_out.headers, [&](const ngx_table_elt_t& header) {
    if (!Is(header, name)) return true;
    if (count < max) out[count] = View(header.value);
    count++;
    return true;
  });
  return count;
}

void ResponseHeaders::ForEach(Visitor& visitor) const {
  if (!visitor.OnHeader(":status", Digits(status_, sizeof status_,
                                          static_cast<int64_t>(r_->headers_out.status)))) {
    return;
  }
  for (size_t row = 0; row < std::size(kSynthesized); row++) {
    const std::string_view value = Synthesized(row);
    if (value.data() != nullptr && !visitor.OnHeader(kSynthesized[row], value)) return;
  }
  std::string name;
  ForEachElement(r_->headers_out.headers, [&](const ngx_table_elt_t& header) {
    // An upstream's Content-Length is in the list too; its number above is what will be sent.
    if (header.hash == 0 || Is(header, "content-length")) return true;
    name.assign(View(header.key));
    for (char& c : name) c = Lower(c);
    return visitor.OnHeader(name, View(header.value));
  });
}

size_t ResponseHeaders::size() const {
  size_t count = 1;
  for (size_t row = 0; row < std::size(kSynthesized); row++) {
    if (Synthesized(row).data() != nullptr) count++;
  }
  ForEachElement(r_->headers_out.headers, [&](const ngx_table_elt_t& header) {
    if (header.hash != 0 && !Is(header, "content-length")) count++;
    return true;
  });
  return count;
}

bool ResponseHeaders::SetStatus(std::string_view status) {
  ngx_uint_t value = 0;
  const auto [end, error] = std::from_chars(status.data(), status.data() + status.size(), value);
  if (error != std::errc() || end != status.data() + status.size() || value < 200 || value > 599) {
    return false;
  }
  r_->headers_out.status = value;
  r_->headers_out.status_line = {0, nullptr};
  return true;
}

bool ResponseHeaders::SetContentType(std::string_view value) {
  const ngx_str_t copy = Copy(r_->pool, value);
  if (copy.data == nullptr) return false;
  ngx_http_headers_out_t& out = r_->headers_out;
  // With its charset in it, as nginx keeps a type that came with one: the charset filter leaves it alone.
  size_t type = value.find(';');
  if (type == value.npos) type = value.size();
  while (type > 0 && value[type - 1] == ' ') type--;
  out.content_type = copy;
  out.content_type_len = type;
  out.content_type_lowcase = nullptr;
  out.content_type_hash = 0;
  out.charset = {0, nullptr};
  return true;
}

bool ResponseHeaders::Append(std::string_view name, std::string_view value) {
  ngx_table_elt_t* header = PushHeader(&r_->headers_out.headers, r_->pool, name, value);
  if (header == nullptr) return false;
  header->hash = 1;
  // "location" stays out: through its pointer nginx would make a relative one absolute.
  if (name == "location") return true;
  if (ngx_table_elt_t** pointer = PointerTo(r_->headers_out, name)) *pointer = header;
  return true;
}

bool ResponseHeaders::Add(std::string_view name, std::string_view value) {
  if (name == ":status") return SetStatus(value);
  if (name.empty() || name[0] == ':') return false;
  if (IsFraming(name)) return true;
  if (name == "content-type") return SetContentType(value);
  if (PointerTo(r_->headers_out, name) != nullptr && name != "www-authenticate") {
    Erase(name);  // a response has it once
  }
  return Append(name, value);
}

bool ResponseHeaders::Replace(std::string_view name, std::string_view value) {
  if (name.empty() || name[0] == ':' || IsFraming(name) || name == "content-type") {
    return Add(name, value);
  }
  Erase(name);
  return Append(name, value);
}

/// Marked with hash 0, which every writer of headers skips.
void ResponseHeaders::Erase(std::string_view name) {
  ForEachElement(r_->headers_out.headers, [&](ngx_table_elt_t& header) {
    if (Is(header, name)) header.hash = 0;
    return true;
  });
  if (ngx_table_elt_t** pointer = PointerTo(r_->headers_out, name)) *pointer = nullptr;
  if (name == "last-modified") r_->headers_out.last_modified_time = -1;
  if (name == "accept-ranges") r_->allow_ranges = 0;
}

bool ResponseHeaders::Remove(std::string_view name) {
  if (name.empty() || name[0] == ':') return false;
  if (name == "content-length") {
    ngx_http_clear_content_length(r_);
    return true;
  }
  if (IsFraming(name)) return true;
  if (name == "content-type") {
    r_->headers_out.content_type = {0, nullptr};
    r_->headers_out.content_type_len = 0;
    r_->headers_out.charset = {0, nullptr};
    return true;
  }
  Erase(name);
  // nginx adds its own unless the pointer is set: let it point at a dead element.
  if (name == "server" || name == "date") {
    ngx_table_elt_t* dead = PushHeader(&r_->headers_out.headers, r_->pool, name, "");
    if (dead == nullptr) return false;
    dead->hash = 0;
    *PointerTo(r_->headers_out, name) = dead;
  }
  return true;
}

}  // namespace weir::nginx
