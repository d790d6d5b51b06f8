#include "host/transfer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/log_text.h"

namespace weir {
namespace {

constexpr size_t kKeepSentBytes = 256 << 10;  // of a stream's messages: to send them again where a kept connection turns out dead
constexpr size_t kReasonBytesMax = 400;

bool Append(curl_slist** list, const char* line) {
  curl_slist* longer = curl_slist_append(*list, line);
  if (longer) *list = longer;
  return longer != nullptr;
}

bool IsConnectFailure(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
}

CallFailure FailureOf(CURLcode code, const char* text) {
  switch (code) {
    case CURLE_OK: return CallFailure::kNone;
    case CURLE_OPERATION_TIMEDOUT: return CallFailure::kTimeout;
    case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: return CallFailure::kResolve;
    case CURLE_COULDNT_CONNECT: return CallFailure::kConnect;
    case CURLE_SSL_CONNECT_ERROR: case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER: case CURLE_SSL_ISSUER_ERROR: case CURLE_SSL_INVALIDCERTSTATUS: case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED: case CURLE_SSL_ENGINE_INITFAILED: case CURLE_SSL_CLIENTCERT: case CURLE_USE_SSL_FAILED:
      return CallFailure::kTls;
    case CURLE_FILESIZE_EXCEEDED: return CallFailure::kTooLarge;
    case CURLE_RECV_ERROR: return strstr(text, "in chunked-encoding") ? CallFailure::kProtocol : CallFailure::kReset;
    case CURLE_UNSUPPORTED_PROTOCOL: case CURLE_WEIRD_SERVER_REPLY: case CURLE_HTTP2: case CURLE_BAD_CONTENT_ENCODING:
      return CallFailure::kProtocol;
    default: return CallFailure::kReset;
  }
}

/// libcurl says it in words only: "HTTP/2 stream 1 was not closed cleanly: CANCEL (err 8)".
uint32_t Http2Error(const char* text) {
  const char* at = strstr(text, "(err ");
  uint32_t number = 0;
  if (at) std::from_chars(at + 5, at + strlen(at), number);
  return number;
}

}  // namespace

Transfer::Transfer(std::unique_ptr<CallRequest> request, CallEventQueue& events, std::vector<CallToken>& look_at)
    : request_(std::move(request)),
      reader_(MakeAnswerReader(*request_, events)),
      head_(request_->cluster->config.header_bytes_max),
      look_at_(look_at) {}

Transfer::~Transfer() {
  EndDial();
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
}

const Endpoint& Transfer::endpoint() const {
  return request_->cluster->endpoints[endpoint_index()];
}

uint64_t Transfer::TimeLeftMs(uint64_t now_ms) const {
  const uint64_t passed_ms = now_ms - started_ms_;
  return request_->timeout_ms > passed_ms ? request_->timeout_ms - passed_ms : 0;
}

bool Transfer::Prepare(CURL* easy, uint64_t now_ms) {
  easy_ = easy;
  if (started_ms_ == 0) started_ms_ = now_ms;
  const Cluster& config = request_->cluster->config;
  const Endpoint& to = endpoint();
  error_[0] = 0;
  sent_ = 0;
  send_paused_ = false;
  bool ok = true;
  if (!headers_) {
    ok = Append(&headers_, ("host: " + (request_->authority.empty() ? to.authority : request_->authority)).c_str());
    for (const std::string& line : request_->header_lines) ok = Append(&headers_, line.c_str()) && ok;
    for (const char* own : {"accept:", "expect:"}) {  // of libcurl's own none
      const bool given = std::any_of(request_->header_lines.begin(), request_->header_lines.end(), [own](std::string_view line) {
        return line.starts_with(std::string_view(own, strlen(own) - 1)) && line.size() > strlen(own) - 1 &&
               (line[strlen(own) - 1] == ':' || line[strlen(own) - 1] == ';');
      });
      if (!given) ok = Append(&headers_, own) && ok;
    }
  }
  curl_slist_free_all(std::exchange(connect_to_, nullptr));
  if (!to.connect_to.empty()) ok = Append(&connect_to_, to.connect_to.c_str()) && ok;

  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a name that resolves slowly holds nobody else up when its call ends
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");       // the environment's are not ours
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  ok = curl_easy_setopt(easy, CURLOPT_URL, to.origin.c_str()) == CURLE_OK && ok;
  ok = curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, request_->path.c_str()) == CURLE_OK && ok;
  ok = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_->method.c_str()) == CURLE_OK && ok;
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
  if (connect_to_) curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to_);
  if (!to.unix_socket.empty()) ok = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, to.unix_socket.c_str()) == CURLE_OK && ok;
  if (request_->timeout_ms) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<uint64_t>(TimeLeftMs(now_ms), 1)));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(config.connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, static_cast<long>(std::max(config.idle_ms / 1000, 1u)));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  SetHttpVersion(to);
  if (to.tls) SetTls(to);
  SetBody();
  return ok;
}

