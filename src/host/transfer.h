// One HTTP/1.1 call as a transfer of libcurl. Of the client's thread.
#pragma once

#include "host/answer_reader.h"
#include "host/call_request.h"
#include "host/curl_options.h"

namespace weir {

class Transfer final : public CurlOwner {
 public:
  /// Its token goes to `look_at` when over() may have become true. Both outlive it.
  Transfer(std::unique_ptr<CallRequest> request, CallEventQueue& events, std::vector<CallToken>& look_at);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CallToken token() const { return request_->token; }
  /// Sets everything on `easy`, which is new or reset and is not this object's own. False: out of memory.
  bool Prepare(CURL* easy, uint64_t now_ms);
  CURL* easy() const { return easy_; }
  /// libcurl 7.88 keeps "trailers are sent" over curl_easy_reset, and then writes before its buffer in the next chunked upload.
  bool handle_reusable() const { return request_->trailer_lines.empty(); }
  /// The answer is complete, or refused: libcurl need not go on.
  bool over() const { return over_; }
  /// libcurl's verdict. True: another endpoint is to be tried: remove the handle, reset it, Prepare() again.
  bool RetryAfter(CURLcode code, uint64_t now_ms);
  /// The last event.
  void End(CURLcode code, uint64_t now_ms);

 private:
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static size_t OnRead(char* to, size_t size, size_t count, void* self);
  static int OnSeek(void* self, curl_off_t offset, int origin);
  static int OnTrailers(curl_slist** list, void* self);
  bool Take(AnswerReader::Step step);
  void Refuse(CallOutcome outcome);
  void SetOver();
  size_t endpoint_index() const { return (request_->endpoint + tried_) % request_->cluster->endpoints.size(); }
  void SetBody();
  CallOutcome Outcome(CURLcode code, uint64_t now_ms) const;
  const Endpoint& endpoint() const;
  uint64_t TimeLeftMs(uint64_t now_ms) const;

  std::unique_ptr<CallRequest> request_;
  std::unique_ptr<AnswerReader> reader_;
  HeadReader head_;
  std::vector<CallToken>& look_at_;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  size_t tried_ = 0;            ///< endpoints that could not be connected to
  uint64_t started_ms_ = 0;
  size_t sent_ = 0;             ///< bytes of request_->body that libcurl has
  bool over_ = false;
  std::optional<CallOutcome> refused_;  ///< what we did not take of it
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace weir
