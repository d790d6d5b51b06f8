// The plugins of one TCP connection in order: who is asked when, who holds what, what comes out. One for both embedders.
//
//   embedder ── OnNewConnection, OnData … ──► TcpChain ──► filter 0 ──► filter 1 ──► …   (upstream's bytes: last filter first)
//            ◄── TcpVerdict, DataOut ────────          ◄── slot 0  ◄── slot 1          (a slot is that filter's TcpStream)
//
// A filter that pauses holds its side: bytes that reach it wait in its gate, shown again with each further chunk as one total,
// until it answers kContinue or is resumed; the chain goes on from there. What comes from the client while a filter has paused in
// OnNewConnection waits unseen until that is resumed (HeaderPause::kStream), or is shown, and kContinue to it lets the connection go
// on too (kHeadersOnly, as in Envoy). Filters behind it hear of the connection when it reaches them, and of bytes only afterwards.
//
// Back-pressure: once a gate holds Limits::body_bytes, full(side) says so, and the embedder reads no more from that side until it
// is resumed. A filter that only waits for more bytes would wait for ever: after Limits::full_ms the embedder calls OnHeldTooLong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/chain_parts.h"
#include "weir/plugin.h"
#include "weir/tcp.h"

namespace weir {

enum class TcpVerdict : uint8_t {
  kContinue,  ///< forward what DataOut says (and connect the backend, if the new connection passed)
  kPause,     ///< nothing leaves now; TcpExchange::Wake will ask for Continue
  kClose,     ///< forward what DataOut says, then end the connection
};

/// What leaves the chain after an event. Give a fresh one to each event.
struct DataOut {
  bool unchanged = false;  ///< forward the chunk that was given, as it is (nothing was held before it)
  std::string bytes;       ///< otherwise forward these
  EndOfStream end = EndOfStream::kNo;  ///< that side is over after these bytes
  bool connection_passed = false;      ///< the new connection is through now, before these bytes
};

class TcpChain {
 public:
  /// `exchange` and the plugins outlive the chain. Makes one filter a plugin, in order. `held_bytes_max`: in place of each one's
  /// Limits::body_bytes; 0: those.
  TcpChain(TcpExchange& exchange, std::span<Plugin* const> plugins, uint64_t held_bytes_max = 0) noexcept;
  ~TcpChain();
  TcpChain(const TcpChain&) = delete;
  TcpChain& operator=(const TcpChain&) = delete;

  /// First, once.
  TcpVerdict OnNewConnection() noexcept;
  /// A chunk (may be empty with end). Of kUpstream only once the new connection passed.
  TcpVerdict OnData(TcpSide side, std::string_view chunk, EndOfStream end, DataOut* out) noexcept;
  /// After TcpExchange::Wake(side): goes on where a resumed filter stopped.
  TcpVerdict Continue(TcpSide side, DataOut* out) noexcept;
  /// Limits::full_ms after full(side) became true without a pause: closes.
  TcpVerdict OnHeldTooLong(TcpSide side) noexcept;
  /// That connection is closed. The first call for a side counts.
  void OnClose(TcpSide side, PeerType peer) noexcept;
  /// on_done, on_log of every filter. Once; also done by the destructor.
  void Finish() noexcept;

  /// A plugin failed, or is down, and its policy closes.
  bool failed() const noexcept { return outcome_ == Outcome::kFailed; }
  /// The new connection is through.
  bool connected() const noexcept { return connected_; }
  /// Nobody in the chain has a callback for data of that side (and nothing is held): the embedder need not ask.
  bool ignores_data(TcpSide side) const noexcept;
  bool paused(TcpSide side) const noexcept;
  /// As much is held as may be: read no more from that side until it goes on.
  bool full(TcpSide side) const noexcept;
  /// The shortest Limits::full_ms of the filters that hold `side` full.
  uint32_t full_ms(TcpSide side) const noexcept;

