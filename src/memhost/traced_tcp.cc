#include "memhost/traced_tcp.h"

namespace weir {
namespace {

constexpr std::string_view kStatuses[] = {"continue", "pause", "failed"};
constexpr std::string_view kPeers[] = {"unknown", "local", "remote"};
std::string Name(TcpSide side) { return side == TcpSide::kDownstream ? "downstream" : "upstream"; }

class TracedTcpStream final : public TcpStream {
 public:
  TracedTcpStream(TcpStream& stream, MemoryHost& world, std::string plugin)
      : stream_(stream), world_(world), plugin_(std::move(plugin)) {}
  std::optional<std::string_view> data(TcpSide side) override { return stream_.data(side); }
  bool ReplaceData(TcpSide side, size_t start, size_t size, std::string_view bytes) override {
    const bool ok = stream_.ReplaceData(side, start, size, bytes);
    Note(Name(side) + "_data replace " + std::to_string(start) + "+" + std::to_string(size) + " by " +
         std::to_string(bytes.size()) + " bytes" + (ok ? "" : " (refused)"));
    return ok;
  }
  void Resume(TcpSide side) override {
    Note("resume " + Name(side));
    stream_.Resume(side);
  }
  void Close(TcpSide side) override {
    Note("close " + Name(side));
    stream_.Close(side);
  }
  std::optional<PropertyValue> property(Property property) override { return stream_.property(property); }
  std::optional<std::string> custom_property(std::string_view path) override { return stream_.custom_property(path); }
  HeaderList custom_properties() override { return stream_.custom_properties(); }
  bool SetCustomProperty(std::string_view path, std::string_view value) override {
    const bool ok = stream_.SetCustomProperty(path, value);
    Note("property " + std::string(path) + " = " + std::string(value) + (ok ? "" : " (refused)"));
    return ok;
  }
  void Fail() override {
    Note("fail");
    stream_.Fail();
  }
  void Note(std::string text) { world_.Note(plugin_ + " " + text); }

 private:
  TcpStream& stream_;
  MemoryHost& world_;
  std::string plugin_;
};

class TracedTcpFilter final : public TcpFilter {
 public:
  TracedTcpFilter(Plugin& plugin, TcpStream& stream, MemoryHost& world) : stream_(stream, world, plugin.spec().name) {
    filter_ = plugin.NewTcpFilter(stream_);
  }
  bool up() const { return filter_ != nullptr; }
  FilterStatus OnNewConnection() override { return Done("on_new_connection", filter_->OnNewConnection()); }
  FilterStatus OnData(TcpSide side, size_t bytes, EndOfStream end) override {
    const FilterStatus status = filter_->OnData(side, bytes, end);
    return Done("on_" + Name(side) + "_data " + std::to_string(bytes) + (end == EndOfStream::kYes ? " end" : ""), status);
  }
  void OnClose(TcpSide side, PeerType peer) override {
    stream_.Note("on_" + Name(side) + "_connection_close " + std::string(kPeers[static_cast<size_t>(peer)]));
    filter_->OnClose(side, peer);
  }
  bool ignores_data(TcpSide side) const override { return filter_->ignores_data(side); }
  void OnFinish() override {
    stream_.Note("finish");
    filter_->OnFinish();
  }

 private:
  FilterStatus Done(std::string event, FilterStatus status) {
    stream_.Note(event.append(" -> ").append(kStatuses[static_cast<size_t>(status)]));
    return status;
  }
  TracedTcpStream stream_;  // outlives the filter
  std::unique_ptr<TcpFilter> filter_;
};

}  // namespace

std::unique_ptr<TcpFilter> NewTracedTcpFilter(Plugin& plugin, TcpStream& stream, MemoryHost& world) {
  auto filter = std::make_unique<TracedTcpFilter>(plugin, stream, world);
  if (!filter->up()) return nullptr;
  return filter;
}

}  // namespace weir
