// weir_decode: a compressed body on its way to plugins.
#include "nginx/config.h"
#include "nginx/stream.h"

namespace weir::nginx {

/// weir_decode: plugins that look at the body see it without its Content-Encoding, and so does the client (or as nginx's gzip makes it).
void NgxStream::PrepareDecoding() {
  const ngx_table_elt_t* encoding = r_->headers_out.content_encoding;
  if (encoding == nullptr || encoding->hash == 0 || chain_.ignores_body(Direction::kResponse) || CannotWait() != nullptr) return;
  const bool has_body = ResponseEnd() == EndOfStream::kNo;
  if (!has_body && !client_asked_head_) return;
  std::string name(View(encoding->value));
  for (char& c : name) c = Lower(c);
  std::unique_ptr<BodyDecoder> decoder;
  if (r_->headers_out.status != NGX_HTTP_PARTIAL_CONTENT) decoder = BodyDecoder::For(name);
  if (decoder == nullptr) {
    if (name == "identity") return;
    ngx_log_error(NGX_LOG_WARN, r_->connection->log, 0, "weir: weir_decode: plugins see this response as it is (%V%s)",
                  &encoding->value, r_->headers_out.status == NGX_HTTP_PARTIAL_CONTENT ? ", a part of it" : "");
    return;
  }
  response_headers_.Remove("content-encoding");
  ngx_http_clear_content_length(r_);
  ngx_http_clear_accept_ranges(r_);
  ngx_http_weak_etag(r_);
  if (has_body) decoder_ = std::move(decoder);
}

/// One buf of a compressed body: a body event for each piece. It stays the first of held_ while the client is behind.
bool NgxStream::TakeDecoded(ngx_buf_t* buf, ChainBuilder* out) {
  const bool last = buf->last_buf;
  std::string_view whole;
  if (ngx_buf_in_memory(buf)) whole = {reinterpret_cast<char*>(buf->pos), static_cast<size_t>(buf->last - buf->pos)};
  for (BodyDecoder::Status status = BodyDecoder::Status::kMore; status == BodyDecoder::Status::kMore;) {
    if (response_chunks_.waiting() > kAheadBytes) return true;
    std::string_view rest = whole.substr(decoded_);
    std::string piece;
    status = decoder_->Decode(&rest, &piece);
    decoded_ = whole.size() - rest.size();
    if (status == BodyDecoder::Status::kBad || (last && status == BodyDecoder::Status::kInput && !decoder_->complete())) {
      ngx_log_error(NGX_LOG_ERR, r_->connection->log, 0, "weir: weir_decode: the response's body is %s",
                    status == BodyDecoder::Status::kBad ? "not what its Content-Encoding says" : "cut off");
      return false;
    }
    if (!piece.empty() && !TakeResponseChunk(piece, EndOfStream::kNo, nullptr, out)) return false;
    if (replaced_ || response_state_ == ResponseState::kDone) break;
  }
  decoded_ = 0;
  if (held_ == nullptr || held_->buf != buf) return true;  // a response that took this one's place has swallowed it
  ngx_chain_t* link = held_;
  held_ = held_->next;
  ngx_free_chain(r_->pool, link);
  Consume(buf);
  if (!last || replaced_ || response_state_ == ResponseState::kDone) return true;
  return TakeResponseChunk({}, EndOfStream::kYes, nullptr, out);
}

}  // namespace weir::nginx
