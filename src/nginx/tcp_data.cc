// Bytes on their way through the plugins, both ways.
#include <utility>

#include "nginx/host.h"
#include "nginx/stream_module.h"
#include "nginx/tcp.h"

namespace weir::nginx {
namespace {

/// Of what plugins made and the other peer has not taken: more is not asked of them. Two of nginx's proxy buffers.
constexpr size_t kUnsentBytes = 32'768;

/// Not all that was given to that connection has left.
bool IsSending(const ngx_connection_t* connection) {
  return connection != nullptr && !connection->error &&
         (connection->buffered & (NGX_STREAM_WRITE_BUFFERED | NGX_LOWLEVEL_BUFFERED)) != 0;
}

}  // namespace

ngx_connection_t* NgxTcp::Target(TcpSide side) const {
  if (side == TcpSide::kUpstream) return s_->connection;
  return s_->upstream != nullptr && s_->upstream->connected ? s_->upstream->peer.connection : nullptr;
}

ngx_int_t NgxTcp::Filter(ngx_chain_t* in, TcpSide side) noexcept {
  if (!upstream_there_ && Target(TcpSide::kDownstream) != nullptr) {
    upstream_there_ = true;
    upstream_peer_.Keep(Target(TcpSide::kDownstream));
  }
  Way& way = this->way(side);
  for (; in != nullptr; in = in->next) {
    if (in->buf->last_buf) way.end_came = true;
    if (way.end_came && side == TcpSide::kDownstream && s_->connection->read->error && !closing_) closing_ = client_reset_ = true;  // nobody waits
    if (ngx_buf_size(in->buf) == 0) continue;  // nginx takes it back at once
    ngx_chain_t* link = ngx_alloc_chain_link(s_->connection->pool);
    if (link == nullptr) return NGX_ERROR;
    *link = {in->buf, nullptr};
    *way.waiting_end = link;
    way.waiting_end = &link->next;
  }
  return Process(way);
}

ngx_int_t NgxTcp::Process(Way& way) {
  ngx_connection_t* target = Target(way.side);
  for (;;) {
    ChainBuilder out(s_->connection->pool);
    if (way.side == TcpSide::kDownstream && !early_.empty() &&
        !out.Append(way.chunks.Add(s_->connection->pool, std::exchange(early_, {})))) {
      return NGX_ERROR;
    }
    if (std::exchange(way.woken, false)) {
      DataOut data;
      if (chain_.Continue(way.side, &data) == TcpVerdict::kClose) closing_ = true;
      if (!Put(way, data, nullptr, &out)) return NGX_ERROR;
    }
    while (!closing_ && GiveOne(way, &out)) {
    }
    MarkHeld(way);
    if (out.chain() == nullptr && !IsSending(target)) break;
    const ngx_int_t rc = g_next_stream_filter(s_, out.chain(), way.side == TcpSide::kUpstream ? 1 : 0);
    if (rc == NGX_ERROR) return NGX_ERROR;
    if (rc == NGX_AGAIN || closing_ || way.waiting == nullptr || chain_.full(way.side)) break;
  }
  return closing_ ? Closing() : NGX_OK;
}

/// One of nginx's buffers, or the end behind the last, to the plugins. False: there is none, or not now.
bool NgxTcp::GiveOne(Way& way, ChainBuilder* out) {
  if (chain_.full(way.side) || way.chunks.waiting() > kUnsentBytes) return false;
  ngx_chain_t* link = way.waiting;
  if (link == nullptr && (!way.end_came || way.end_given)) return false;
  ngx_buf_t* buf = nullptr;
  std::string_view bytes;
  if (link != nullptr) {
    buf = link->buf;
    bytes = {reinterpret_cast<char*>(buf->pos), static_cast<size_t>(buf->last - buf->pos)};
    way.waiting = link->next;
    if (way.waiting == nullptr) way.waiting_end = &way.waiting;
    ngx_free_chain(s_->connection->pool, link);
  }
  way.end_given = way.end_came && way.waiting == nullptr;
  DataOut data;
  const TcpVerdict verdict = chain_.OnData(way.side, bytes, way.end_given ? EndOfStream::kYes : EndOfStream::kNo, &data);
  if (verdict == TcpVerdict::kClose) closing_ = true;
  if (!Put(way, data, buf, out)) closing_ = true;
  return true;
}

/// What left the chain, behind `out`. False: out of memory.
bool NgxTcp::Put(Way& way, DataOut& data, ngx_buf_t* given, ChainBuilder* out) {
  ngx_pool_t* pool = s_->connection->pool;
  if (given != nullptr && data.unchanged) {
    if (!out->Append(given)) return false;
  } else if (given != nullptr) {
    given->pos = given->last;  // taken: nginx may use its buffer again
  }
  if (!data.bytes.empty()) {
    ngx_buf_t* buf = way.chunks.Add(pool, std::move(data.bytes));
    if (!out->Append(buf)) return false;
    buf->flush = 1;
  }
  if (data.end != EndOfStream::kYes) return true;
  way.end_out = true;
  ngx_buf_t* end = way.chunks.Add(pool, {});
  if (!out->Append(end)) return false;
  end->last_buf = 1;
  return true;
}

void NgxTcp::MarkHeld(Way& way) {
  const bool full = chain_.full(way.side) && !closing_;
  if (full && !way.full.timer_set) ngx_add_timer(&way.full, chain_.full_ms(way.side));
  if (!full && way.full.timer_set) ngx_del_timer(&way.full);
  ngx_connection_t* target = Target(way.side);
  if (target == nullptr) return;
  const bool held = chain_.paused(way.side) || way.waiting != nullptr || (way.end_came && !way.end_out);
  if (held && !closing_) {
    target->buffered |= kTcpHeld;
  } else {
    target->buffered &= ~kTcpHeld;
  }
}

void NgxTcp::Drop(Way& way) {
  while (way.waiting != nullptr) {
    ngx_chain_t* link = way.waiting;
    way.waiting = link->next;
    link->buf->pos = link->buf->last;
    ngx_free_chain(s_->connection->pool, link);
  }
  way.waiting_end = &way.waiting;
}

/// NGX_ERROR, which ends the session, as soon as everything that passed has left.
ngx_int_t NgxTcp::Closing() {
  for (Way& way : ways_) {
    Drop(way);
    MarkHeld(way);
  }
  return IsSending(Target(TcpSide::kDownstream)) || IsSending(Target(TcpSide::kUpstream)) ? NGX_AGAIN : NGX_ERROR;
}

/// A plugin resumed that side, or closed. May end the session.
void NgxTcp::Run(TcpSide side) {
  ngx_connection_t* target = Target(side);
  if (state_ == State::kPassed && target != nullptr) {
    target->buffered |= kTcpHeld;  // so that nginx calls Filter()
    return target->write->handler(target->write);
  }
  Way& way = this->way(side);
  way.woken = false;
  DataOut out;
  const TcpVerdict verdict = chain_.Continue(side, &out);
  early_ += out.bytes;
  if (out.end == EndOfStream::kYes) way.end_out = true;
  if (verdict == TcpVerdict::kClose) return Judge(verdict);
  if (state_ != State::kHeld) return;
  if (chain_.connected()) return Connect();
  ReadEarly();  // there may be room again
}

void NgxTcp::OnFull(ngx_event_t* event) noexcept {
  auto* tcp = static_cast<NgxTcp*>(static_cast<ngx_connection_t*>(event->data)->data);
  const LogScope scope(tcp->s_->connection->log);
  const TcpSide side = event == &tcp->ways_[0].full ? TcpSide::kDownstream : TcpSide::kUpstream;
  const TcpVerdict verdict = tcp->chain_.OnHeldTooLong(side);
  if (tcp->state_ != State::kPassed || tcp->Target(TcpSide::kDownstream) == nullptr) return tcp->End(NGX_STREAM_OK);
  if (verdict != TcpVerdict::kClose) return;
  tcp->closing_ = true;
  ngx_connection_t* client = tcp->s_->connection;
  client->buffered |= kTcpHeld;
  client->write->handler(client->write);
}

}  // namespace weir::nginx
