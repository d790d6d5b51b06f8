// One request of nginx between its phases and filters and the plugins' FilterChain.
//
//   access phase ─► Access() ─► headers event ─► body read chunk by chunk (RequestBody) ─► the rest of nginx
//   header filter ─► ResponseHead() ─► headers event ─► next filter       (held: nginx waits on c->buffered)
//   body filter ─► ResponseBody() ─► body events ─► next filter
//   log phase ─► Finish()          pool cleanup ─► ~NgxStream
//
// Whatever a plugin asks for outside of these calls (resume, local response, reset) arrives as Wake() and is done by OnEvent()
// from nginx's queue of posted events. The event is a member and leaves the queue with it: nothing outlives the request.
#pragma once

#include <optional>
#include <span>
#include <utility>

#include "http/filter_chain.h"
#include "nginx/chunks.h"
#include "nginx/ngx.h"
#include "nginx/body_decoder.h"
#include "nginx/properties.h"
#include "nginx/request_headers.h"
#include "nginx/response_headers.h"
#include "nginx/response_trailers.h"

namespace weir::nginx {

/// A bit of r->connection->buffered: nginx does not finalize the request while it is set. 0x08 is used by the image filter alone
/// (SSI, sub and copy use r->buffered; write, gzip, HTTP/2 and TLS 0x10, 0x20, 0x02, 0x01).
inline constexpr unsigned kHeld = 0x08;

/// How much a plugin's changed body may be ahead of who takes it (the client, or a connected upstream) before no more is read.
inline constexpr size_t kAheadBytes = 128 << 10;

class NgxStream final : public HttpExchange {
 public:
  /// Null: this request has none. Finds it again after an internal redirect wiped nginx's own pointer.
  static NgxStream* Find(ngx_http_request_t* r) noexcept;
  /// Null: out of memory.
  /// `body_bytes`: weir_max_body.
  static NgxStream* Create(ngx_http_request_t* r, std::span<Plugin* const> plugins, uint64_t body_bytes) noexcept;

  HeaderMap* headers(HeaderMapKind kind) override;
  HeaderMap* AddTrailers(Direction direction) override;
  bool headers_sent(Direction direction) override;
  std::optional<PropertyValue> property(Property property) override;
  std::optional<std::string> variable(std::string_view path) override;
  bool SetVariable(std::string_view path, std::string_view value) override;
  void ClearRouteCache() override;
  void Wake(Direction direction) override;
  void OnNote(ChainNote note, std::string_view plugin) override;

  /// nginx's hooks, for the main request only. Access is that of weir_phase, too.
  ngx_int_t Access() noexcept;
  ngx_int_t RequestBody(ngx_chain_t* in) noexcept;
  ngx_int_t ResponseHead() noexcept;
  ngx_int_t ResponseBody(ngx_chain_t* in) noexcept;
  void Finish() noexcept;
  UpstreamPeer& upstream_peer() { return upstream_peer_; }

 private:
  enum class RequestState : uint8_t {
    kStart,        ///< no event yet
    kHeadersHeld,  ///< paused in the headers
    kHeadersDone,  ///< the body is next
    kReading,      ///< nginx reads the body for us, before anything is connected
    kBodyHeld,     ///< it is all here, and paused
    kStreaming,    ///< the content handler reads it (proxy_request_buffering off, gRPC)
    kPassed,       ///< nginx has it
    kAnswered,     ///< by a local response, or aborted
  };
  enum class ResponseState : uint8_t {
    kNone,
    kHeadersHeld,  ///< paused; nginx believes that they are sent
    kHeadReady,    ///< through the chain; they leave with the first bytes of the body, so that a plugin that looks at the
                   ///< body (or fails there) can still answer something else
    kBody,         ///< they left; body events
    kPass,         ///< no plugin wants the body
    kDone,         ///< the end went out; what still comes is swallowed
  };

  NgxStream(ngx_http_request_t* r, std::span<Plugin* const> plugins, uint64_t body_bytes) noexcept;
  ~NgxStream();
  static void Cleanup(void* data) noexcept;
  static void OnEvent(ngx_event_t* event) noexcept;
  static void OnBodyRead(ngx_http_request_t* r) noexcept;
  void Post();

