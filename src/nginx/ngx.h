// nginx's C headers for C++, and the few views and copies that everything here needs.
//
// C++ headers come first: nginx's headers pull libc's in, and libstdc++'s wrappers must not be seen for the first time inside
// extern "C". Some of nginx's macros are several statements: always brace them.
#pragma once

#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
}

extern "C" ngx_module_t ngx_http_weir_module;

namespace weir::nginx {

inline std::string_view View(const ngx_str_t& text) {
  return {reinterpret_cast<const char*>(text.data), text.len};
}
inline u_char* Bytes(std::string_view text) {
  return reinterpret_cast<u_char*>(const_cast<char*>(text.data()));
}
/// Borrows: `text` outlives the result.
inline ngx_str_t Borrow(std::string_view text) { return {text.size(), Bytes(text)}; }

/// A copy in the pool, with a NUL behind it. data is null: out of memory.
inline ngx_str_t Copy(ngx_pool_t* pool, std::string_view text) {
  auto* data = static_cast<u_char*>(ngx_pnalloc(pool, text.size() + 1));
  if (data == nullptr) return {0, nullptr};
  text.copy(reinterpret_cast<char*>(data), text.size());
  data[text.size()] = 0;
  return {text.size(), data};
}

inline char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
/// `lower` is in lower case already.
inline bool EqualsLower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); i++) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

/// Each element of one of nginx's lists, until `visit` answers false.
template <class Visit>
void ForEachElement(const ngx_list_t& list, Visit visit) {
  for (const ngx_list_part_t* part = &list.part; part != nullptr; part = part->next) {
    auto* elements = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; i++) {
      if (!visit(elements[i])) return;
    }
  }
}

/// A new element with key and value copied and a lower-case key. Null: out of memory.
inline ngx_table_elt_t* PushHeader(ngx_list_t* list, ngx_pool_t* pool, std::string_view name,
                                   std::string_view value) {
  const ngx_str_t key = Copy(pool, name);
  const ngx_str_t copy = Copy(pool, value);
  auto* lower = static_cast<u_char*>(ngx_pnalloc(pool, name.size() + 1));
  if (key.data == nullptr || copy.data == nullptr || lower == nullptr) return nullptr;
  auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(list));
  if (header == nullptr) return nullptr;
  std::memset(header, 0, sizeof *header);
  header->key = key;
  header->value = copy;
  header->lowcase_key = lower;
  header->hash = ngx_hash_strlow(lower, key.data, key.len);
  return header;
}

}  // namespace weir::nginx
