// A response made by a plugin in place of nginx's, and the end of a request that cannot be answered any more.
#include "http/grpc_response.h"
#include "nginx/stream.h"

namespace weir::nginx {

/// headers_out becomes `response`. What the response had before is gone.
bool NgxStream::FillLocal(LocalResponse& response) {
  details_ = response.details;
  ngx_http_clean_header(r_);
  r_->err_status = 0;
  r_->allow_ranges = 0;
  r_->expect_trailers = 0;
  if (response.grpc_status >= 0 && IsGrpcRequest(request_headers_)) MakeTrailersOnly(&response);
  r_->headers_out.status = response.status;
  if (response.status == NGX_HTTP_NO_CONTENT || response.status == NGX_HTTP_NOT_MODIFIED) {
    response.body.clear();
  } else {
    r_->headers_out.content_length_n = static_cast<off_t>(response.body.size());
  }
  bool typed = false;
  for (const auto& [name, value] : response.headers) {
    typed = typed || EqualsLower(name, "content-type");
    if (!response_headers_.Add(name, value)) return false;
  }
  return typed || response.body.empty() || response_headers_.Add("content-type", "text/plain");
}

/// From the access phase or an event. The request may be gone afterwards.
void NgxStream::SendLocal() {
  LocalResponse response = chain_.TakeLocalResponse();
  const bool reading = r_->request_body != nullptr && !body_seen_end_ &&
                       (request_state_ == RequestState::kReading || request_state_ == RequestState::kStreaming);
  request_state_ = RequestState::kAnswered;
  ReleaseRequest();
  StopUpstream();
  r_->read_event_handler = ngx_http_block_reading;
  if (reading) {
    // The rest of the body is in the way: nginx reads it away before it closes.
    r_->keepalive = 0;
    r_->reading_body = 0;
    if (r_->connection->read->timer_set) ngx_del_timer(r_->connection->read);
#if (NGX_HTTP_V2)
    if (r_->stream != nullptr) r_->stream->skip_data = 1;
#endif
  }
  ngx_int_t rc = ngx_http_discard_request_body(r_);
  if (rc != NGX_OK) return ngx_http_finalize_request(r_, rc);
  if (!FillLocal(response)) return ngx_http_finalize_request(r_, NGX_HTTP_INTERNAL_SERVER_ERROR);
  rc = ngx_http_send_header(r_);
  if (rc == NGX_ERROR || rc > NGX_OK || r_->header_only) return ngx_http_finalize_request(r_, rc);
  ChainBuilder out(r_->pool);
  auto* buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(r_->pool));
  const ngx_str_t bytes = Copy(r_->pool, response.body);
  if (bytes.data == nullptr || !out.Append(buf)) return ngx_http_finalize_request(r_, NGX_ERROR);
  buf->last_buf = 1;
  buf->last_in_chain = 1;
  if (bytes.len > 0) {
    buf->memory = 1;
    buf->start = buf->pos = bytes.data;
    buf->end = buf->last = bytes.data + bytes.len;
  }
  ngx_http_finalize_request(r_, ngx_http_output_filter(r_, out.release()));  // the pool may go too
}

/// Lets go of a connected upstream, without ending the request.
void NgxStream::StopUpstream() {
  ngx_http_upstream_t* upstream = r_->upstream;
  if (upstream == nullptr || upstream->cleanup == nullptr) return;
  r_->main->count++;  // its cleanup gives one back
  (*upstream->cleanup)(r_);
}

/// Closes the connection, or resets the stream of HTTP/2.
void NgxStream::Abort() {
  request_state_ = RequestState::kAnswered;
  response_state_ = ResponseState::kDone;
  ngx_http_finalize_request(r_, NGX_HTTP_CLOSE);
}

}  // namespace weir::nginx
