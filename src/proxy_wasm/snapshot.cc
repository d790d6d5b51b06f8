#include "proxy_wasm/snapshot.h"

namespace weir::proxy_wasm {

SnapshotMap::SnapshotMap(const HeaderMap& map) {
  struct Copy final : Visitor {
    explicit Copy(HeaderList& to) : list(to) {}
    bool OnHeader(std::string_view name, std::string_view value) override {
      list.emplace_back(name, value);
      return true;
    }
    HeaderList& list;
  } copy(list_);
  map.ForEach(copy);
}

size_t SnapshotMap::Find(std::string_view name, std::string_view* out, size_t max) const {
  size_t found = 0;
  for (const auto& [key, value] : list_) {
    if (key != name) continue;
    if (found < max) out[found] = value;
    ++found;
  }
  return found;
}

void SnapshotMap::ForEach(Visitor& visitor) const {
  for (const auto& [key, value] : list_)
    if (!visitor.OnHeader(key, value)) return;
}

SnapshotStream::SnapshotStream(HttpStream& stream) : custom_(stream.custom_properties()) {
  for (size_t i = 0; i < kHeaderMapKinds; ++i) {
    if (HeaderMap* map = stream.headers(HeaderMapKind(i))) maps_[i].emplace(*map);
  }
  for (const PropertyRow& row : kProperties) {
    if (row.from != PropertyFrom::kEmbedder && row.from != PropertyFrom::kRequestId) continue;
    if (auto value = stream.property(row.property)) properties_.emplace(row.property, std::move(*value));
  }
}

HeaderMap* SnapshotStream::headers(HeaderMapKind kind) {
  auto& map = maps_[size_t(kind)];
  return map ? &*map : nullptr;
}

std::optional<std::string> SnapshotStream::custom_property(std::string_view path) {
  for (const auto& [key, value] : custom_)
    if (key == path) return value;
  return std::nullopt;
}

std::optional<PropertyValue> SnapshotStream::property(Property property) {
  auto at = properties_.find(property);
  if (at == properties_.end()) return std::nullopt;
  return at->second;
}

}  // namespace weir::proxy_wasm