void Transfer::SetHttpVersion(const Endpoint& endpoint) {
  const Http2 http2 = request_->cluster->config.http2;
  long version = CURL_HTTP_VERSION_1_1;
  if (request_->grpc || http2 == Http2::kAlways) {
    curl_easy_setopt(easy_, CURLOPT_PIPEWAIT, 1L);  // rather a stream of a connection that is being made than another one
    if (!endpoint.tls) return SetH2c(endpoint);
    version = CURL_HTTP_VERSION_2TLS;
  } else if (http2 == Http2::kAuto && endpoint.tls && request_->trailer_lines.empty()) {
    version = CURL_HTTP_VERSION_2TLS;
  }
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, version);
}

bool Transfer::h2c() const {
  return !endpoint().tls && (request_->grpc || request_->cluster->config.http2 == Http2::kAlways);
}

void Transfer::SetH2c(const Endpoint& endpoint) {
  const size_t port = endpoint.text.rfind(':');
  const std::string url = endpoint.unix_socket.empty() ? "http://h2c.invalid" + endpoint.text.substr(port) : "http://h2c.invalid";
  curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
  if (endpoint.unix_socket.empty() && Append(&connect_to_, ("::" + endpoint.text).c_str())) curl_easy_setopt(easy_, CURLOPT_CONNECT_TO, connect_to_);
  no_kept_ = false;
  if (connect_ == Connect::kNew) {
    curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, &Transfer::OnConnected);
    curl_easy_setopt(easy_, CURLOPT_PREREQDATA, this);
    dialing_ = true;
    ++request_->cluster->dials[endpoint_index()];
  } else {
    curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_0);
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &Transfer::NoSocket);
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
  }
}

curl_socket_t Transfer::NoSocket(void* self, curlsocktype, curl_sockaddr*) {
  static_cast<Transfer*>(self)->no_kept_ = true;
  return CURL_SOCKET_BAD;
}

int Transfer::OnConnected(void* self, char*, char*, int, int) {
  static_cast<Transfer*>(self)->EndDial();
  return CURL_PREREQFUNC_OK;
}

void Transfer::EndDial() {
  if (std::exchange(dialing_, false)) --request_->cluster->dials[endpoint_index()];
}

void Transfer::SetTls(const Endpoint&) {
  const Cluster& config = request_->cluster->config;
  const bool verify = config.verify == VerifyTls::kYes;
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  if (!config.ca_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CAINFO, config.ca_file.c_str());
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);  // that file's alone
  }
  if (config.certificate_file.empty()) return;
  curl_easy_setopt(easy_, CURLOPT_SSLCERT, config.certificate_file.c_str());
  curl_easy_setopt(easy_, CURLOPT_SSLKEY, config.key_file.empty() ? config.certificate_file.c_str() : config.key_file.c_str());
}

void Transfer::SetBody() {
  const std::string& method = request_->method;
  if (request_->grpc || !request_->trailer_lines.empty()) {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t{-1});
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &Transfer::OnRead);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &Transfer::OnSeek);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
    curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    if (request_->grpc) return;
    curl_easy_setopt(easy_, CURLOPT_TRAILERFUNCTION, &Transfer::OnTrailers);
    curl_easy_setopt(easy_, CURLOPT_TRAILERDATA, this);
  } else if (!request_->body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_->body.data());
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_->body.size()));
  } else if (method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  }
}

bool Transfer::Take(AnswerReader::Step step) {
  if (step == AnswerReader::Step::kFail) Refuse(reader_->outcome());
  if (step == AnswerReader::Step::kDone && !IsSent()) SetOver();
  return step != AnswerReader::Step::kFail;
}

/// libcurl has the whole request: it finds the end of the answer by itself, and keeps the connection.
bool Transfer::IsSent() const {
  return request_->grpc && !request_->body_open && sent_ == request_->body.size();
}

void Transfer::SetOver() {
  if (!std::exchange(over_, true)) look_at_.push_back(token());
}

void Transfer::Refuse(CallOutcome outcome) {
  refused_ = std::move(outcome);
  SetOver();
}

size_t Transfer::OnHeader(char* data, size_t size, size_t count, void* self) {
  auto& me = *static_cast<Transfer*>(self);
  switch (me.head_.OnLine({data, size * count})) {
    case HeadReader::Step::kMore:
      if (me.head_.head_done() && me.reader_->WantsNoMore(me.head_.trailers()) && !me.IsSent()) me.SetOver();
      return size * count;
    case HeadReader::Step::kHeadDone:
      return me.Take(me.reader_->OnHead(me.head_.status(), me.head_.headers())) ? size * count : 0;
    case HeadReader::Step::kTooLarge:
      me.Refuse({CallFailure::kTooLarge, std::string("the answer's ") + (me.head_.head_done() ? "trailers" : "headers") + " are over " +
                                             std::to_string(me.request_->cluster->config.header_bytes_max) + " bytes"});
      break;
    case HeadReader::Step::kNotHttp:
      me.Refuse({CallFailure::kProtocol, "the answer is not HTTP"});
      break;
  }
  return 0;
}

