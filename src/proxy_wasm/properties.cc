#include "proxy_wasm/properties.h"

#include <algorithm>
#include <cstring>

namespace weir::proxy_wasm {
namespace {

using Kind = PropertyPath::Kind;

struct FixedPath {
  std::string_view path;
  Kind kind;
  HeaderMapKind map = HeaderMapKind::kRequestHeaders;
  std::string_view header = {};
};
constexpr FixedPath kFixed[] = {
    {"request.path", Kind::kHeader, HeaderMapKind::kRequestHeaders, ":path"},
    {"request.host", Kind::kHeader, HeaderMapKind::kRequestHeaders, ":authority"},
    {"request.method", Kind::kHeader, HeaderMapKind::kRequestHeaders, ":method"},
    {"request.scheme", Kind::kHeader, HeaderMapKind::kRequestHeaders, ":scheme"},
    {"request.useragent", Kind::kHeader, HeaderMapKind::kRequestHeaders, "user-agent"},
    {"request.referer", Kind::kHeader, HeaderMapKind::kRequestHeaders, "referer"},
    {"request.url_path", Kind::kUrlPath},
    {"request.query", Kind::kQuery},
    {"request.headers", Kind::kMap, HeaderMapKind::kRequestHeaders},
    {"request.trailers", Kind::kMap, HeaderMapKind::kRequestTrailers},
    {"response.headers", Kind::kMap, HeaderMapKind::kResponseHeaders},
    {"response.trailers", Kind::kMap, HeaderMapKind::kResponseTrailers},
    {"plugin_name", Kind::kPluginName},
    {"plugin_root_id", Kind::kPluginRootId},
    {"plugin_vm_id", Kind::kPluginVmId},
    {"request", Kind::kMessage},
    {"response", Kind::kMessage},
    {"connection", Kind::kMessage},
    {"source", Kind::kMessage},
    {"destination", Kind::kMessage},
    {"upstream", Kind::kMessage},
};

}  // namespace

PropertyPath ParsePropertyPath(std::string_view path) {
  PropertyPath result;
  result.name.assign(path);
  std::replace(result.name.begin(), result.name.end(), '\0', '.');
  if (result.name.ends_with('.')) result.name.pop_back();
  for (const FixedPath& row : kFixed) {
    const std::string_view name = result.name;
    if (name == row.path) {
      result.kind = row.kind;
      result.map = row.map;
      result.name.assign(row.header);
      return result;
    }
    if (row.kind == Kind::kMap && name.size() > row.path.size() + 1 && name.starts_with(row.path) &&
        name[row.path.size()] == '.') {
      result.kind = Kind::kHeader;
      result.map = row.map;
      result.name.erase(0, row.path.size() + 1);
      for (char& c : result.name)
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
      return result;
    }
  }
  for (const PropertyRow& row : kProperties) {
    if (result.name != row.path) continue;
    result.kind = Kind::kEmbedder;
    result.property = row.property;
    return result;
  }
  return result;
}

std::string EncodeProperty(const PropertyValue& value) {
  if (auto* bytes = std::get_if<std::string>(&value)) return *bytes;
  if (auto* flag = std::get_if<bool>(&value)) return std::string(1, *flag ? '\1' : '\0');
  std::string bytes(sizeof(int64_t), '\0');
  std::memcpy(bytes.data(), std::get_if<int64_t>(&value), sizeof(int64_t));  // little-endian, as this machine is
  return bytes;
}

}  // namespace weir::proxy_wasm
