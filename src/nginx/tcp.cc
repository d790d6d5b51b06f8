#include "nginx/tcp.h"

#include <new>

#include "nginx/host.h"
#include "nginx/module.h"
#include "nginx/stream_conf.h"
#include "nginx/tcp_properties.h"
#include "nginx/worker.h"

namespace weir::nginx {
namespace {

/// A worker that is told to exit goes as soon as no timer is left.
constexpr ngx_msec_t kHoldMs = 60'000;
constexpr size_t kReadBytes = 16'384;  // nginx's proxy_buffer_size
constexpr TcpSide kSides[] = {TcpSide::kDownstream, TcpSide::kUpstream};

void Ignore(ngx_event_t*) noexcept {}

void InitTimer(ngx_event_t* event, ngx_connection_t* connection, NgxTcp* tcp, void (*handler)(ngx_event_t*) noexcept) {
  connection->fd = static_cast<ngx_socket_t>(-1);
  connection->data = tcp;
  event->data = connection;
  event->handler = handler;
  event->log = ngx_cycle->log;
}
void StopTimer(ngx_event_t* event) {
  if (event->timer_set) ngx_del_timer(event);
}

}  // namespace

NgxTcp::NgxTcp(ngx_stream_session_t* s, std::span<Plugin* const> plugins, uint64_t held_bytes_max) noexcept
    : s_(s), chain_(*this, plugins, held_bytes_max) {
  event_.data = this;
  event_.handler = OnEvent;
  event_.log = s->connection->log;
  InitTimer(&hold_, &hold_connection_, this, OnHoldTimer);
  for (Way& way : ways_) InitTimer(&way.full, &way.full_connection, this, OnFull);
  g_module.AddStreams(1);
}

NgxTcp::~NgxTcp() {
  if (event_.posted) {
    ngx_delete_posted_event(&event_);
  }
  StopTimer(&hold_);
  for (Way& way : ways_) StopTimer(&way.full);
  g_module.AddStreams(-1);
  if (gone_ != nullptr) *gone_ = true;
}

void NgxTcp::Cleanup(void* data) noexcept {
  auto* tcp = static_cast<NgxTcp*>(data);
  const LogScope scope(tcp->s_->connection->log);
  tcp->Finish();
  delete tcp;
}

NgxTcp* NgxTcp::Find(ngx_stream_session_t* s) noexcept {
  return static_cast<NgxTcp*>(ngx_stream_get_module_ctx(s, ngx_stream_weir_module));
}

NgxTcp* NgxTcp::Create(ngx_stream_session_t* s, std::span<Plugin* const> plugins, uint64_t held_bytes_max) noexcept {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(s->connection->pool, 0);
  if (cleanup == nullptr) return nullptr;
  auto* tcp = new (std::nothrow) NgxTcp(s, plugins, held_bytes_max);
  if (tcp == nullptr) return nullptr;
  cleanup->handler = Cleanup;
  cleanup->data = tcp;
  ngx_stream_set_ctx(s, tcp, ngx_stream_weir_module);
  return tcp;
}

std::optional<PropertyValue> NgxTcp::property(Property property) { return ReadProperty(s_, upstream_peer_, property); }
std::optional<std::string> NgxTcp::variable(std::string_view path) { return ReadVariable(s_, path); }
bool NgxTcp::SetVariable(std::string_view path, std::string_view value) { return WriteVariable(s_, path, value); }

void NgxTcp::OnNote(TcpNote note, std::string_view plugin) {
  const std::string_view text = Describe(note);
  const ngx_str_t name = Borrow(plugin), what = Borrow(text);
  ngx_log_error(NGX_LOG_WARN, s_->connection->log, 0, "weir: plugin \"%V\" %V", &name, &what);
  if (g_module.worker != nullptr) g_module.worker->CountNote(Name(note), plugin);
}

void NgxTcp::Wake(TcpSide side) {
  way(side).woken = true;
  ngx_post_event(&event_, &ngx_posted_events);
}

void NgxTcp::OnEvent(ngx_event_t* event) noexcept {
  auto* tcp = static_cast<NgxTcp*>(event->data);
  const LogScope scope(tcp->s_->connection->log);
  bool gone = false;
  tcp->gone_ = &gone;
  for (const TcpSide side : kSides) {
    if (!gone && tcp->way(side).woken) tcp->Run(side);
  }
  if (!gone) tcp->gone_ = nullptr;
}

// ---- the new connection

void NgxTcp::Content() noexcept { Judge(chain_.OnNewConnection()); }

void NgxTcp::Judge(TcpVerdict verdict) {
  switch (verdict) {
    case TcpVerdict::kContinue:
      return Connect();
    case TcpVerdict::kPause:
      return Hold();
    case TcpVerdict::kClose:
      return End(chain_.failed() ? NGX_STREAM_SERVICE_UNAVAILABLE : NGX_STREAM_FORBIDDEN);
  }
}

void NgxTcp::Hold() {
  state_ = State::kHeld;
  ngx_connection_t* client = s_->connection;
  client->read->handler = OnClient;
  client->write->handler = Ignore;
  ngx_add_timer(&hold_, kHoldMs);
  ReadEarly();
}

void NgxTcp::OnHoldTimer(ngx_event_t* event) noexcept { ngx_add_timer(event, kHoldMs); }

void NgxTcp::OnClient(ngx_event_t* event) noexcept {
  const auto* client = static_cast<ngx_connection_t*>(event->data);
  NgxTcp* tcp = Find(static_cast<ngx_stream_session_t*>(client->data));
  const LogScope scope(client->log);
  if (client->close) return tcp->End(NGX_STREAM_OK);  // worker_shutdown_timeout
  tcp->ReadEarly();
}

/// The client's bytes while nothing is connected, for plugins that wait for them; and its leaving. May end the session.
void NgxTcp::ReadEarly() {
  ngx_connection_t* client = s_->connection;
  Way& way = this->way(TcpSide::kDownstream);
  if (ngx_buf_t* preread = client->buffer; preread != nullptr && preread->pos < preread->last) {
    const std::string_view bytes(reinterpret_cast<char*>(preread->pos), static_cast<size_t>(preread->last - preread->pos));
    preread->pos = preread->last;
    if (const TcpVerdict verdict = TakeEarly(bytes); verdict != TcpVerdict::kPause) return Judge(verdict);
  }
  while (!way.end_came && client->read->ready && !chain_.full(TcpSide::kDownstream)) {
    u_char bytes[kReadBytes];
    const ssize_t size = client->recv(client, bytes, sizeof bytes);
    if (size == NGX_AGAIN) break;
    if (size == NGX_ERROR || (size == 0 && s_->received == 0)) return End(NGX_STREAM_OK);  // it left, or has nothing to say
    if (size == 0) way.end_came = true;
    s_->received += size;
    const TcpVerdict verdict = TakeEarly({reinterpret_cast<char*>(bytes), static_cast<size_t>(size)});
    if (verdict != TcpVerdict::kPause) return Judge(verdict);
  }
  // A client that said everything may be gone: it is not waited for longer than one that fills the chain.
  const bool wait = way.end_came || chain_.full(TcpSide::kDownstream);
  if (wait && !way.full.timer_set) ngx_add_timer(&way.full, way.end_came ? Limits{}.full_ms : chain_.full_ms(way.side));
  if (ngx_handle_read_event(client->read, way.end_came ? NGX_CLOSE_EVENT : 0) != NGX_OK) {
    End(NGX_STREAM_INTERNAL_SERVER_ERROR);
  }
}

/// kPause: the connection still waits.
TcpVerdict NgxTcp::TakeEarly(std::string_view bytes) {
  Way& way = this->way(TcpSide::kDownstream);
  DataOut out;
  const bool end = way.end_came && !std::exchange(way.end_given, way.end_came);
  const TcpVerdict verdict = chain_.OnData(TcpSide::kDownstream, bytes, end ? EndOfStream::kYes : EndOfStream::kNo, &out);
  if (out.unchanged) early_ += bytes;
  early_ += out.bytes;
  if (out.end == EndOfStream::kYes) way.end_out = true;
  if (verdict == TcpVerdict::kClose) return verdict;
  return chain_.connected() ? TcpVerdict::kContinue : TcpVerdict::kPause;
}

void NgxTcp::Connect() {
  const bool was_held = std::exchange(state_, State::kPassed) == State::kHeld;
  if (was_held) {
    StopTimer(&hold_);
    StopTimer(&way(TcpSide::kDownstream).full);
    ngx_connection_t* client = s_->connection;
    client->read->handler = ngx_stream_session_handler;
    // With a buffer, even an empty one, nginx calls the filter as soon as the upstream is there: for what is here already.
    if (client->buffer == nullptr) client->buffer = ngx_create_temp_buf(client->pool, 1);
    if (client->buffer == nullptr) return End(NGX_STREAM_INTERNAL_SERVER_ERROR);
  }
  ServerOf(s_)->content(s_);
}

/// The session may be gone afterwards.
void NgxTcp::End(ngx_uint_t status) {
  state_ = State::kEnded;
  ngx_connection_t* client = s_->connection;
  if (s_->upstream == nullptr) return ngx_stream_finalize_session(s_, status);
  client->close = 1;  // as at worker_shutdown_timeout: the only way to end a session that is being connected
  client->read->handler(client->read);
}

// ---- end

void NgxTcp::Finish() noexcept {
  ngx_connection_t* client = s_->connection;
  client->buffered &= ~kTcpHeld;  // else TLS would not say good bye
  const bool client_ended = way(TcpSide::kDownstream).end_came || client->error || client->read->eof;
  const bool upstream_ended = way(TcpSide::kUpstream).end_came;
  const auto peer = [](bool ended) { return ended ? PeerType::kRemote : PeerType::kLocal; };
  const bool upstream_first = upstream_ended && !client_ended;
  if (upstream_there_ && upstream_first) chain_.OnClose(TcpSide::kUpstream, PeerType::kRemote);
  chain_.OnClose(TcpSide::kDownstream, peer(client_ended && (!closing_ || client_reset_)));
  if (upstream_there_) chain_.OnClose(TcpSide::kUpstream, peer(upstream_ended));
  chain_.Finish();
}

}  // namespace weir::nginx
