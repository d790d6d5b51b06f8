#include "host/http2_connection.h"

#include <openssl/ssl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

#include "base/log_text.h"

namespace weir {
namespace {

constexpr int32_t kStreamWindowBytes = 1 << 20;
constexpr int32_t kConnectionWindowBytes = 16 << 20;
constexpr size_t kKeepSentBytes = 256 << 10;  // of a stream's messages: to send them again where a kept connection turns out dead
constexpr unsigned char kAlpn[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr unsigned kAlpnHttp2Bytes = 3;       // the first of them
constexpr uint32_t kStreamsMax = 100;         // of one connection, unless the server says less

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

nghttp2_nv Pair(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) { return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data())); };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

/// Adds "name: value" and "name;", as libcurl takes them, in HTTP/2's form: lower case, no blanks around a value [RFC 9113 §8.2].
void AddLines(std::vector<std::string>& lines, std::vector<nghttp2_nv>* to) {
  for (std::string& line : lines) {
    const size_t end = std::min(line.find_first_of(":;"), line.size() - 1);
    for (char& c : std::span(line).first(end)) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    to->push_back(Pair(std::string_view(line).substr(0, end), Trim(std::string_view(line).substr(end + 1))));
  }
}

/// A request with a body, or one that could have had one, says how long it is. [RFC 9110 §8.6]
bool SaysLength(const CallRequest& request) {
  return !request.grpc && (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH");
}

}  // namespace

Http2Connection::~Http2Connection() {
  nghttp2_session_del(session_);
  if (fd_ >= 0) epoll_ctl(pool_.epoll_fd_, EPOLL_CTL_DEL, fd_, nullptr);
  if (easy_) {
    curl_multi_remove_handle(pool_.multi_, easy_);
    curl_easy_cleanup(easy_);
  }
  curl_slist_free_all(connect_to_);
}

bool Http2Connection::Dial(CURLM* multi) {
  easy_ = curl_easy_init();
  if (!easy_ || !SetEndpoint(easy_, cluster_->config, endpoint(), this, error_, &connect_to_)) return false;
  curl_easy_setopt(easy_, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy_, CURLOPT_SSL_ENABLE_ALPN, 0L);  // libcurl would begin its own HTTP/2
  curl_easy_setopt(easy_, CURLOPT_SSL_CTX_FUNCTION, &OfferHttp2);
  curl_easy_setopt(easy_, CURLOPT_SSL_CTX_DATA, this);
  return curl_multi_add_handle(multi, easy_) == CURLM_OK;
}

CURLcode Http2Connection::OfferHttp2(CURL*, void* context, void* self) {
  auto* tls = static_cast<SSL_CTX*>(context);
  const unsigned offered = static_cast<Http2Connection*>(self)->http1_too_ ? sizeof kAlpn : kAlpnHttp2Bytes;
  if (SSL_CTX_set_app_data(tls, self) != 1 || SSL_CTX_set_alpn_protos(tls, kAlpn, offered) != 0) return CURLE_SSL_CONNECT_ERROR;
  SSL_CTX_set_info_callback(tls, [](const SSL* ssl, int where, int) {
    if (!(where & SSL_CB_HANDSHAKE_DONE)) return;
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &chosen, &size);
    static_cast<Http2Connection*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->chosen_ = size == 2 && memcmp(chosen, "h2", 2) == 0;
  });
  return CURLE_OK;
}

CallOutcome Http2Connection::Connected() {
  curl_socket_t fd = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &fd);
  if (fd == CURL_SOCKET_BAD) return {CallFailure::kConnect, "the connection is gone"};
  fd_ = fd;
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) return {CallFailure::kReset, "out of memory"};
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
  const int made = nghttp2_session_client_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) return {CallFailure::kReset, "out of memory"};
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd_}};
  if (epoll_ctl(pool_.epoll_fd_, EPOLL_CTL_ADD, fd_, &event) != 0) return {CallFailure::kReset, strerror(errno)};
  for (Http2Stream* stream : streams_) Submit(*stream);
  return {};
}

bool Http2Connection::HasRoom() const {
  if (goaway_ || dead_) return false;
  const uint32_t most = session_ ? std::min(kStreamsMax, nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)) : kStreamsMax;
  return streams_.size() < most;
}

void Http2Connection::Add(Http2Stream& stream) {
  stream.on = this;
  streams_.insert(&stream);
  if (session_) Submit(stream);
}

