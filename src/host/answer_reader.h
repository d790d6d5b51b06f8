// Makes events of an answer's head, body and trailers. Of the client's thread.
#pragma once

#include <memory>
#include <string>

#include "host/call_event.h"
#include "host/call_request.h"
#include "host/grpc_wire.h"

namespace weir {

/// The lines of an answer's headers and trailers as libcurl hands them over, one at a time.
class HeadReader {
 public:
  explicit HeadReader(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  enum class Step : uint8_t { kMore, kHeadDone, kTooLarge, kNotHttp };
  /// `line` with its end. 1xx heads are skipped.
  Step OnLine(std::string_view line);
  int status() const { return status_; }      ///< 0: none yet
  bool head_done() const { return head_done_; }
  HeaderList& headers() { return headers_; }  ///< ":status" first, names in lower case
  HeaderList& trailers() { return trailers_; }

 private:
  uint64_t bytes_max_, bytes_ = 0;
  int status_ = 0;
  bool head_done_ = false;
  HeaderList headers_, trailers_;
};

/// How a call ended.
struct CallOutcome {
  CallFailure failure = CallFailure::kNone;
  std::string reason;
  uint32_t http2_error = 0;  ///< of a stream that the server reset
};

class AnswerReader {
 public:
  enum class Step : uint8_t {
    kMore,
    kDone,   ///< nothing further is needed: the call is over, whatever libcurl still waits for
    kStop,   ///< not now: go on when GrpcFlow says so. The same bytes come again
    kFail,   ///< the call is over with outcome()
  };
  virtual ~AnswerReader() = default;
  virtual Step OnHead(int status, HeaderList& headers) = 0;
  virtual Step OnBody(std::string_view bytes) = 0;
  virtual void OnEnd(CallOutcome outcome, HeaderList headers, HeaderList trailers) = 0;
  const CallOutcome& outcome() const { return outcome_; }

 protected:
  Step Fail(CallFailure failure, std::string reason) {
    outcome_ = {failure, std::move(reason)};
    return Step::kFail;
  }

 private:
  CallOutcome outcome_;
};

/// Its events go to `events`, which outlives it.
std::unique_ptr<AnswerReader> MakeAnswerReader(const CallRequest& request, CallEventQueue& events);

}  // namespace weir
