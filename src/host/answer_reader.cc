#include "host/answer_reader.h"

#include <algorithm>
#include <charconv>

namespace weir {
namespace {

constexpr int kSwitchingProtocols = 101;

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string_view ValueOf(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

bool Has(const HeaderList& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [name](const auto& header) { return header.first == name; });
}

class HttpReader final : public AnswerReader {
 public:
  HttpReader(const CallRequest& request, CallEventQueue& events)
      : token_(request.token), head_(request.method == "HEAD"), head_with_body_(head_ && !(request.body.empty() && request.trailer_lines.empty())), max_(request.cluster->config.answer_bytes_max), events_(events) {}

  Step OnHead(int status, HeaderList& headers) override {
    if (status == kSwitchingProtocols) return Fail(CallFailure::kProtocol, "answer 101 to a call that asked for no other protocol");
    if (head_with_body_) return Step::kDone;  // libcurl would wait for a body after a HEAD that it does not know for one
    if (head_) return Step::kMore;
    const std::string_view length = ValueOf(headers, "content-length");
    uint64_t bytes = 0;
    std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (status != 304 && status != 204 && bytes > max_) return TooLarge();
    return Step::kMore;
  }
  Step OnBody(std::string_view bytes) override {
    if (bytes.size() > max_ - body_.size()) return TooLarge();
    body_ += bytes;
    return Step::kMore;
  }
  void OnEnd(CallOutcome outcome, HeaderList headers, HeaderList trailers) override {
    HttpAnswer answer{.failure = outcome.failure, .reason = std::move(outcome.reason)};
    if (answer.failure == CallFailure::kNone) {
      answer.headers = std::move(headers), answer.body = std::move(body_), answer.trailers = std::move(trailers);
    }
    events_.push_back({token_, std::move(answer)});
  }

 private:
  Step TooLarge() { return Fail(CallFailure::kTooLarge, "the answer's body is over " + std::to_string(max_) + " bytes"); }
  CallToken token_;
  bool head_, head_with_body_;
  uint64_t max_;
  CallEventQueue& events_;
  std::string body_;
};

GrpcStatus StatusOf(const CallOutcome& outcome) {
  if (outcome.failure == CallFailure::kReset && outcome.http2_error) return StatusOfReset(outcome.http2_error);
  return StatusOfFailure(outcome.failure);
}

class GrpcReader final : public AnswerReader {
 public:
  GrpcReader(const CallRequest& request, CallEventQueue& events)
      : token_(request.token), flow_(request.flow), max_(request.cluster->config.answer_bytes_max), deframer_(max_), events_(events) {}

