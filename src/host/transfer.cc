#include "host/transfer.h"

#include <algorithm>
#include <cstring>

#include "base/log_text.h"

namespace weir {
namespace {

constexpr size_t kReasonBytesMax = 400;

bool IsConnectFailure(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
}

}  // namespace

Transfer::Transfer(std::unique_ptr<CallRequest> request, CallEventQueue& events, std::vector<CallToken>& look_at)
    : CurlOwner(Kind::kTransfer),
      request_(std::move(request)),
      reader_(MakeAnswerReader(*request_, events)),
      head_(request_->cluster->config.header_bytes_max),
      look_at_(look_at) {}

Transfer::~Transfer() {
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
  bool ok = true;
  if (!headers_) {
    ok = Append(&headers_, ("host: " + (request_->authority.empty() ? to.authority : request_->authority)).c_str());
    for (const std::string& line : request_->header_lines) ok = Append(&headers_, line.c_str()) && ok;
    for (const char* own : {"accept:", "expect:", "content-type:"}) {  // of libcurl's own none
      const bool given = std::any_of(request_->header_lines.begin(), request_->header_lines.end(), [own](std::string_view line) {
        return line.starts_with(std::string_view(own, strlen(own) - 1)) && line.size() > strlen(own) - 1 &&
               (line[strlen(own) - 1] == ':' || line[strlen(own) - 1] == ';');
      });
      if (!given) ok = Append(&headers_, own) && ok;
    }
  }
  ok = SetEndpoint(easy, config, to, this, error_, &connect_to_) && ok;
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  ok = curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, request_->path.c_str()) == CURLE_OK && ok;
  ok = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_->method.c_str()) == CURLE_OK && ok;
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
  if (request_->timeout_ms) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<uint64_t>(TimeLeftMs(now_ms), 1)));
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, static_cast<long>(std::max(config.idle_ms / 1000, 1u)));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  SetBody();
  return ok;
}

void Transfer::SetBody() {
  const std::string& method = request_->method;
  if (!request_->trailer_lines.empty()) {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t{-1});
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &Transfer::OnRead);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &Transfer::OnSeek);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
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
  if (step == AnswerReader::Step::kDone) SetOver();
  return step != AnswerReader::Step::kFail;
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
  return me.Take(me.reader_->OnBody({data, size * count})) ? size * count : 0;
}

size_t Transfer::OnRead(char* to, size_t size, size_t count, void* self) {
  auto& me = *static_cast<Transfer*>(self);
  const std::string& body = me.request_->body;
  const size_t bytes = std::min(size * count, body.size() - me.sent_);
  memcpy(to, body.data() + me.sent_, bytes);
  me.sent_ += bytes;
  return bytes;
}

int Transfer::OnSeek(void* self, curl_off_t offset, int origin) {
  auto& me = *static_cast<Transfer*>(self);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
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

bool Transfer::RetryAfter(CURLcode code, uint64_t now_ms) {
  if (over_ || tried_ + 1 >= request_->cluster->endpoints.size()) return false;
  curl_off_t connected_us = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
  const bool connect_timeout = code == CURLE_OPERATION_TIMEDOUT && connected_us == 0;
  if (!IsConnectFailure(code) && !connect_timeout) return false;
  if (request_->timeout_ms && TimeLeftMs(now_ms) == 0) return false;
  ++tried_;
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
  outcome.reason = to + LogText(error_[0] ? error_ : curl_easy_strerror(code), kReasonBytesMax);
  return outcome;
}

void Transfer::End(CURLcode code, uint64_t now_ms) {
  CallOutcome outcome = Outcome(code, now_ms);
  reader_->OnEnd(std::move(outcome), std::move(head_.headers()), std::move(head_.trailers()));
}

}  // namespace weir
