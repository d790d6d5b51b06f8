// One TCP connection with its backend in memory, through a chain of plugins.
//
//   MemoryTcpStream tcp(world, chain);
//   tcp.Connect();
//   tcp.Feed(TcpSide::kDownstream, "PING\r\n");                   // the client sends
//   while (tcp.Turn(10'000)) {}                                   // resumes, ticks
//   // tcp.passed(TcpSide::kDownstream): what the backend got; passed(kUpstream): what the client got; world.trace()
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memhost/given_properties.h"
#include "memhost/memory_host.h"
#include "tcp/tcp_chain.h"

namespace weir {

/// As a proxy: the backend is connected when the new connection is through the chain, and its bytes are read from then on. Bytes
/// that a full chain does not take wait where they are, as in a socket.
class MemoryTcpStream final : public TcpExchange {
 public:
  /// `world` and the plugins outlive it.
  MemoryTcpStream(MemoryHost& world, std::span<Plugin* const> plugins);

  // ---- Events. Each hands on what passed; a pause holds the rest until Pump().
  void Connect();
  /// That peer sends; `end`: and shuts its sending side.
  void Feed(TcpSide side, std::string_view chunk, EndOfStream end = EndOfStream::kNo);
  /// TcpChain::Continue for each Wake that came, and what waited unread. False: nothing had.
  bool Pump();
  /// Pump(), or the world's next tick or queue item, or the end of Limits::full_ms, within `max_ms`. False: nothing happens.
  bool Turn(uint64_t max_ms);
  /// That peer's connection is gone: the other one is closed by the proxy. What is held is lost.
  void Close(TcpSide side, PeerType peer = PeerType::kRemote);
  /// on_done, on_log. A connection that is still open is closed by the proxy first.
  void Finish();

  // ---- What came out.
  bool connected() const { return chain_->connected(); }        ///< the backend is connected
  bool closed() const { return closed_; }                       ///< by a peer, a plugin or a failure policy
  const std::string& passed(TcpSide side) const { return side_(side).passed; }  ///< of that side's bytes, what left the chain
  bool ended(TcpSide side) const { return side_(side).ended; }  ///< and the end of that side did
  size_t unread(TcpSide side) const;                            ///< bytes that wait outside of the chain
  bool paused(TcpSide side) const { return chain_->paused(side); }
  bool full(TcpSide side) const { return chain_->full(side); }
  const std::vector<TcpNote>& notes() const { return notes_; }

  GivenProperties given;  ///< beside those of every connection here, and before them

  // ---- TcpExchange
  std::optional<PropertyValue> property(Property property) override;
  std::optional<std::string> variable(std::string_view path) override;
  bool SetVariable(std::string_view path, std::string_view value) override;
  void Wake(TcpSide side) override { side_(side).woken = true; }
  void OnNote(TcpNote note, std::string_view plugin) override;

 private:
  struct Unread {
    std::string bytes;
    EndOfStream end;
  };
  struct Side {
    std::string passed;
    std::deque<Unread> unread;
    std::optional<uint64_t> full_since_ns;
    bool ended = false;
    bool woken = false;
  };
  Side& side_(TcpSide side) { return sides_[static_cast<size_t>(side)]; }
  const Side& side_(TcpSide side) const { return sides_[static_cast<size_t>(side)]; }
  bool Reads(TcpSide side) const;
  bool ReadOn(TcpSide side);
  void Take(TcpSide side, TcpVerdict verdict, std::string_view chunk, DataOut* out);
  std::optional<uint64_t> FullUntilNs(TcpSide side) const;

  MemoryHost& world_;
  Side sides_[kTcpSides];
  bool connecting_ = false, closed_ = false, finished_ = false;
  std::vector<TcpNote> notes_;
  std::vector<Plugin*> plugins_;
  std::optional<TcpChain> chain_;  // last: its filters read the rest until they are gone
};

}  // namespace weir
