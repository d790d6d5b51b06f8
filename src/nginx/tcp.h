// One TCP session of nginx's stream{} between its content handler and filters and the plugins' TcpChain.
//
//   content phase ─► Content() ─► new connection ─► nginx's own content handler (proxy_pass, return)     TLS and ssl_preread are done
//   stream filter ─► Filter()  ─► data events ─► next filter (the socket)
//   log phase     ─► Finish()      pool cleanup ─► ~NgxTcp
//
// nginx reads one buffer a side and reads again when it is consumed. So back-pressure is to leave a buffer as it is: what a full
// chain, or a peer that reads slowly, does not take waits in `waiting`, by reference. kTcpHeld in `buffered` of the connection that
// the bytes are for keeps the session alive behind an end, and makes nginx call the filter again.
//
// Whatever a plugin asks for outside of these calls (resume, close) arrives as Wake() and is done by OnEvent() from nginx's queue
// of posted events. The event is a member and leaves the queue with it: nothing outlives the session.
#pragma once

#include <span>

#include "nginx/chunks.h"
#include "nginx/ngx_stream_api.h"
#include "nginx/upstream_peer.h"
#include "tcp/tcp_chain.h"

namespace weir::nginx {

/// A bit of ngx_connection_t::buffered that nothing of nginx uses: the stream's writer has 0x10, TLS 0x01.
inline constexpr unsigned kTcpHeld = 0x20;

class NgxTcp final : public TcpExchange {
 public:
  /// Null: this session has none.
  static NgxTcp* Find(ngx_stream_session_t* s) noexcept;
  /// Null: out of memory.
  static NgxTcp* Create(ngx_stream_session_t* s, std::span<Plugin* const> plugins, uint64_t held_bytes_max) noexcept;

  std::optional<PropertyValue> property(Property property) override;
  std::optional<std::string> variable(std::string_view path) override;
  bool SetVariable(std::string_view path, std::string_view value) override;
  void Wake(TcpSide side) override;
  void OnNote(TcpNote note, std::string_view plugin) override;

  /// nginx's hooks. Content may end the session.
  void Content() noexcept;
  ngx_int_t Filter(ngx_chain_t* in, TcpSide side) noexcept;
  void Finish() noexcept;

 private:
  enum class State : uint8_t {
    kStart,
    kHeld,    ///< paused as a new connection; the client's bytes are read for the plugins
    kPassed,  ///< nginx's content handler has it
    kEnded,
  };
  struct Way {
    TcpSide side;
    ngx_chain_t* waiting = nullptr;  ///< nginx's buffers that are not read yet, in links of ours
    ngx_chain_t** waiting_end = &waiting;
    bool end_came = false;   ///< that peer sends no more
    bool end_given = false;  ///< ... and the chain knows
    bool end_out = false;    ///< ... and let it pass
    bool woken = false;
    OwnedChunks chunks;  ///< what plugins made of it
    ngx_connection_t full_connection{};  ///< nginx's debug log reads an event's data as a connection
    ngx_event_t full{};  ///< runs while the chain holds as much as it may
  };

  NgxTcp(ngx_stream_session_t* s, std::span<Plugin* const> plugins, uint64_t held_bytes_max) noexcept;
  ~NgxTcp();
  static void Cleanup(void* data) noexcept;
  static void OnEvent(ngx_event_t* event) noexcept;
  static void OnFull(ngx_event_t* event) noexcept;
  static void OnClient(ngx_event_t* event) noexcept;
  static void OnHoldTimer(ngx_event_t* event) noexcept;
  Way& way(TcpSide side) { return ways_[static_cast<size_t>(side)]; }
  /// The connection that bytes of `side` are for. Null: not there yet.
  ngx_connection_t* Target(TcpSide side) const;

  // The new connection
  void Judge(TcpVerdict verdict);
  void Hold();
  void ReadEarly();
  TcpVerdict TakeEarly(std::string_view bytes);
  void Connect();

  // Data
  ngx_int_t Process(Way& way);
  bool GiveOne(Way& way, ChainBuilder* out);
  bool Put(Way& way, DataOut& data, ngx_buf_t* given, ChainBuilder* out);
  void Drop(Way& way);
  void MarkHeld(Way& way);
  ngx_int_t Closing();
  void Run(TcpSide side);
  void End(ngx_uint_t status);

  ngx_stream_session_t* const s_;
  State state_ = State::kStart;
  bool closing_ = false;      ///< a plugin closed, or failed, or the client is gone: what has passed is flushed, the rest is dropped
  bool client_reset_ = false; ///< ... the last of these
  ngx_event_t event_{};
  ngx_connection_t hold_connection_{};
  ngx_event_t hold_{};        ///< runs while the new connection is paused: an old worker does not exit meanwhile
  bool* gone_ = nullptr;      ///< told when this is deleted under a caller's feet
  UpstreamPeer upstream_peer_;
  bool upstream_there_ = false;
  std::string early_;         ///< passed the chain before the upstream was there
  Way ways_[kTcpSides] = {{TcpSide::kDownstream}, {TcpSide::kUpstream}};
  TcpChain chain_;            ///< last: it calls back into all of the above while it goes
};

}  // namespace weir::nginx
