// The request's side: the access phase, and the body on its way into nginx.
//
//   buffered    Access() reads the body; each chunk goes through the chain and on to nginx's own buffering (memory, then a
//               file). When it is complete and nothing is held the phases go on, so that a plugin can still change headers
//               in its body callback: nothing is connected before.
//   streaming   proxy_request_buffering off: the content handler reads, each chunk goes to the upstream. Plugins may change how
//               long a body is, so one with a Content-Length goes on in chunks, which takes proxy_http_version 1.1; to an upstream
//               that cannot have chunks (HTTP/1.0, FastCGI …) it goes when it is whole, and its new length known.
#include <utility>

#include "nginx/config.h"
#include "nginx/module.h"
#include "nginx/stream.h"
#include "nginx/worker.h"

extern "C" {
extern ngx_module_t ngx_http_proxy_module, ngx_http_fastcgi_module, ngx_http_uwsgi_module,
    ngx_http_scgi_module, ngx_http_grpc_module;
extern ngx_module_t ngx_http_dav_module __attribute__((weak));  // not in every nginx
}

namespace weir::nginx {
namespace {

/// A worker that is told to exit goes as soon as no timer is left; worker_shutdown_timeout is the limit for requests that wait.
constexpr ngx_msec_t kHoldMs = 60'000;

bool HasBody(const ngx_http_request_t* r) {
  return r->headers_in.content_length_n > 0 || r->headers_in.chunked;
}

/// These modules' configurations begin with nginx's upstream configuration.
const ngx_http_upstream_conf_t* UpstreamConf(ngx_http_request_t* r, const ngx_module_t& module) {
  return static_cast<ngx_http_upstream_conf_t*>(r->loc_conf[module.ctx_index]);
}

/// PUT of WebDAV moves the body's file to its place. It asks for one when it reads the body; this module reads first.
bool IsDavPut(ngx_http_request_t* r) {
  if (r->method != NGX_HTTP_PUT || &ngx_http_dav_module == nullptr) return false;
  // Its configuration begins with the methods of dav_methods.
  const auto* methods = static_cast<const ngx_uint_t*>(r->loc_conf[ngx_http_dav_module.ctx_index]);
  return (*methods & NGX_HTTP_PUT) != 0;
}

/// What proxy_http_version says. The rest of that module's configuration is its own, but its directives tell where they write.
bool ProxySpeaksHttp11(ngx_http_request_t* r) {
  for (const ngx_command_t* row = ngx_http_proxy_module.commands; row->name.len > 0; row++) {
    if (View(row->name) != "proxy_http_version") continue;
    const auto* conf = static_cast<const char*>(r->loc_conf[ngx_http_proxy_module.ctx_index]);
    ngx_uint_t version = 0;
    std::memcpy(&version, conf + row->offset, sizeof version);
    return version == NGX_HTTP_VERSION_11;
  }
  return false;
}

void ConsumeAll(ngx_chain_t* in) {
  for (; in != nullptr; in = in->next) Consume(in->buf);
}

}  // namespace

bool NgxStream::StreamsBody() const {
  if (!r_->headers_in.chunked) {
    return UpstreamConf(r_, ngx_http_proxy_module)->request_buffering == 0 && ProxySpeaksHttp11(r_);
  }
  for (const ngx_module_t* module : {&ngx_http_proxy_module, &ngx_http_fastcgi_module,
                                     &ngx_http_uwsgi_module, &ngx_http_scgi_module}) {
    if (UpstreamConf(r_, *module)->request_buffering == 0) return true;
  }
  // grpc_pass streams both ways at once: reading the whole request first would wait for ever.
  return UpstreamConf(r_, ngx_http_grpc_module)->upstream != nullptr;
}

ngx_int_t NgxStream::Access() noexcept {
  const ngx_int_t rc = Admit();
  if (rc != NGX_DECLINED || std::exchange(admitted_, true)) return rc;
  const LocationConf* conf = LocationOf(r_);
  if (conf->decode != 0 && !chain_.ignores_body(Direction::kResponse) && !request_headers_.HideAcceptEncoding()) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  return conf->reroute != 0 && (route_cleared_ || request_headers_.path_changed()) ? Reroute() : rc;
}

/// To the location of the path that the plugins left. They go with the request: it gets no others.
ngx_int_t NgxStream::Reroute() {
  ngx_http_internal_redirect(r_, &r_->uri, &r_->args);
  ngx_http_finalize_request(r_, NGX_DONE);  // gives back the reference that the redirect took
  return NGX_DONE;
}

/// NGX_DECLINED: through.
ngx_int_t NgxStream::Admit() {
  switch (request_state_) {
    case RequestState::kStart:
      return AfterHeaders(chain_.OnHeaders(Direction::kRequest,
                                           HasBody(r_) ? EndOfStream::kNo : EndOfStream::kYes));
    case RequestState::kHeadersDone:
      return StartBody();
    case RequestState::kStreaming:
    case RequestState::kPassed:
      return NGX_DECLINED;  // so that `satisfy` and other access modules keep their meaning
    default:
      return NGX_AGAIN;  // a stray event while it waits
  }
}

ngx_int_t NgxStream::AfterHeaders(Verdict verdict) {
  switch (verdict) {
    case Verdict::kContinue:
      return StartBody();
    case Verdict::kPause:
      if (headers_only_pause_ && HasBody(r_)) return StartBody();
      HoldRequest(RequestState::kHeadersHeld);
      return NGX_AGAIN;
    case Verdict::kLocalResponse:
      SendLocal();
      return NGX_DONE;
    case Verdict::kReset:
      request_state_ = RequestState::kAnswered;
      return NGX_HTTP_CLOSE;
  }
  return NGX_ERROR;
}

ngx_int_t NgxStream::StartBody() {
  if (!HasBody(r_) || (chain_.ignores_body(Direction::kRequest) && !chain_.paused(Direction::kRequest))) {
    request_state_ = RequestState::kPassed;
    return NGX_DECLINED;
  }
  if (StreamsBody() && !chain_.paused(Direction::kRequest)) {
    request_state_ = RequestState::kStreaming;
    body_sized_ = !r_->headers_in.chunked;
    return NGX_DECLINED;
  }
  request_state_ = RequestState::kReading;
  if (IsDavPut(r_)) {
    r_->request_body_in_file_only = 1;
    r_->request_body_in_persistent_file = 1;
    r_->request_body_in_clean_file = 1;
    r_->request_body_file_group_access = 1;
    r_->request_body_file_log_level = 0;
  }
  const ngx_int_t rc = ngx_http_read_client_request_body(r_, OnBodyRead);
  if (rc >= NGX_HTTP_SPECIAL_RESPONSE) return rc;
  ngx_http_finalize_request(r_, NGX_DONE);  // gives back the reference that the read took
  return NGX_DONE;
}

/// Nothing moves but a client that leaves (499), until RunRequest.
void NgxStream::HoldRequest(RequestState state) {
  request_state_ = state;
  r_->read_event_handler = ngx_http_test_reading;
  r_->write_event_handler = ngx_http_request_empty_handler;  // else a stray event runs the phases again
  if (!hold_.timer_set) ngx_add_timer(&hold_, kHoldMs);
}

void NgxStream::ReleaseRequest() {
  if (hold_.timer_set) ngx_del_timer(&hold_);
}

void NgxStream::OnHoldTimer(ngx_event_t* event) noexcept { ngx_add_timer(event, kHoldMs); }

void NgxStream::ContinuePhases() {
  ReleaseRequest();
  r_->read_event_handler = ngx_http_block_reading;
  r_->write_event_handler = ngx_http_core_run_phases;
  ngx_http_core_run_phases(r_);
}

ngx_int_t NgxStream::RequestBody(ngx_chain_t* in) noexcept {
  const bool streaming = request_state_ == RequestState::kStreaming;
  if (!streaming && request_state_ != RequestState::kReading) {
    if (request_state_ == RequestState::kAnswered) {
      ConsumeAll(std::exchange(request_held_, nullptr));
      ConsumeAll(in);
      in = nullptr;
    }
    return g_module.next_request_body_filter(r_, in);
  }
  if (streaming && !std::exchange(body_begun_, true) && body_sized_) BeginStreaming();
  ChainBuilder out(r_->pool);
  if (!body_tail_.empty() || (streaming && body_out_end_ && !r_->request_body->last_saved)) {
    const auto bytes = static_cast<off_t>(body_tail_.size());
    ngx_buf_t* buf = request_chunks_.Add(r_->pool, std::exchange(body_tail_, {}));
    if (!out.Append(buf)) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    body_out_bytes_ += bytes;
    buf->last_buf = streaming && body_out_end_;
  }
  if (in != nullptr && ngx_chain_add_copy(r_->pool, &request_held_, in) == NGX_ERROR) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  while (request_held_ != nullptr && request_stop_ == Verdict::kContinue) {
    // An upstream that is behind: nginx reads no more while these are not consumed.
    if (r_->request_body_no_buffering && request_chunks_.waiting() > kAheadBytes) break;
    ngx_chain_t* link = request_held_;
    ngx_buf_t* buf = link->buf;
    request_held_ = link->next;
    ngx_free_chain(r_->pool, link);
    if (!TakeRequestChunk(buf, &out)) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  if (request_stop_ != Verdict::kContinue) {
    ConsumeAll(std::exchange(request_held_, nullptr));
    return g_module.next_request_body_filter(r_, nullptr);
  }
  if (streaming && body_out_end_ && body_changed_ && !upstream_chunked_) {
    // It was streamed whole before the upstream was connected: it goes with a Content-Length after all.
    if (!body_sized_) {
      r_->headers_in.content_length_n = body_out_bytes_;
    } else if (!request_headers_.SetBodyLength(body_out_bytes_)) {
      return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
  }
  return g_module.next_request_body_filter(r_, out.chain());
}

/// One body event. False: out of memory.
bool NgxStream::TakeRequestChunk(ngx_buf_t* buf, ChainBuilder* out) {
  const bool streaming = request_state_ == RequestState::kStreaming;
  const EndOfStream end = buf->last_buf ? EndOfStream::kYes : EndOfStream::kNo;
  const std::string_view chunk(reinterpret_cast<char*>(buf->pos), static_cast<size_t>(buf->last - buf->pos));
  if (chunk.empty() && end == EndOfStream::kNo) return true;
  if (end == EndOfStream::kYes) body_seen_end_ = true;
  BodyOut body;
  const Verdict verdict = chain_.OnBody(Direction::kRequest, chunk, end, &body);
  if (verdict == Verdict::kLocalResponse || verdict == Verdict::kReset) {
    // nginx is in the middle of its read: the answer is given when it has returned.
    request_stop_ = verdict;
    buf->pos = buf->last;
    wake_[static_cast<size_t>(Direction::kRequest)] = true;
    Post();
    return true;
  }
  if (body.end == EndOfStream::kYes) body_out_end_ = true;
  if (body.unchanged) {
    body_out_bytes_ += static_cast<off_t>(chunk.size());
    return out->Append(buf);
  }
  body_changed_ = true;  // or only held, which is the same until it is over
  buf->pos = buf->last;  // taken: nginx may use its buffer again
  // In a buffered read nginx gets its end at once, and the tail is appended when it is released (AppendBody).
  const bool last = streaming ? body.end == EndOfStream::kYes : end == EndOfStream::kYes;
  if (body.bytes.empty() && !last) return true;
  body_out_bytes_ += static_cast<off_t>(body.bytes.size());
  ngx_buf_t* replaced = request_chunks_.Add(r_->pool, std::move(body.bytes));
  if (!out->Append(replaced)) return false;
  replaced->last_buf = last;
  return true;
}

/// A body with a Content-Length is about to be read by the content handler: it goes on in chunks, or is read whole.
void NgxStream::BeginStreaming() {
  if (!r_->request_body_no_buffering) return;
  ngx_http_upstream_t* upstream = r_->upstream;
  if (upstream == nullptr || upstream->output.tag != static_cast<ngx_buf_tag_t>(&ngx_http_proxy_module)) {
    r_->request_body_no_buffering = 0;
    return;
  }
  create_request_ = upstream->create_request;
  upstream->create_request = CreateUpstreamRequest;
}

/// proxy_pass makes its request of what the client's looks like at that moment.
ngx_int_t NgxStream::CreateUpstreamRequest(ngx_http_request_t* r) noexcept {
  NgxStream* stream = Find(r);
  stream->upstream_chunked_ = r->reading_body;
  r->headers_in.chunked = stream->upstream_chunked_;
  const ngx_int_t rc = stream->create_request_(r);
  r->headers_in.chunked = 0;
  return rc;
}

void NgxStream::OnBodyRead(ngx_http_request_t* r) noexcept {
  NgxStream* stream = Find(r);
  const LogScope scope(r);
  stream->BodyRead();
}

void NgxStream::BodyRead() {
  if (request_stop_ != Verdict::kContinue) {
    HoldRequest(request_state_);  // the event is on its way
    return;
  }
  if (body_seen_end_ && !body_out_end_) {
    HoldRequest(RequestState::kBodyHeld);
    return;
  }
  if (!BodyComplete()) {
    ngx_http_finalize_request(r_, NGX_HTTP_INTERNAL_SERVER_ERROR);
    return;
  }
  ContinuePhases();
}

/// The length follows a changed body.
bool NgxStream::BodyComplete() {
  request_state_ = RequestState::kPassed;
  if (!body_changed_) return true;
  if (body_out_bytes_ == 0) r_->request_body->bufs = nullptr;
  return request_headers_.SetBodyLength(body_out_bytes_);
}

/// Behind what nginx holds of the body: in its temporary file, if it made one, so that the body stays in one place.
bool NgxStream::AppendBody(std::string bytes) {
  if (bytes.empty()) return true;
  body_out_bytes_ += static_cast<off_t>(bytes.size());
  ngx_http_request_body_t* body = r_->request_body;
  ngx_chain_t link{request_chunks_.Add(r_->pool, std::move(bytes)), nullptr};
  if (link.buf == nullptr) return false;
  if (body->temp_file != nullptr && (body->bufs == nullptr || body->bufs->buf->in_file)) {
    const ssize_t wrote = ngx_write_chain_to_temp_file(body->temp_file, &link);
    if (wrote == NGX_ERROR) return false;
    body->temp_file->offset += wrote;
    link.buf->pos = link.buf->last;
    if (body->bufs == nullptr) {  // all of it was held: the file was empty
      ChainBuilder file(r_->pool);
      auto* buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(r_->pool));
      if (!file.Append(buf)) return false;
      buf->in_file = 1;
      buf->file = &body->temp_file->file;
      body->bufs = file.release();
    }
    body->bufs->buf->file_last = body->temp_file->file.offset;
    return true;
  }
  ngx_chain_t** end = &body->bufs;
  while (*end != nullptr) end = &(*end)->next;
  ChainBuilder tail(r_->pool);
  if (!tail.Append(link.buf)) return false;
  *end = tail.release();
  return true;
}

void NgxStream::StopRequest(Verdict verdict) {
  request_stop_ = Verdict::kContinue;
  if (verdict == Verdict::kLocalResponse) {
    SendLocal();
  } else {
    Abort();
  }
}

void NgxStream::RunRequest() {
  if (request_state_ == RequestState::kAnswered) return;
  if (request_stop_ != Verdict::kContinue) return StopRequest(request_stop_);
  BodyOut body;
  const Verdict verdict = chain_.Continue(Direction::kRequest, &body);
  if (verdict == Verdict::kLocalResponse || verdict == Verdict::kReset) return StopRequest(verdict);
  switch (request_state_) {
    case RequestState::kHeadersHeld:
      if (verdict == Verdict::kPause) return;
      request_state_ = RequestState::kHeadersDone;
      return ContinuePhases();
    case RequestState::kReading:
      // Not all is here yet: it goes on with the next chunk.
      body_tail_ += body.bytes;
      return;
    case RequestState::kBodyHeld:
      if (body.end == EndOfStream::kYes) body_out_end_ = true;
      if (!AppendBody(std::move(body.bytes)) || (body_out_end_ && !BodyComplete())) {
        ngx_http_finalize_request(r_, NGX_HTTP_INTERNAL_SERVER_ERROR);
      } else if (body_out_end_) {
        ContinuePhases();
      }
      return;
    case RequestState::kStreaming:
      body_tail_ += body.bytes;
      if (body.end == EndOfStream::kYes) body_out_end_ = true;
      if (!body_tail_.empty() || body_out_end_) r_->read_event_handler(r_);
      return;
    default:
      return;
  }
}

}  // namespace weir::nginx