size_t Transfer::OnBody(char* data, size_t size, size_t count, void* self) {
  auto& me = *static_cast<Transfer*>(self);
  if (me.over_) return size * count;
  const AnswerReader::Step step = me.reader_->OnBody({data, size * count});
  if (step == AnswerReader::Step::kStop) {
    me.read_paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  return me.Take(step) ? size * count : 0;
}

size_t Transfer::OnRead(char* to, size_t size, size_t count, void* self) {
  auto& me = *static_cast<Transfer*>(self);
  std::string& body = me.request_->body;
  const size_t bytes = std::min(size * count, body.size() - me.sent_);
  if (bytes == 0) {
    me.send_paused_ = me.request_->body_open;
    return me.send_paused_ ? CURL_READFUNC_PAUSE : 0;
  }
  memcpy(to, body.data() + me.sent_, bytes);
  me.sent_ += bytes;
  if (me.request_->body_open && me.sent_ >= kKeepSentBytes) {
    body.erase(0, me.sent_);
    me.sent_ = 0;
    me.rewindable_ = false;
  }
  return bytes;
}

int Transfer::OnSeek(void* self, curl_off_t offset, int origin) {
  auto& me = *static_cast<Transfer*>(self);
  if (offset != 0 || origin != SEEK_SET || !me.rewindable_) return CURL_SEEKFUNC_CANTSEEK;
  me.sent_ = 0;
  return CURL_SEEKFUNC_OK;
}

int Transfer::OnTrailers(curl_slist** list, void* self) {
  auto& me = *static_cast<Transfer*>(self);
  for (const std::string& line : me.request_->trailer_lines) {
    if (!Append(list, line.c_str())) return CURL_TRAILERFUNC_ABORT;
  }
  return CURL_TRAILERFUNC_OK;
}

void Transfer::Send(std::string_view framed, bool last) {
  request_->body += framed;
  if (last) request_->body_open = false;
  const uint64_t waiting = request_->body.size() - sent_, most = request_->cluster->config.send_bytes_max;
  if (waiting > most + framed.size()) {
    return Refuse({CallFailure::kTooLarge, "over " + std::to_string(most) + " bytes of messages wait for the server to take them"});
  }
  if (std::exchange(send_paused_, false)) curl_easy_pause(easy_, read_paused_ ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}

void Transfer::Continue() {
  if (std::exchange(read_paused_, false)) curl_easy_pause(easy_, send_paused_ ? CURLPAUSE_SEND : CURLPAUSE_CONT);
}

bool Transfer::RetryAfter(CURLcode code, uint64_t now_ms) {
  EndDial();
  if (!over_ && no_kept_ && code != CURLE_OK && connect_ != Connect::kNew) {
    const bool another_dials = request_->cluster->dials[endpoint_index()] > 0;
    connect_ = connect_ == Connect::kKept && another_dials ? Connect::kKeptAgain : Connect::kNew;
    return rewindable_;
  }
  if (over_ || tried_ + 1 >= request_->cluster->endpoints.size()) return false;
  curl_off_t connected_us = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
  const bool connect_timeout = code == CURLE_OPERATION_TIMEDOUT && connected_us == 0;
  if (!IsConnectFailure(code) && !connect_timeout) return false;
  if (request_->timeout_ms && TimeLeftMs(now_ms) == 0) return false;
  ++tried_;
  connect_ = Connect::kKept;
  return true;
}

CallOutcome Transfer::Outcome(CURLcode code, uint64_t now_ms) const {
  const std::string to = endpoint().text + ": ";
  if (refused_) return {refused_->failure, to + refused_->reason};
  if (over_) return {};
  CallOutcome outcome{FailureOf(code, error_), {}};
  if (outcome.failure == CallFailure::kNone) {
    if (head_.head_done()) return outcome;
    return {CallFailure::kReset, to + "the connection ended before the answer did"};
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    curl_off_t connected_us = 0;
    curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    const char* stage = connected_us == 0 ? "not connected" : !head_.head_done() ? "no answer" : "the answer is not complete";
    outcome.reason = to + stage + " after " + std::to_string(now_ms - started_ms_) + " ms";
    return outcome;
  }
  if (code == CURLE_HTTP2_STREAM) outcome.http2_error = Http2Error(error_);
  outcome.reason = to + LogText(error_[0] ? error_ : curl_easy_strerror(code), kReasonBytesMax);
  return outcome;
}

void Transfer::End(CURLcode code, uint64_t now_ms) {
  CallOutcome outcome = Outcome(code, now_ms);
  reader_->OnEnd(std::move(outcome), std::move(head_.headers()), std::move(head_.trailers()));
}

}  // namespace weir
