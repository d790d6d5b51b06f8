#include "nginx/response_trailers.h"

namespace weir::nginx {
namespace {

/// Marks elements that a plugin added; nginx's own hashes of names are larger. 0 is an element that nobody sends.
constexpr ngx_uint_t kOurs = 1;

bool Is(const ngx_table_elt_t& trailer, std::string_view name) {
  return trailer.hash != 0 && EqualsLower(View(trailer.key), name);
}

}  // namespace

size_t ResponseTrailers::Find(std::string_view name, std::string_view* out, size_t max) const {
  size_t count = 0;
  ForEachElement(r_->headers_out.trailers, [&](const ngx_table_elt_t& trailer) {
    if (!Is(trailer, name)) return true;
    if (count < max) out[count] = View(trailer.value);
    count++;
    return true;
  });
  return count;
}

void ResponseTrailers::ForEach(Visitor& visitor) const {
  std::string name;
  ForEachElement(r_->headers_out.trailers, [&](const ngx_table_elt_t& trailer) {
    if (trailer.hash == 0) return true;
    name.assign(View(trailer.key));
    for (char& c : name) c = Lower(c);
    return visitor.OnHeader(name, View(trailer.value));
  });
}

size_t ResponseTrailers::size() const {
  size_t count = 0;
  ForEachElement(r_->headers_out.trailers, [&](const ngx_table_elt_t& trailer) {
    if (trailer.hash != 0) count++;
    return true;
  });
  return count;
}

bool ResponseTrailers::Add(std::string_view name, std::string_view value) {
  if (name.empty() || name[0] == ':') return false;
  ngx_table_elt_t* trailer = PushHeader(&r_->headers_out.trailers, r_->pool, name, value);
  if (trailer == nullptr) return false;
  trailer->hash = kOurs;
  return true;
}

bool ResponseTrailers::Replace(std::string_view name, std::string_view value) { return Remove(name) && Add(name, value); }

bool ResponseTrailers::Remove(std::string_view name) {
  if (name.empty() || name[0] == ':') return false;
  ForEachElement(r_->headers_out.trailers, [&](ngx_table_elt_t& trailer) {
    if (Is(trailer, name)) trailer.hash = 0;
    return true;
  });
  return true;
}

void ResponseTrailers::DropUpstreams() {
  ForEachElement(r_->headers_out.trailers, [&](ngx_table_elt_t& trailer) {
    if (trailer.hash != kOurs) trailer.hash = 0;
    return true;
  });
}

}  // namespace weir::nginx