void Http2Connection::Submit(Http2Stream& stream) {
  CallRequest& request = *stream.request;
  std::vector<nghttp2_nv> headers = {Pair(":method", request.method), Pair(":scheme", endpoint().tls ? "https" : "http"), Pair(":path", request.path),
                                     Pair(":authority", request.authority.empty() ? endpoint().authority : request.authority)};
  AddLines(request.header_lines, &headers);
  const std::string length = std::to_string(request.body.size());
  if (SaysLength(request)) headers.push_back(Pair("content-length", length));
  nghttp2_data_provider body{};
  body.read_callback = &OnRead;
  const bool has_body = !request.body.empty() || request.body_open || !request.trailer_lines.empty();
  stream.id = nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), has_body ? &body : nullptr, &stream);
  if (stream.id < 0) Over(stream, {CallFailure::kReset, nghttp2_strerror(stream.id)});
}

void Http2Connection::Drop(Http2Stream& stream) {
  streams_.erase(&stream);
  std::erase_if(over_, [&](const auto& one) { return one.first == &stream; });
  stream.on = nullptr;
  if (!session_ || stream.id < 0) return;
  if (nghttp2_session_get_stream_user_data(session_, stream.id)) {
    nghttp2_session_set_stream_user_data(session_, stream.id, nullptr);
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
  }
  stream.id = -1;
}

void Http2Connection::SendMore(Http2Stream& stream) {
  if (session_ && stream.id > 0) nghttp2_session_resume_data(session_, stream.id);
}

void Http2Connection::TookHeld(Http2Stream& stream, size_t bytes) {
  if (session_ && stream.id > 0) nghttp2_session_consume_stream(session_, stream.id, bytes);
}

ssize_t Http2Connection::OnRead(nghttp2_session* session, int32_t id, uint8_t* to, size_t size, uint32_t* flags, nghttp2_data_source*, void* self) {
  Http2Stream* stream = static_cast<Http2Connection*>(self)->Find(id);
  if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  std::string& body = stream->request->body;
  const size_t bytes = std::min(size, body.size() - stream->sent);
  if (bytes == 0 && stream->request->body_open) return NGHTTP2_ERR_DEFERRED;
  memcpy(to, body.data() + stream->sent, bytes);
  stream->sent += bytes;
  if (stream->sent == body.size() && !stream->request->body_open) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    std::vector<nghttp2_nv> trailers;
    AddLines(stream->request->trailer_lines, &trailers);
    if (!trailers.empty() && nghttp2_submit_trailer(session, id, trailers.data(), trailers.size()) == 0) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  }
  if (stream->request->body_open && stream->sent >= kKeepSentBytes) {
    body.erase(0, stream->sent);
    stream->sent = 0;
    stream->rewindable = false;
  }
  return static_cast<ssize_t>(bytes);
}

int Http2Connection::OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size, const uint8_t* value,
                             size_t value_size, uint8_t, void* self) {
  auto& me = *static_cast<Http2Connection*>(self);
  Http2Stream* stream = frame->hd.type == NGHTTP2_HEADERS ? me.Find(frame->hd.stream_id) : nullptr;
  if (!stream) return 0;
  stream->head_bytes += name_size + value_size + 4;
  const uint64_t most = me.cluster_->config.header_bytes_max;
  if (stream->head_bytes > most) {
    me.Over(*stream, {CallFailure::kTooLarge, std::string("the answer's ") + (stream->head_done ? "trailers" : "headers") + " are over " +
                                                  std::to_string(most) + " bytes"});
    nghttp2_session_set_stream_user_data(me.session_, frame->hd.stream_id, nullptr);
    nghttp2_submit_rst_stream(me.session_, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_CANCEL);
    return 0;
  }
  std::string_view key(reinterpret_cast<const char*>(name), name_size), text(reinterpret_cast<const char*>(value), value_size);
  if (key == ":status") std::from_chars(text.data(), text.data() + text.size(), stream->status);
  (stream->head_done ? stream->trailers : stream->headers).emplace_back(key, text);
  return 0;
}

