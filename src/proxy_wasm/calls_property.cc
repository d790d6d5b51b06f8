// Properties: who answers each path is said by the table (include/weir/property.h).
#include <charconv>

#include "proxy_wasm/context.h"
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/properties.h"

namespace weir::proxy_wasm {
namespace {

constexpr std::string_view kUnknown = "no such property here";
constexpr std::string_view kNoStream = "there is no stream in the effective context";
constexpr size_t kPathMax = 4096;  // bytes; longer than any header name that a proxy takes

HeaderMapKind MapOf(PropertyFrom from) {
  return HeaderMapKind(uint8_t(from) - uint8_t(PropertyFrom::kRequestHeaders));
}
static_assert(uint8_t(PropertyFrom::kResponseTrailers) - uint8_t(PropertyFrom::kRequestHeaders) ==
              uint8_t(HeaderMapKind::kResponseTrailers));

std::string_view HeaderOf(PropertyFrom from) {
  switch (from) {
    case PropertyFrom::kHost: return ":authority";
    case PropertyFrom::kScheme: return ":scheme";
    case PropertyFrom::kMethod: return ":method";
    case PropertyFrom::kReferer: return "referer";
    case PropertyFrom::kUseragent: return "user-agent";
    default: return ":path";
  }
}

/// What Envoy calls the byte size of a map.
int64_t NamesAndValues(const HeaderMap& map) {
  struct Sum final : HeaderMap::Visitor {
    bool OnHeader(std::string_view name, std::string_view value) override {
      bytes += name.size() + value.size();
      return true;
    }
    size_t bytes = 0;
  } sum;
  map.ForEach(sum);
  return int64_t(sum.bytes);
}

std::optional<int64_t> GrpcStatusOf(HttpStream& stream) {
  for (HeaderMapKind kind : {HeaderMapKind::kResponseTrailers, HeaderMapKind::kResponseHeaders}) {
    const HeaderMap* map = stream.headers(kind);
    std::string_view text;
    if (map == nullptr || map->Find("grpc-status", &text, 1) == 0) continue;
    int64_t status = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
    if (error == std::errc() && end == text.data() + text.size()) return status;
  }
  return std::nullopt;
}

/// nullopt: there is none of that name.
std::optional<std::string_view> MetadataOf(const Node& node, std::string_view name) {
  for (const auto& [key, value] : node.metadata)
    if (key == name) return value;
  return std::nullopt;
}

}  // namespace

Answer<std::string_view> HostCalls::PropertyOrNone(std::string_view value, std::string_view path) {
  if (value.empty()) return Refuse(Status::kNotFound, kUnknown, path);
  return value;
}

Answer<std::string_view> HostCalls::Encoded(std::optional<PropertyValue> value, std::string_view path) {
  if (!value) return Refuse(Status::kNotFound, kUnknown, path);
  scratch_ = EncodeProperty(*value);
  return std::string_view(scratch_);
}

/// What the operator said of this node, and what does not change: the plugin context may ask too. nullopt: another row.
std::optional<Answer<std::string_view>> HostCalls::PluginProperty(PropertyFrom from, std::string_view name, std::string_view path) {
  const Node& node = core_->spec.node;
  switch (from) {
    case PropertyFrom::kPluginName: return std::string_view(core_->spec.name);
    case PropertyFrom::kPluginRootId: return std::string_view(core_->spec.root_id);
    case PropertyFrom::kPluginVmId: return core_->space();
    case PropertyFrom::kInbound: return Encoded(PropertyValue(int64_t(1)), path);
    case PropertyFrom::kNode: scratch_ = EncodeNode(node); return PropertyOrNone(scratch_, path);
    case PropertyFrom::kNodeLocality: scratch_ = EncodeLocality(node); return PropertyOrNone(scratch_, path);
    case PropertyFrom::kNodeId: return PropertyOrNone(node.id, path);
    case PropertyFrom::kNodeCluster: return PropertyOrNone(node.cluster, path);
    case PropertyFrom::kNodeRegion: return PropertyOrNone(node.region, path);
    case PropertyFrom::kNodeZone: return PropertyOrNone(node.zone, path);
    case PropertyFrom::kNodeSubZone: return PropertyOrNone(node.sub_zone, path);
    case PropertyFrom::kNodeMetadata: {
      if (name.empty()) {
        if (node.metadata.empty()) return Answer<std::string_view>(Refuse(Status::kNotFound, kUnknown, path));
        SerializePairs(node.metadata, &scratch_);
        return std::string_view(scratch_);
      }
      const auto value = MetadataOf(node, name);
      if (!value) return Answer<std::string_view>(Refuse(Status::kNotFound, kUnknown, path));
      return *value;
    }
    case PropertyFrom::kWhole:
      return Answer<std::string_view>(Refuse(Status::kSerializationFailure, "a whole message has no serialization here", path));
    case PropertyFrom::kNobody: return Answer<std::string_view>(Refuse(Status::kNotFound, kUnknown, path));
    default: return std::nullopt;
  }
}

Answer<std::string_view> HostCalls::MapProperty(HttpStream& s, HeaderMapKind kind, std::string_view name, std::string_view path) {
  const HeaderMap* map = s.headers(kind);
  if (map == nullptr || (!name.empty() && map->Find(name, nullptr, 0) == 0)) return Refuse(Status::kNotFound, kUnknown, path);
  if (!name.empty()) return Header(*map, name);
  SerializePairs(*map, &scratch_);
  return std::string_view(scratch_);
}

Answer<std::string_view> HostCalls::UrlProperty(HttpStream& s, PropertyFrom from, std::string_view path) {
  const HeaderMap* map = s.headers(HeaderMapKind::kRequestHeaders);
  std::string_view url;
  if (map == nullptr || map->Find(":path", &url, 1) == 0) return Refuse(Status::kNotFound, kUnknown, path);
  const size_t mark = std::min(url.find('?'), url.size());
  if (from == PropertyFrom::kUrlPath) return url.substr(0, mark);
  const std::string_view query = url.substr(std::min(mark + 1, url.size()));
  return query.substr(0, std::min(query.find('#'), query.size()));
}

Answer<std::string_view> HostCalls::StreamProperty(HttpStream& s, const PropertyRow& row, std::string_view name, std::string_view path) {
  switch (row.from) {
    case PropertyFrom::kRequestId: {
      const HeaderMap* map = s.headers(HeaderMapKind::kRequestHeaders);
      std::string_view id;
      if (map != nullptr && map->Find("x-request-id", &id, 1) > 0) return id;
      return Encoded(s.property(row.property), path);
    }
    case PropertyFrom::kRequestHeaders:
    case PropertyFrom::kRequestTrailers:
    case PropertyFrom::kResponseHeaders:
    case PropertyFrom::kResponseTrailers: return MapProperty(s, MapOf(row.from), name, path);
    case PropertyFrom::kRequestHeaderBytes:
    case PropertyFrom::kResponseHeaderBytes: {
      const bool request = row.from == PropertyFrom::kRequestHeaderBytes;
      const HeaderMap* map = s.headers(request ? HeaderMapKind::kRequestHeaders : HeaderMapKind::kResponseHeaders);
      return Encoded(map == nullptr ? std::nullopt : std::optional<PropertyValue>(NamesAndValues(*map)), path);
    }
    case PropertyFrom::kUrlPath:
    case PropertyFrom::kQuery: return UrlProperty(s, row.from, path);
    case PropertyFrom::kGrpcStatus: return Encoded(GrpcStatusOf(s), path);
    default: return MapProperty(s, HeaderMapKind::kRequestHeaders, HeaderOf(row.from), path);
  }
}

Answer<std::string_view> HostCalls::GetProperty(std::string_view bytes) {
  if (bytes.size() > kPathMax) return LongPath("proxy_get_property", bytes.size());
  const PropertyPath path = ParsePropertyPath(bytes);
  if (path.row != nullptr) {
    if (auto answer = PluginProperty(path.row->from, path.name, bytes)) return *answer;
    const bool empty = path.row->from == PropertyFrom::kEmptyMessage;
    if (empty && (path.row->when == PropertyWhen::kAlways || any_stream() != nullptr)) return std::string_view();
  }
  Stream* any = any_stream();
  if (any == nullptr) return Refuse(Status::kNotFound, kNoStream, bytes);
  if (path.row != nullptr && path.row->from == PropertyFrom::kEmbedder) return Encoded(any->property(path.row->property), bytes);
  if (path.row != nullptr && stream() == nullptr) return Refuse(Status::kNotFound, "a TCP connection has no request", bytes);
  if (path.row != nullptr) return StreamProperty(*stream(), *path.row, path.name, bytes);
  auto value = any->custom_property(path.name);
  if (!value) return Refuse(Status::kNotFound, kUnknown, bytes);
  scratch_ = std::move(*value);
  return std::string_view(scratch_);
}

Status HostCalls::SetProperty(std::string_view bytes, std::string_view value) {
  if (bytes.size() > kPathMax) return LongPath("proxy_set_property", bytes.size());
  const PropertyPath path = ParsePropertyPath(bytes);
  if (path.row != nullptr) return Refuse(Status::kNotFound, "that property is read-only", bytes);
  if (any_stream() == nullptr) return Refuse(Status::kNotFound, kNoStream, bytes);
  if (!any_stream()->SetCustomProperty(path.name, value)) return Refuse(Status::kNotFound, "the host does not take that property", bytes);
  return Status::kOk;
}

/// Nothing of the path is copied or looked at.
Status HostCalls::LongPath(std::string_view call, size_t bytes) {
  core_->LogOnce(call, LogLevel::kWarn, std::string(call) + " with a path of " + std::to_string(bytes) + " bytes: NOT_FOUND, since a path has at most " +
                                           std::to_string(kPathMax) + " (said once)");
  return Refuse(Status::kNotFound, "a path of that length is no property");
}

}  // namespace weir::proxy_wasm