 private:
  /// One filter on one side.
  struct Gate : HeldBytes {
    bool deciding = false;   ///< an event of this gate is being answered
    bool in_data = false;    ///< ... and it is a data event
    bool paused = false;
    bool resumed = false;    ///< Resume came; acted on at the next event or Continue
    bool connection_waits = false;  ///< paused in OnNewConnection (downstream only)
    bool unseen = false;     ///< `held` was not shown to the filter yet
    bool end_wait = false;   ///< the end waits behind `held`
    bool full_said = false;
    bool released = false;   ///< OnBufferFull::kRelease happened: kPause is ignored
    bool pause_ignored = false;  ///< ... and that was said once
  };

  enum class SlotState : uint8_t { kActive, kDown, kGone };

  /// What one filter sees of the chain.
  class Slot final : public TcpStream {
   public:
    Slot(TcpChain& chain, Plugin& plugin) : chain_(chain), plugin_(plugin) {}
    std::optional<std::string_view> data(TcpSide side) override;
    bool ReplaceData(TcpSide side, size_t start, size_t size, std::string_view bytes) override;
    void Resume(TcpSide side) override;
    void Close(TcpSide side) override;
    std::optional<PropertyValue> property(Property property) override;
    std::optional<std::string> custom_property(std::string_view path) override;
    std::vector<std::pair<std::string, std::string>> custom_properties() override { return chain_.custom_.all(); }
    bool SetCustomProperty(std::string_view path, std::string_view value) override;
    void Fail() override;

    Gate& gate(TcpSide side) { return gates_[static_cast<size_t>(side)]; }
    const Gate& gate(TcpSide side) const { return gates_[static_cast<size_t>(side)]; }

    TcpChain& chain_;
    Plugin& plugin_;
    SlotState state_ = SlotState::kActive;
    bool failed_ = false;  ///< Fail() came while an event was being answered
    bool met_ = false;     ///< OnNewConnection was called
    Gate gates_[kTcpSides];
    std::unique_ptr<TcpFilter> filter_;  ///< last: it dies first
  };

  /// kClosing: what passes in the event that is on still goes out. kFailed: it does not.
  enum class Outcome : uint8_t { kNone, kClosing, kFailed };
  enum class Decision : uint8_t { kGoOn, kHold, kStop };

  Slot& At(TcpSide side, size_t place) const {
    return *slots_[side == TcpSide::kDownstream ? place : slots_.size() - 1 - place];
  }
  bool& over(TcpSide side) { return over_[static_cast<size_t>(side)]; }
  bool Takes(Slot& slot);
  Decision Decide(Slot& slot, Gate& gate, FilterStatus status);
  void PassConnection(size_t place);
  void PassData(TcpSide side, size_t place, std::string_view bytes, std::string* owner, EndOfStream end, DataOut* out);
  bool Show(Slot& slot, TcpSide side, std::string_view* bytes, std::string** owner, EndOfStream end);
  bool Hold(Slot& slot, Gate& gate, std::string_view bytes, std::string* owner, EndOfStream end);
  void Leave(TcpSide side, std::string_view bytes, std::string* owner, EndOfStream end, DataOut* out);
  void Release(TcpSide side, size_t place, DataOut* out);
  void ReleaseResumed(TcpSide side, DataOut* out);
  TcpVerdict Settle(TcpSide side, bool was_connected, DataOut* out);
  uint64_t held_bytes_max(const Slot& slot) const;
  bool Full(const Slot& slot, const Gate& gate) const;
  void ApplyFailure(Slot& slot);
  /// There is no instance for this stream: the plugin's first event, if any, applies its OnError.
  void SetDown(Slot& slot);
  void Record(Outcome outcome);

  TcpExchange& exchange_;
  const uint64_t held_bytes_max_;
  std::vector<std::unique_ptr<Slot>> slots_;
  bool connected_ = false;
  bool over_[kTcpSides] = {};    ///< the end of that side left the chain
  bool closed_[kTcpSides] = {};  ///< OnClose came
  Outcome outcome_ = Outcome::kNone;
  bool made_ = false;         ///< all filters are there
  bool busy_ = false;  ///< inside an event: what is recorded comes out as its verdict, without a Wake
  bool finished_ = false;
  CustomProperties custom_;
};

}  // namespace weir
