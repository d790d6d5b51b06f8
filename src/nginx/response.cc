// The response's side: our header and body filter.
//
// Headers that are held: the header filter answers NGX_OK without calling the next one, and a bit in c->buffered makes nginx
// wait (ngx_http_writer, or the upstream's own handlers) instead of ending the request. Bufs that come meanwhile are kept by
// reference, unconsumed, so that whoever sends them sees a slow client and waits too. A body that a plugin holds is copied
// into the chain, within its limit.
#include <utility>

#include "nginx/config.h"
#include "nginx/module.h"
#include "nginx/stream.h"
#include "nginx/worker.h"

extern "C" {
extern ngx_module_t ngx_http_slice_filter_module __attribute__((weak));  // not in every nginx
}

namespace weir::nginx {

/// Whether a body follows these headers.
EndOfStream NgxStream::ResponseEnd() const {
  const ngx_uint_t status = r_->headers_out.status;
  const bool none = r_->header_only || client_asked_head_ || status == NGX_HTTP_NO_CONTENT ||
                    status == NGX_HTTP_NOT_MODIFIED || status < NGX_HTTP_OK ||
                    r_->headers_out.content_length_n == 0;
  return none ? EndOfStream::kYes : EndOfStream::kNo;
}

/// Why this response can neither wait for a plugin nor give it its body; null: it can.
const char* NgxStream::CannotWait() const {
  if (r_->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS) return "101 is what the client waits for";
  if (&ngx_http_slice_filter_module != nullptr && ngx_http_get_module_ctx(r_, ngx_http_slice_filter_module) != nullptr) {
    return "its other slices are subrequests that do not wait";
  }
  if (r_->filter_finalize) return "nginx ends the request behind it";  // 412 of a filter above
  return nullptr;
}

ngx_int_t NgxStream::ResponseHead() noexcept {
  // Once a request: error pages after a filter failed, or the response that replaced another, come here too.
  if (response_state_ != ResponseState::kNone) return g_module.next_header_filter(r_);
  response_state_ = ResponseState::kHeadersHeld;
  if (r_->upstream != nullptr) upstream_peer_.Keep(r_->upstream->peer.connection);
  // A plugin may have asked the upstream with another method; the client's decides whether a body follows.
  if (client_asked_head_) {
    r_->method = NGX_HTTP_HEAD;
  } else if (r_->method == NGX_HTTP_HEAD) {
    r_->method = NGX_HTTP_GET;
    ngx_http_clear_content_length(r_);
    r_->headers_out.content_length_n = 0;
  }
  if (LocationOf(r_)->decode != 0) PrepareDecoding();
  return HeadVerdict(chain_.OnHeaders(Direction::kResponse, ResponseEnd()));
}

ngx_int_t NgxStream::HeadVerdict(Verdict verdict) {
  switch (verdict) {
    case Verdict::kContinue:
      return PassHead();
    case Verdict::kPause:
      if (const char* why = CannotWait(); why != nullptr) {
        ngx_log_error(NGX_LOG_WARN, r_->connection->log, 0,
                      "weir: a plugin paused a response that cannot be held (%s): it goes on", why);
        return PassHead();
      }
      if (!chain_.ignores_body(Direction::kResponse)) r_->filter_need_in_memory = 1;
      r_->connection->buffered |= kHeld;
      return NGX_OK;
    case Verdict::kLocalResponse:
      return ReplaceResponse();
    case Verdict::kReset:
      return NGX_ERROR;
  }
  return NGX_ERROR;
}

/// The chain let the headers pass: what a plugin may do to the body is decided now.
ngx_int_t NgxStream::PassHead() {
  const bool looks = (!chain_.ignores_body(Direction::kResponse) || chain_.paused(Direction::kResponse)) &&
                     CannotWait() == nullptr;
  const bool has_body = ResponseEnd() == EndOfStream::kNo;
  // gRPC alone brings trailers; they are shown behind the body.
  const bool may_bring_trailers = has_body && !replaced_ && r_->upstream != nullptr && r_->upstream->conf->pass_trailers &&
                                  !chain_.ignores_trailers(Direction::kResponse) && CannotWait() == nullptr;
  if (looks && (has_body || (client_asked_head_ && !replaced_))) {
    // HEAD says what GET would.
    ngx_http_clear_content_length(r_);
    ngx_http_clear_accept_ranges(r_);
    ngx_http_weak_etag(r_);
  }
  const bool wants_body = (looks && has_body) || may_bring_trailers || decoder_ != nullptr;
  if (!wants_body && !local_body_waits_) return SendHead(ResponseState::kPass);
  if (wants_body) r_->filter_need_in_memory = 1;  // the copy filter reads files into memory for us
  response_state_ = ResponseState::kHeadReady;
  return NGX_OK;
}

/// Returns as a header filter does.
ngx_int_t NgxStream::SendHead(ResponseState next) {
  response_state_ = next;
  const ngx_int_t rc = g_module.next_header_filter(r_);
  if (rc == NGX_ERROR || rc > NGX_OK || r_->header_only) {
    response_state_ = ResponseState::kDone;
    local_body_waits_ = false;
  }
  return rc;
}

/// A local response in the response's phases, before the headers left. Returns as a header filter does.
ngx_int_t NgxStream::ReplaceResponse() {
  LocalResponse response = chain_.TakeLocalResponse();
  replaced_ = true;
  trailers_came_ = false;
  decoder_.reset();
  if (!FillLocal(response)) return NGX_ERROR;
  local_body_ = std::move(response.body);
  local_body_waits_ = !local_body_.empty();
  if (r_->upstream != nullptr) {
    r_->upstream->upgrade = 0;
    Wake(Direction::kResponse);  // nobody needs the rest of its answer: RunResponse stops it
  }
  ngx_int_t rc = HeadVerdict(chain_.OnHeaders(Direction::kResponse, ResponseEnd()));
  if (rc == NGX_ERROR || rc > NGX_OK) return rc;
  // The caller may send nothing more (an empty answer, a static 304): the body goes now.
  if (response_state_ == ResponseState::kHeadReady || response_state_ == ResponseState::kPass) {
    if (Process(nullptr) == NGX_ERROR) return NGX_ERROR;
  }
  return rc;
}

/// Appends what the chain let out, and sends the headers before the first of it. False: the response is to be aborted.
bool NgxStream::Emit(BodyOut& body, ngx_buf_t* given, ChainBuilder* out) {
  const bool end = body.end == EndOfStream::kYes;
  const bool unchanged = body.unchanged && given != nullptr;
  const bool flush = given == nullptr || given->flush;
  if (given != nullptr && !unchanged) Consume(given);
  if (!unchanged && body.bytes.empty() && !end) return true;
  if (response_state_ == ResponseState::kHeadReady) {
    const ngx_int_t rc = SendHead(ResponseState::kBody);
    if (rc == NGX_ERROR || rc > NGX_OK) return false;
    if (response_state_ == ResponseState::kDone) return true;
  }
  if (end) response_state_ = ResponseState::kDone;
  if (unchanged) {
    if (!end) given->last_buf = 0;  // trailers that a plugin holds come behind it
    return out->Append(given);
  }
  ngx_buf_t* buf = response_chunks_.Add(r_->pool, std::move(body.bytes));
  if (!out->Append(buf)) return false;
  buf->last_buf = end;
  buf->last_in_chain = end;
  buf->flush = flush && !end;
  return true;
}

/// One body event. False: the response is to be aborted.
bool NgxStream::TakeResponseChunk(std::string_view chunk, EndOfStream end, ngx_buf_t* buf, ChainBuilder* out) {
  BodyOut body;
  switch (chain_.OnBody(Direction::kResponse, chunk, end, &body)) {
    case Verdict::kPause:
      if (buf != nullptr) Consume(buf);
      return true;
    case Verdict::kContinue:
      if (response_state_ == ResponseState::kHeadersHeld) {
        const ngx_int_t rc = PassHead();
        if (rc == NGX_ERROR || rc > NGX_OK) return false;
        if (response_state_ == ResponseState::kDone) return true;
      }
      if (buf == nullptr && body.unchanged) body.bytes = chunk;
      return Emit(body, buf, out);
    case Verdict::kLocalResponse:
      if (buf != nullptr) Consume(buf);
      return ReplaceResponse() != NGX_ERROR;
    case Verdict::kReset:
      return false;
  }
  return false;
}

/// The body is over, and trailers follow it. False: the response is to be aborted.
bool NgxStream::TakeResponseTrailers(ChainBuilder* out) {
  trailers_came_ = true;
  BodyOut body;
  switch (chain_.OnTrailers(Direction::kResponse, &body)) {
    case Verdict::kPause:
      return true;
    case Verdict::kContinue:
      if (response_state_ == ResponseState::kHeadersHeld) {
        const ngx_int_t rc = PassHead();
        if (rc == NGX_ERROR || rc > NGX_OK) return false;
        if (response_state_ == ResponseState::kDone) return true;
      }
      return Emit(body, nullptr, out);
    case Verdict::kLocalResponse:
      return ReplaceResponse() != NGX_ERROR;
    case Verdict::kReset:
      return false;
  }
  return false;
}

ngx_int_t NgxStream::Forward(ngx_chain_t* out) {
  const bool holds = response_state_ == ResponseState::kHeadersHeld || held_ != nullptr ||
                     (response_state_ != ResponseState::kDone && chain_.paused(Direction::kResponse));
  if (holds) {
    r_->connection->buffered |= kHeld;
  } else {
    r_->connection->buffered &= ~kHeld;
  }
  // While the headers are here there is nothing below us to flush.
  if (response_state_ < ResponseState::kBody) return NGX_OK;
  forwarding_ = true;
  const ngx_int_t rc = g_module.next_body_filter(r_, out);
  forwarding_ = false;
  return rc;
}

/// What was held and what comes now, in order, as far as it goes.
ngx_int_t NgxStream::Process(ngx_chain_t* in) {
  ChainBuilder out(r_->pool);
  if (resume_response_) {
    resume_response_ = false;
    BodyOut body;
    const Verdict verdict = chain_.Continue(Direction::kResponse, &body);
    if (verdict == Verdict::kReset) return NGX_ERROR;
    if (verdict == Verdict::kLocalResponse) {
      if (ReplaceResponse() == NGX_ERROR) return NGX_ERROR;
    } else if (response_state_ == ResponseState::kHeadersHeld &&
               (body.headers_passed || verdict == Verdict::kContinue)) {
      const ngx_int_t rc = PassHead();
      if (rc == NGX_ERROR || rc > NGX_OK) return NGX_ERROR;
    }
    if (verdict == Verdict::kContinue && response_state_ != ResponseState::kDone &&
        !Emit(body, nullptr, &out)) {
      return NGX_ERROR;
    }
  }
  if (replaced_ && response_state_ == ResponseState::kPass) {  // by an empty answer: only its end is missing
    response_state_ = ResponseState::kDone;
    ngx_buf_t* last = response_chunks_.Add(r_->pool, {});
    if (!out.Append(last)) return NGX_ERROR;
    last->last_buf = 1;
    last->last_in_chain = 1;
  }
  if (local_body_waits_ && response_state_ != ResponseState::kHeadersHeld) {
    local_body_waits_ = false;
    const std::string body = std::exchange(local_body_, {});
    if (!TakeResponseChunk(body, EndOfStream::kYes, nullptr, &out)) return NGX_ERROR;
  }
  // Held bufs come first, then the new ones.
  if (in != nullptr && ngx_chain_add_copy(r_->pool, &held_, in) == NGX_ERROR) return NGX_ERROR;
  for (;;) {
    if (!TakeHeld(&out)) return NGX_ERROR;
    const ngx_int_t rc = Forward(out.chain());
    // What is left waits for a resume, or for a client that is behind: then nginx calls again when it has taken something.
    if (rc == NGX_ERROR || held_ == nullptr || !Ready() || response_chunks_.waiting() > kAheadBytes) return rc;
    out.Clear();
  }
}

/// Whether held bufs may go on.
bool NgxStream::Ready() const {
  const bool swallow = replaced_ || response_state_ == ResponseState::kDone;
  return swallow || response_state_ != ResponseState::kHeadersHeld ||
         (headers_only_pause_ && !chain_.ignores_body(Direction::kResponse));
}

/// Held bufs as far as they may go. False: the response is to be aborted.
bool NgxStream::TakeHeld(ChainBuilder* out) {
  while (held_ != nullptr && Ready() && response_chunks_.waiting() <= kAheadBytes) {
    ngx_buf_t* buf = held_->buf;
    const bool swallow = replaced_ || response_state_ == ResponseState::kDone;
    if (decoder_ != nullptr && !swallow && (ngx_buf_size(buf) != 0 || buf->last_buf)) {
      if (!TakeDecoded(buf, out)) return false;
      continue;
    }
    ngx_chain_t* link = held_;
    held_ = held_->next;
    ngx_free_chain(r_->pool, link);
    if (swallow) {
      if (replaced_ && buf->last_buf) response_trailers_.DropUpstreams();
      Consume(buf);
    } else if (!TakeBuf(buf, out)) {
      return false;
    }
  }
  return true;
}

bool NgxStream::TakeBuf(ngx_buf_t* buf, ChainBuilder* out) {
  if (response_state_ == ResponseState::kPass) {
    if (buf->last_buf) response_state_ = ResponseState::kDone;
    return out->Append(buf);
  }
  const EndOfStream end = buf->last_buf ? EndOfStream::kYes : EndOfStream::kNo;
  if (ngx_buf_size(buf) != 0 && !ngx_buf_in_memory(buf)) {
    ngx_log_error(NGX_LOG_ALERT, r_->connection->log, 0, "weir: a response body is not in memory");
    return false;
  }
  std::string_view chunk;
  if (ngx_buf_in_memory(buf)) chunk = {reinterpret_cast<char*>(buf->pos), static_cast<size_t>(buf->last - buf->pos)};
  if (end == EndOfStream::kYes && !trailers_came_ && response_trailers_.size() > 0) {
    if (!chunk.empty() && !TakeResponseChunk(chunk, EndOfStream::kNo, buf, out)) return false;
    if (chunk.empty()) Consume(buf);
    return replaced_ || response_state_ == ResponseState::kDone || TakeResponseTrailers(out);
  }
  if (!chunk.empty() || end == EndOfStream::kYes) return TakeResponseChunk(chunk, end, buf, out);
  // a flush, or the end of a subrequest's part
  if (chain_.paused(Direction::kResponse)) return true;
  if (response_state_ == ResponseState::kHeadReady) {
    const ngx_int_t rc = SendHead(ResponseState::kBody);
    if (rc == NGX_ERROR || rc > NGX_OK) return false;
  }
  return response_state_ == ResponseState::kDone || out->Append(buf);
}

ngx_int_t NgxStream::ResponseBody(ngx_chain_t* in) noexcept {
  // A filter below us took the end for itself (add_after_body) and sends another one, which comes in from above.
  if (forwarding_) return g_module.next_body_filter(r_, in);
  if (response_state_ == ResponseState::kNone || (response_state_ == ResponseState::kPass && held_ == nullptr)) {
    return g_module.next_body_filter(r_, in);
  }
  if (response_state_ == ResponseState::kDone && held_ == nullptr && !resume_response_) {
    for (; in != nullptr; in = in->next) Consume(in->buf);
    r_->connection->buffered &= ~kHeld;
    return g_module.next_body_filter(r_, nullptr);
  }
  return Process(in);
}

void NgxStream::RunResponse() {
  if (response_state_ == ResponseState::kNone) return;
  const bool passed = response_state_ == ResponseState::kPass || response_state_ == ResponseState::kDone;
  if (passed) {
    // The only news there can be is that a plugin failed or resets.
    BodyOut body;
    if (chain_.Continue(Direction::kResponse, &body) == Verdict::kReset) return Abort();
  } else {
    resume_response_ = true;
    if (ngx_http_output_filter(r_, nullptr) == NGX_ERROR) return ngx_http_finalize_request(r_, NGX_ERROR);
  }
  if (replaced_ && r_->upstream != nullptr && r_->upstream->cleanup != nullptr) {
    StopUpstream();
    return ngx_http_finalize_request(r_, NGX_OK);
  }
  if (!passed) r_->write_event_handler(r_);  // ngx_http_writer, or the upstream's: go on sending
}

}  // namespace weir::nginx
