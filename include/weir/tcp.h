// One proxied TCP connection between a plugin and a proxy: `TcpFilter` takes the events, `TcpStream` the effects.
// An ABI family implements TcpFilter; TcpChain (src/tcp) implements TcpStream on an embedder's TcpExchange. [0.2.1 §TCP streams]
//
//   client ◄── downstream ──► proxy ◄── upstream ──► backend        kDownstream: bytes that came from the client, on their way up
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/stream.h"

namespace weir {

/// One of the two connections; as a direction: where the bytes come from.
enum class TcpSide : uint8_t { kDownstream, kUpstream };
inline constexpr size_t kTcpSides = 2;

/// Who ended a connection. Numbers of proxy_peer_type_t.
enum class PeerType : uint8_t {
  kUnknown = 0,
  kLocal = 1,   ///< the proxy, or a plugin of it
  kRemote = 2,  ///< the client, or the backend
};

/// What one filter may do to its connection. Nothing acts at once: intent is recorded, and carried out when the guest has
/// returned. Borrowed by the filter, which dies first.
class TcpStream : public Stream {
 public:
  /// What this filter holds of that side's bytes with the chunk of the current event; nullopt outside of one and not paused.
  virtual std::optional<std::string_view> data(TcpSide side) = 0;
  /// Replaces `size` bytes (cut at the end) from `start` (cut at the end: append) of data(). False where data() is nullopt, or the
  /// data would grow by more than Limits::body_bytes.
  virtual bool ReplaceData(TcpSide side, size_t start, size_t size, std::string_view bytes) = 0;
  /// Ends a pause of that side; for kDownstream also that of OnNewConnection. OK when not paused, or while the pausing event is
  /// still being answered.
  virtual void Resume(TcpSide side) = 0;
  /// Ends the connection: what has passed the chain is still delivered, what is held is not. A proxied connection has no use
  /// for one side without the other, so both go, whichever is named.
  virtual void Close(TcpSide side) = 0;

 protected:
  ~TcpStream() = default;
};

/// What a plugin sees of one connection: OnNewConnection, then data of both sides as they come, OnClose once a side, OnFinish.
class TcpFilter {
 public:
  virtual ~TcpFilter() = default;
  /// kPause: the backend is not connected until Resume(kDownstream), or, with HeaderPause::kHeadersOnly, kContinue to client data.
  virtual FilterStatus OnNewConnection() = 0;
  /// `bytes`: size of TcpStream::data(), all that is held. `end`: that peer sends no more (it may still read).
  virtual FilterStatus OnData(TcpSide side, size_t bytes, EndOfStream end) = 0;
  virtual void OnClose(TcpSide side, PeerType peer) = 0;
  /// True: this plugin has no callback for data of that side, and need not be asked.
  virtual bool ignores_data(TcpSide side) const = 0;
  /// The connection is over: on_done, on_log. Afterwards `stream` is only read, and gone when this returns.
  virtual void OnFinish() = 0;
};

/// What happened in a chain that an operator wants to hear of: a warning in the log and a counter.
enum class TcpNote : uint8_t {
  kPluginDown,      ///< no instance for this connection; OnError decides
  kFailedOpen,      ///< the plugin failed, the connection goes on without it
  kFailedClosed,    ///< the plugin failed, the connection is closed
  kHeldFull,        ///< Limits::body_bytes are held while paused: no more is read from that side
  kHeldReleased,    ///< the same with OnBufferFull::kRelease: what was held goes on
  kPauseIgnored,    ///< a later kPause after a release
  kHeldTooLong,     ///< Limits::full_ms passed since kHeldFull: closed
  kReplaceRefused,  ///< ReplaceData would have grown the data by more than Limits::body_bytes
  kPropertyRefused, ///< SetCustomProperty over Limits::property_bytes
};
/// One line for the log, without the plugin's name.
std::string_view Describe(TcpNote note);
/// "failed_open": for metrics.
std::string_view Name(TcpNote note);

/// One connection as an embedder offers it to TcpChain. Everything is called on the embedder's thread.
class TcpExchange {
 public:
  virtual std::optional<PropertyValue> property(Property property) = 0;
  virtual std::optional<std::string> variable(std::string_view path) = 0;
  virtual bool SetVariable(std::string_view path, std::string_view value) = 0;
  /// Call TcpChain::Continue(side) soon, never from inside this call. May come several times.
  virtual void Wake(TcpSide side) = 0;
  /// `plugin` is the name of the plugin it is about.
  virtual void OnNote(TcpNote note, std::string_view plugin) {
    (void)note, (void)plugin;
  }

 protected:
  ~TcpExchange() = default;
};

}  // namespace weir
