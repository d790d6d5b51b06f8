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

SnapshotProperties::SnapshotProperties(Stream& stream) : custom_(stream.custom_properties()) {
  for (const PropertyRow& row : kProperties) {
    if (row.from != PropertyFrom::kEmbedder && row.from != PropertyFrom::kRequestId) continue;
    if (auto value = stream.property(row.property)) values_.emplace(row.property, std::move(*value));
  }
}

std::optional<PropertyValue> SnapshotProperties::Get(Property property) const {
  auto at = values_.find(property);
  if (at == values_.end()) return std::nullopt;
  return at->second;
}

std::optional<std::string> SnapshotProperties::GetCustom(std::string_view path) const {
  for (const auto& [key, value] : custom_)
    if (key == path) return value;
  return std::nullopt;
}

SnapshotStream::SnapshotStream(HttpStream& stream) : properties_(stream) {
  for (size_t i = 0; i < kHeaderMapKinds; ++i) {
    if (HeaderMap* map = stream.headers(HeaderMapKind(i))) maps_[i].emplace(*map);
  }
}

HeaderMap* SnapshotStream::headers(HeaderMapKind kind) {
  auto& map = maps_[size_t(kind)];
  return map ? &*map : nullptr;
}

}  // namespace weir::proxy_wasm