  // request.cc
  ngx_int_t Admit();
  ngx_int_t Reroute();
  ngx_int_t AfterHeaders(Verdict verdict);
  ngx_int_t StartBody();
  void HoldRequest(RequestState state);
  void ReleaseRequest();
  static void OnHoldTimer(ngx_event_t* event) noexcept;
  void RunRequest();
  void ContinuePhases();
  void BodyRead();
  bool BodyComplete();
  bool AppendBody(std::string bytes);
  bool StreamsBody() const;
  void BeginStreaming();
  static ngx_int_t CreateUpstreamRequest(ngx_http_request_t* r) noexcept;
  bool TakeRequestChunk(ngx_buf_t* buf, ChainBuilder* out);
  void StopRequest(Verdict verdict);

  // local_response.cc
  void SendLocal();
  bool FillLocal(LocalResponse& response);
  void StopUpstream();
  void Abort();

  // response.cc
  EndOfStream ResponseEnd() const;
  const char* CannotWait() const;
  void PrepareDecoding();
  ngx_int_t HeadVerdict(Verdict verdict);
  ngx_int_t PassHead();
  ngx_int_t SendHead(ResponseState next);
  ngx_int_t ReplaceResponse();
  void RunResponse();
  bool TakeResponseChunk(std::string_view chunk, EndOfStream end, ngx_buf_t* buf, ChainBuilder* out);
  bool TakeResponseTrailers(ChainBuilder* out);
  bool TakeDecoded(ngx_buf_t* buf, ChainBuilder* out);
  bool Ready() const;
  bool TakeHeld(ChainBuilder* out);
  bool TakeBuf(ngx_buf_t* buf, ChainBuilder* out);
  bool Emit(BodyOut& body, ngx_buf_t* given, ChainBuilder* out);
  ngx_int_t Forward(ngx_chain_t* out);
  ngx_int_t Process(ngx_chain_t* in);

  ngx_http_request_t* const r_;
  RequestHeaders request_headers_;
  ResponseHeaders response_headers_;
  ResponseTrailers response_trailers_;
  UpstreamPeer upstream_peer_;  ///< that answered: nginx lets go of its connection before the last callbacks
  ngx_event_t event_{};
  ngx_connection_t hold_connection_{};  ///< nginx's debug log reads an event's data as a connection
  ngx_event_t hold_{};     ///< runs while the request waits for a plugin: an old worker does not exit meanwhile
  bool* gone_ = nullptr;   ///< told when this is deleted under a caller's feet
  bool wake_[kDirections] = {};
  const bool headers_only_pause_;  ///< bodies go on while headers are paused
  const bool client_asked_head_;
  RequestState request_state_ = RequestState::kStart;
  ResponseState response_state_ = ResponseState::kNone;
  Verdict request_stop_ = Verdict::kContinue;  ///< kLocalResponse, kReset: to be done by the event

  // Request body
  bool body_seen_end_ = false;  ///< the client's last byte came
  bool body_out_end_ = false;   ///< the chain let the end pass
  bool body_changed_ = false;
  off_t body_out_bytes_ = 0;
  bool body_begun_ = false;     ///< our filter was asked for the first time
  bool body_sized_ = false;     ///< it came with a Content-Length
  bool upstream_chunked_ = false;  ///< ... and goes to the connected upstream without one
  bool route_cleared_ = false;
  bool admitted_ = false;       ///< the phase is over
  std::string body_tail_;       ///< released by a resume, goes out with the next chunk
  ngx_chain_t* request_held_ = nullptr;  ///< bufs that wait unconsumed until the upstream has taken more
  ngx_int_t (*create_request_)(ngx_http_request_t* r) = nullptr;  ///< the content handler's
  OwnedChunks request_chunks_;

  // Response
  bool resume_response_ = false;
  bool forwarding_ = false;      ///< inside of the filters below us
  bool replaced_ = false;        ///< by a local response: nginx's own body is swallowed
  std::string local_body_;
  bool local_body_waits_ = false;
  std::string details_;          ///< of a local response, for response.code_details
  bool trailers_came_ = false;
  std::unique_ptr<BodyDecoder> decoder_;  ///< while the body comes compressed, and plugins see it plain
  size_t decoded_ = 0;           ///< bytes of the first held buf that the decoder has
  ngx_chain_t* held_ = nullptr;  ///< bufs that wait (for the headers, or for a client that is behind), by reference: so does the sender
  OwnedChunks response_chunks_;

  FilterChain chain_;  ///< last: it calls back into all of the above while it goes
};

}  // namespace weir::nginx
