#include "capi/handles.h"

#include <cstdlib>
#include <cstring>

namespace weir::capi {

std::optional<std::string_view> Bytes(const uint8_t* data, ExtismSize bytes) {
  if (data == nullptr) return std::string_view();
  if (bytes > static_cast<ExtismSize>(PTRDIFF_MAX)) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(data), bytes);
}

void TellError(char** errmsg, std::string_view message) {
  if (errmsg == nullptr) return;
  *errmsg = static_cast<char*>(std::malloc(message.size() + 1));
  if (*errmsg == nullptr) return;
  std::memcpy(*errmsg, message.data(), message.size());
  (*errmsg)[message.size()] = '\0';
}

}  // namespace weir::capi