int Http2Connection::OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  auto& me = *static_cast<Http2Connection*>(self);
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    me.goaway_ = true;
    me.last_id_ = frame->goaway.last_stream_id;
    return 0;
  }
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  Http2Stream* stream = me.Find(frame->hd.stream_id);
  if (!stream) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_done) {
    stream->head_bytes = 0;
    if (stream->status >= 100 && stream->status < 200) {
      stream->headers.clear();
      return 0;
    }
    stream->head_done = true;
    me.served_ = true;
    if (stream->reader->OnHead(stream->status, stream->headers) == AnswerReader::Step::kFail) {
      me.Over(*stream, stream->reader->outcome());
      return 0;
    }
  }
  // The end of the answer is the end of the call, also while the client's side is open.
  if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
    stream->ended = !stream->held.empty();
    if (!stream->ended) me.Over(*stream, {});
  }
  return 0;
}

int Http2Connection::OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size, void* self) {
  auto& me = *static_cast<Http2Connection*>(self);
  Http2Stream* stream = me.Find(id);
  if (!stream) {
    nghttp2_session_consume_connection(session, size);
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto step = stream->held.empty() ? stream->reader->OnBody(bytes) : AnswerReader::Step::kStop;
  if (step == AnswerReader::Step::kStop) {  // at most the stream's window: others of this connection go on
    stream->held += bytes;
    nghttp2_session_consume_connection(session, size);
    return 0;
  }
  nghttp2_session_consume(session, id, size);
  if (step == AnswerReader::Step::kFail) me.Over(*stream, stream->reader->outcome());
  return 0;
}

int Http2Connection::OnClose(nghttp2_session* session, int32_t id, uint32_t error, void* self) {
  auto& me = *static_cast<Http2Connection*>(self);
  Http2Stream* stream = me.Find(id);
  if (!stream) return 0;
  nghttp2_session_set_stream_user_data(session, id, nullptr);  // the server knows
  stream->id = 0;
  if (stream->ended) return 0;
  if (error == NGHTTP2_NO_ERROR && stream->request->grpc) {
    me.Over(*stream, {});  // the reader says what an answer without a status is
  } else {
    me.Over(*stream, {CallFailure::kReset, std::string("the server reset the stream: ") + nghttp2_http2_strerror(error), error});
  }
  return 0;
}

void Http2Connection::EndThose() {
  while (!over_.empty()) {
    auto [stream, outcome] = std::move(over_.front());
    over_.erase(over_.begin());
    std::erase_if(over_, [stream = stream](const auto& one) { return one.first == stream; });  // the first word holds
    pool_.Finish(*stream, std::move(outcome));
  }
}

bool Http2Connection::OnSocket() {
  for (bool more = true; more;) {
    char buffer[16 << 10];
    size_t size = 0;
    const CURLcode code = curl_easy_recv(easy_, buffer, sizeof buffer, &size);
    if (code == CURLE_AGAIN) break;
    if (code != CURLE_OK || size == 0) {
      EndThose();
      why_ = {CallFailure::kReset, code == CURLE_OK ? "the connection ended before the answer did" : LogText(curl_easy_strerror(code), 200)};
      return false;
    }
    const ssize_t taken = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(buffer), size);
    if (taken < 0) {
      EndThose();
      why_ = {CallFailure::kProtocol, std::string("the server breaks HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken))};
      return false;
    }
  }
  return Flush();
}

bool Http2Connection::Flush() {
  if (!session_) return true;
  EndThose();
  if (!Write()) {
    why_ = {CallFailure::kReset, "the connection ended before the answer did"};
    return false;
  }
  EndThose();  // what was found while writing
  if (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_) && unsent_.empty()) {
    why_ = {CallFailure::kReset, "the server ended the connection (GOAWAY)"};
    return false;
  }
  return true;
}

bool Http2Connection::Write() {
  constexpr size_t kAtOnce = 64 << 10;
  while (true) {
    while (unsent_.size() < kAtOnce) {
      const uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size < 0) return false;
      if (size == 0) break;
      unsent_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    }
    if (unsent_.empty()) break;
    size_t sent = 0;
    const CURLcode code = curl_easy_send(easy_, unsent_.data(), unsent_.size(), &sent);
    if (code != CURLE_OK && code != CURLE_AGAIN) return false;
    unsent_.erase(0, sent);
    if (code == CURLE_AGAIN || sent == 0) break;
  }
  Watch(!unsent_.empty());
  return true;
}

void Http2Connection::Watch(bool writing) {
  if (writing == watching_writes_) return;
  watching_writes_ = writing;
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd_}};
  if (writing) event.events |= EPOLLOUT;
  epoll_ctl(pool_.epoll_fd_, EPOLL_CTL_MOD, fd_, &event);
}

}  // namespace weir
