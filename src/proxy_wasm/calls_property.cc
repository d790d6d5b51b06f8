// Properties.
#include "proxy_wasm/context.h"
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/properties.h"

namespace weir::proxy_wasm {
namespace {
constexpr std::string_view kUnknown = "no such property here";
constexpr size_t kPathMax = 4096;  // bytes; longer than any header name that a proxy takes
}  // namespace

Answer<std::string_view> HostCalls::GetProperty(std::string_view bytes) {
  if (bytes.size() > kPathMax) return Refuse(Status::kNotFound, "a path of that length is no property");
  const PropertyPath path = ParsePropertyPath(bytes);
  using Kind = PropertyPath::Kind;
  if (path.kind == Kind::kPluginName) return std::string_view(core_.spec.name);
  if (path.kind == Kind::kPluginRootId) return std::string_view(core_.spec.root_id);
  if (path.kind == Kind::kPluginVmId) return core_.space();
  if (path.kind == Kind::kMessage) return Refuse(Status::kSerializationFailure, "a whole message has no serialization here", bytes);
  Stream* any = any_stream();
  if (any == nullptr) return Refuse(Status::kNotFound, "there is no stream in the effective context", bytes);
  HttpStream* s = stream();
  if (s == nullptr && path.kind != Kind::kEmbedder && path.kind != Kind::kCustom)
    return Refuse(Status::kNotFound, "a TCP connection has no request", bytes);
  switch (path.kind) {
    case Kind::kEmbedder: {
      auto value = any->property(path.property);
      if (!value) return Refuse(Status::kNotFound, kUnknown, bytes);
      scratch_ = EncodeProperty(*value);
      return std::string_view(scratch_);
    }
    case Kind::kMap: {
      const HeaderMap* map = s->headers(path.map);
      if (map == nullptr) return Refuse(Status::kNotFound, kUnknown, bytes);
      SerializePairs(*map, &scratch_);
      return std::string_view(scratch_);
    }
    case Kind::kHeader: {
      const HeaderMap* map = s->headers(path.map);
      if (map == nullptr) return Refuse(Status::kNotFound, kUnknown, bytes);
      return Header(*map, path.name);
    }
    case Kind::kUrlPath:
    case Kind::kQuery: {
      const HeaderMap* map = s->headers(HeaderMapKind::kRequestHeaders);
      std::string_view url;
      if (map == nullptr || map->Find(":path", &url, 1) == 0) return Refuse(Status::kNotFound, kUnknown, bytes);
      const size_t mark = std::min(url.find('?'), url.size());
      if (path.kind == Kind::kUrlPath) return url.substr(0, mark);
      const std::string_view query = url.substr(std::min(mark + 1, url.size()));
      return query.substr(0, std::min(query.find('#'), query.size()));
    }
    default: break;
  }
  auto value = any->custom_property(path.name);
  if (!value) return Refuse(Status::kNotFound, kUnknown, bytes);
  scratch_ = std::move(*value);
  return std::string_view(scratch_);
}

Status HostCalls::SetProperty(std::string_view bytes, std::string_view value) {
  if (bytes.size() > kPathMax) return Refuse(Status::kNotFound, "a path of that length is no property");
  const PropertyPath path = ParsePropertyPath(bytes);
  if (path.kind != PropertyPath::Kind::kCustom) return Refuse(Status::kNotFound, "that property is read-only", bytes);
  if (any_stream() == nullptr) return Refuse(Status::kNotFound, "there is no stream in the effective context", bytes);
  if (!any_stream()->SetCustomProperty(path.name, value)) return Refuse(Status::kNotFound, "the host does not take that property", bytes);
  return Status::kOk;
}

}  // namespace weir::proxy_wasm