  Step OnHead(int status, HeaderList& headers) override {
    const std::string_view type = ValueOf(headers, "content-type");
    if (Has(headers, "grpc-status")) {  // trailers only, whatever the rest says
      trailers_only_ = true;
      return Step::kDone;
    }
    if (status != 200) return Close(StatusOfHttp(status), "answer " + std::to_string(status) + " without a grpc-status");
    if (type != "application/grpc" && !type.starts_with("application/grpc+") && !type.starts_with("application/grpc;")) {
      return Close(GrpcStatus::kUnknown, "content-type \"" + std::string(type) + "\" is not application/grpc");
    }
    encoding_ = ValueOf(headers, "grpc-encoding");
    events_.push_back({token_, GrpcMetadata{DecodeMetadata(headers)}});
    return Step::kMore;
  }
  Step OnBody(std::string_view bytes) override {
    if (flow_->ShouldStop()) return Step::kStop;
    const auto state = deframer_.Feed(bytes, [this](std::string message) {
      flow_->Queued(message.size());
      events_.push_back({token_, GrpcMessage{std::move(message)}});
    });
    switch (state) {
      case GrpcDeframer::State::kOk: return Step::kMore;
      case GrpcDeframer::State::kTooLarge: return Close(GrpcStatus::kResourceExhausted, "a message is over " + std::to_string(max_) + " bytes");
      case GrpcDeframer::State::kBadFlag: return Close(GrpcStatus::kInternal, "a message begins with a byte that is neither 0 nor 1");
      case GrpcDeframer::State::kCompressed: break;
    }
    if (encoding_.empty() || encoding_ == "identity") return Close(GrpcStatus::kInternal, "a message is compressed without a grpc-encoding");
    return Close(GrpcStatus::kUnimplemented, "a message is compressed (\"" + encoding_ + "\"), which was not offered");
  }
  void OnEnd(CallOutcome outcome, HeaderList headers, HeaderList trailers) override {
    const HeaderList& last = trailers_only_ ? headers : trailers;
    const auto status = ParseGrpcStatus(ValueOf(last, "grpc-status"));
    GrpcClose close{StatusOf(outcome), std::move(outcome.reason)};
    if (closed_) {
      close = *closed_;
    } else if (status && deframer_.inside()) {
      close = {GrpcStatus::kInternal, "the stream ended inside a message"};
    } else if (status) {  // also where libcurl found something wrong afterwards
      close = {*status, DecodePercent(ValueOf(last, "grpc-message"))};
    } else if (close.status == GrpcStatus::kOk) {
      close = {GrpcStatus::kUnknown, "the server ended the stream without a grpc-status"};
    }
    if (status && !closed_) events_.push_back({token_, GrpcTrailers{DecodeMetadata(trailers_only_ ? std::move(headers) : std::move(trailers))}});
    events_.push_back({token_, std::move(close)});
  }

 private:
  Step Close(GrpcStatus status, std::string reason) {
    closed_ = {status, reason};
    return Fail(CallFailure::kProtocol, std::move(reason));
  }
  CallToken token_;
  std::shared_ptr<GrpcFlow> flow_;
  uint64_t max_;
  GrpcDeframer deframer_;
  CallEventQueue& events_;
  std::string encoding_;
  bool trailers_only_ = false;
  std::optional<GrpcClose> closed_;  ///< found by us
};

}  // namespace

HeadReader::Step HeadReader::OnLine(std::string_view line) {
  if (head_done_ && Trim(line).empty()) return Step::kMore;  // the end of trailers
  bytes_ += line.size();
  if (bytes_ > bytes_max_) return Step::kTooLarge;
  if (!head_done_ && status_ == 0) {
    const size_t blank = line.find(' ');
    if (!line.starts_with("HTTP/") || blank == std::string_view::npos) return Step::kNotHttp;
    const std::string_view code = line.substr(blank + 1, 3);
    std::from_chars(code.data(), code.data() + code.size(), status_);
    if (status_ < 100 || status_ > 999) return Step::kNotHttp;
    headers_.emplace_back(":status", code);
    return Step::kMore;
  }
  HeaderList& list = head_done_ ? trailers_ : headers_;
  if (line.starts_with(' ') || line.starts_with('\t')) {
    if (!Trim(line).empty()) {  // obsolete folding [RFC 9112 §5.2]
      if (!list.empty()) list.back().second.append(" ").append(Trim(line));
      return Step::kMore;
    }
  }
  if (!Trim(line).empty()) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return Step::kMore;
    std::string name(Trim(line.substr(0, colon)));
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    list.emplace_back(std::move(name), Trim(line.substr(colon + 1)));
    return Step::kMore;
  }
  bytes_ = 0;
  if (status_ >= 100 && status_ < 200 && status_ != kSwitchingProtocols) {
    status_ = 0;
    headers_.clear();
    return Step::kMore;
  }
  head_done_ = true;
  return Step::kHeadDone;
}

std::unique_ptr<AnswerReader> MakeAnswerReader(const CallRequest& request, CallEventQueue& events) {
  if (request.grpc) return std::make_unique<GrpcReader>(request, events);
  return std::make_unique<HttpReader>(request, events);
}

}  // namespace weir
