#include "nginx/stream.h"

#include <algorithm>
#include <new>
#include <utility>

#include "nginx/module.h"
#include "nginx/properties.h"
#include "nginx/worker.h"

namespace weir::nginx {

NgxStream::NgxStream(ngx_http_request_t* r, std::span<Plugin* const> plugins, uint64_t body_bytes) noexcept
    : r_(r),
      request_headers_(r),
      response_headers_(r),
      response_trailers_(r),
      headers_only_pause_(std::any_of(plugins.begin(), plugins.end(),
                                      [](const Plugin* plugin) {
                                        return plugin->spec().header_pause == HeaderPause::kHeadersOnly;
                                      })),
      client_asked_head_(r->method == NGX_HTTP_HEAD),
      chain_(*this, plugins, body_bytes) {
  event_.data = this;
  event_.handler = OnEvent;
  event_.log = r->connection->log;
  hold_connection_.fd = static_cast<ngx_socket_t>(-1);
  hold_.data = &hold_connection_;
  hold_.handler = OnHoldTimer;
  hold_.log = event_.log;
  g_module.AddStreams(1);
}

NgxStream::~NgxStream() {
  if (event_.posted) {
    ngx_delete_posted_event(&event_);
  }
  ReleaseRequest();
  r_->connection->buffered &= ~kHeld;
  g_module.AddStreams(-1);
  if (gone_ != nullptr) *gone_ = true;
}

void NgxStream::Cleanup(void* data) noexcept {
  auto* stream = static_cast<NgxStream*>(data);
  const LogScope scope(stream->r_);
  stream->chain_.Finish();
  delete stream;
}

NgxStream* NgxStream::Find(ngx_http_request_t* r) noexcept {
  auto* stream = static_cast<NgxStream*>(ngx_http_get_module_ctx(r, ngx_http_weir_module));
  if (stream != nullptr || !(r->internal || r->filter_finalize)) return stream;
  // error_page, try_files, index … wipe the contexts; the pool's cleanup list stays.
  for (ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup != nullptr; cleanup = cleanup->next) {
    if (cleanup->handler != Cleanup) continue;
    stream = static_cast<NgxStream*>(cleanup->data);
    if (stream->r_ != r) return nullptr;  // a subrequest shares the pool
    ngx_http_set_ctx(r, stream, ngx_http_weir_module);
    return stream;
  }
  return nullptr;
}

NgxStream* NgxStream::Create(ngx_http_request_t* r, std::span<Plugin* const> plugins, uint64_t body_bytes) noexcept {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, 0);
  if (cleanup == nullptr) return nullptr;
  const trace::RecordRequest recorded(g_module.worker != nullptr ? g_module.worker->recorder() : nullptr, LocationOf(r)->record);
  auto* stream = new (std::nothrow) NgxStream(r, plugins, body_bytes);
  if (stream == nullptr) return nullptr;
  cleanup->handler = Cleanup;
  cleanup->data = stream;
  ngx_http_set_ctx(r, stream, ngx_http_weir_module);
  return stream;
}

HeaderMap* NgxStream::headers(HeaderMapKind kind) {
  switch (kind) {
    case HeaderMapKind::kRequestHeaders:
      return &request_headers_;
    case HeaderMapKind::kResponseHeaders:
      return response_state_ == ResponseState::kNone ? nullptr : &response_headers_;
    case HeaderMapKind::kResponseTrailers:
      return trailers_came_ ? &response_trailers_ : nullptr;
    default:
      return nullptr;  // nginx drops a request's trailers
  }
}

/// Chunked and HTTP/2 responses can have some.
HeaderMap* NgxStream::AddTrailers(Direction direction) {
  if (direction == Direction::kRequest || response_state_ == ResponseState::kNone) return nullptr;
  bool framed = r_->chunked;
#if (NGX_HTTP_V2)
  framed = framed || r_->stream != nullptr;
#endif
  if (!framed) {
    if (response_state_ >= ResponseState::kBody || r_->http_version < NGX_HTTP_VERSION_11) return nullptr;
    auto* location = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r_, ngx_http_core_module));
    if (location->chunked_transfer_encoding == 0) return nullptr;
    r_->expect_trailers = 1;  // the headers have not left: they will say so
  }
  if (response_trailers_.size() > 0) trailers_came_ = true;
  return &response_trailers_;
}

bool NgxStream::headers_sent(Direction direction) {
  if (direction == Direction::kRequest) {
    return request_state_ >= RequestState::kStreaming;
  }
  return response_state_ >= ResponseState::kBody || r_->header_sent;
}

std::optional<PropertyValue> NgxStream::property(Property property) {
  if (property == Property::kResponseCodeDetails && !details_.empty()) return PropertyValue(details_);
  return ReadProperty(r_, upstream_peer_, property);
}

std::optional<std::string> NgxStream::variable(std::string_view path) { return ReadVariable(r_, path); }

bool NgxStream::SetVariable(std::string_view path, std::string_view value) {
  return WriteVariable(r_, path, value);
}

/// Heard where `weir_reroute on` stands (Reroute).
void NgxStream::ClearRouteCache() { route_cleared_ = true; }

void NgxStream::OnNote(ChainNote note, std::string_view plugin) {
  const std::string_view text = Describe(note);
  const ngx_str_t name = Borrow(plugin), what = Borrow(text);
  ngx_log_error(NGX_LOG_WARN, r_->connection->log, 0, "weir: plugin \"%V\" %V", &name, &what);
  if (g_module.worker != nullptr) g_module.worker->CountNote(Name(note), plugin);
}

void NgxStream::Wake(Direction direction) {
  wake_[static_cast<size_t>(direction)] = true;
  Post();
}

void NgxStream::Post() {
  ngx_post_event(&event_, &ngx_posted_events);
}

void NgxStream::OnEvent(ngx_event_t* event) noexcept {
  auto* stream = static_cast<NgxStream*>(event->data);
  ngx_http_request_t* r = stream->r_;
  ngx_connection_t* connection = r->connection;
  ngx_http_set_log_request(connection->log, r);
  const LogScope scope(r);
  bool gone = false;
  stream->gone_ = &gone;
  for (const Direction direction : {Direction::kRequest, Direction::kResponse}) {
    if (gone || !std::exchange(stream->wake_[static_cast<size_t>(direction)], false)) continue;
    if (direction == Direction::kRequest) {
      stream->RunRequest();
    } else {
      stream->RunResponse();
    }
  }
  if (!gone) stream->gone_ = nullptr;
  ngx_http_run_posted_requests(connection);
}

void NgxStream::Finish() noexcept { chain_.Finish(); }

}  // namespace weir::nginx
