// A stream that is gone, as a context that waits for proxy_done may still read it.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "weir/http.h"
#include "weir/tcp.h"

namespace weir::proxy_wasm {

/// Read only: a copy, or what came with the answer to a call.
class SnapshotMap final : public HeaderMap {
 public:
  explicit SnapshotMap(const HeaderMap& map);
  explicit SnapshotMap(HeaderList list) : list_(std::move(list)) {}
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override;
  void ForEach(Visitor& visitor) const override;
  size_t size() const override { return list_.size(); }
  bool Add(std::string_view, std::string_view) override { return false; }
  bool Replace(std::string_view, std::string_view) override { return false; }
  bool Remove(std::string_view) override { return false; }

 private:
  HeaderList list_;
};

class SnapshotProperties {
 public:
  explicit SnapshotProperties(Stream& stream);
  std::optional<PropertyValue> Get(Property property) const;
  std::optional<std::string> GetCustom(std::string_view path) const;
  const HeaderList& custom() const { return custom_; }

 private:
  std::map<Property, PropertyValue> values_;
  HeaderList custom_;
};

class SnapshotStream final : public HttpStream {
 public:
  explicit SnapshotStream(HttpStream& stream);
  HeaderMap* headers(HeaderMapKind kind) override;
  bool headers_writable(HeaderMapKind) override { return false; }
  std::optional<std::string_view> body(Direction) override { return std::nullopt; }
  bool ReplaceBody(Direction, size_t, size_t, std::string_view) override { return false; }
  void Resume(Direction) override {}
  bool SendLocalResponse(LocalResponse) override { return false; }
  void Reset(Direction) override {}
  std::optional<PropertyValue> property(Property property) override { return properties_.Get(property); }
  std::optional<std::string> custom_property(std::string_view path) override { return properties_.GetCustom(path); }
  HeaderList custom_properties() override { return properties_.custom(); }
  bool SetCustomProperty(std::string_view, std::string_view) override { return false; }
  void ClearRouteCache() override {}
  void Fail() override {}

 private:
  std::optional<SnapshotMap> maps_[kHeaderMapKinds];
  SnapshotProperties properties_;
};

class SnapshotTcp final : public TcpStream {
 public:
  explicit SnapshotTcp(TcpStream& stream) : properties_(stream) {}
  std::optional<std::string_view> data(TcpSide) override { return std::nullopt; }
  bool ReplaceData(TcpSide, size_t, size_t, std::string_view) override { return false; }
  void Resume(TcpSide) override {}
  void Close(TcpSide) override {}
  std::optional<PropertyValue> property(Property property) override { return properties_.Get(property); }
  std::optional<std::string> custom_property(std::string_view path) override { return properties_.GetCustom(path); }
  HeaderList custom_properties() override { return properties_.custom(); }
  bool SetCustomProperty(std::string_view, std::string_view) override { return false; }
  void Fail() override {}

 private:
  SnapshotProperties properties_;
};

}  // namespace weir::proxy_wasm
