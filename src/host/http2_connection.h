// One connection of HTTP/2 with the streams on it. Of the client's thread.
#pragma once

#include <curl/curl.h>
#include <nghttp2/nghttp2.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "host/http2_pool.h"

namespace weir {

class Http2Connection final : public CurlOwner {
 public:
  /// `http1_too`: the server may choose HTTP/1.1 instead (ALPN).
  Http2Connection(Http2Pool& pool, std::shared_ptr<const ActiveCluster> cluster, size_t endpoint, bool http1_too)
      : CurlOwner(Kind::kConnection), pool_(pool), cluster_(std::move(cluster)), endpoint_(endpoint), http1_too_(http1_too) {}
  ~Http2Connection();

  /// libcurl begins to connect. False: out of memory.
  bool Dial(CURLM* multi);
  /// Begins HTTP/2; not where ChoseHttp1().
  CallOutcome Connected();
  const char* error() const { return error_; }
  /// Before Connected(): the server took TLS, and did not choose HTTP/2.
  bool ChoseHttp1() const { return endpoint().tls && !chosen_; }

  const ActiveCluster& cluster() const { return *cluster_; }
  size_t endpoint_index() const { return endpoint_; }
  bool Serves(const ActiveCluster& cluster, size_t endpoint) const { return cluster_.get() == &cluster && endpoint_ == endpoint; }
  bool HasRoom() const;
  const Endpoint& endpoint() const { return cluster_->endpoints[endpoint_]; }
  void Add(Http2Stream& stream);
  /// The stream is no more; the server is told unless it knows.
  void Drop(Http2Stream& stream);
  void SendMore(Http2Stream& stream);   ///< its body has grown or ended
  void TookHeld(Http2Stream& stream, size_t bytes);

  /// Reads and writes what there is. False: the connection is over; why() says how.
  bool OnSocket();
  bool Flush();
  const CallOutcome& why() const { return why_; }
  int fd() const { return fd_; }
  std::set<Http2Stream*>& streams() { return streams_; }
  bool dead() const { return dead_; }
  void set_dead() { dead_ = true; }
  uint64_t idle_since_ms = 0;
  uint64_t idle_max_ms() const { return cluster_->config.idle_ms; }
  bool served() const { return served_; }
  bool Refused(const Http2Stream& stream) const { return goaway_ && (stream.id < 0 || stream.id > last_id_); }

 private:
  static CURLcode OfferHttp2(CURL*, void* context, void* self);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size, const uint8_t* value, size_t value_size,
                      uint8_t, void* self);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* self);
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* self);
  static ssize_t OnRead(nghttp2_session*, int32_t id, uint8_t* to, size_t size, uint32_t* flags, nghttp2_data_source*, void* self);
  Http2Stream* Find(int32_t id) const { return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_, id)); }
  void Submit(Http2Stream& stream);
  void Take(Http2Stream& stream, AnswerReader::Step step);
  void Over(Http2Stream& stream, CallOutcome outcome) { over_.emplace_back(&stream, std::move(outcome)); }
  void EndThose();
  bool Write();
  void Watch(bool writing);

  Http2Pool& pool_;
  std::shared_ptr<const ActiveCluster> cluster_;
  size_t endpoint_;
  const bool http1_too_;
  CURL* easy_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  int fd_ = -1;
  nghttp2_session* session_ = nullptr;
  std::set<Http2Stream*> streams_;
  std::vector<std::pair<Http2Stream*, CallOutcome>> over_;  ///< found inside nghttp2
  std::string unsent_;
  bool watching_writes_ = false, goaway_ = false, served_ = false, dead_ = false;
  bool chosen_ = false;  ///< the server chose HTTP/2
  int32_t last_id_ = 0;
  CallOutcome why_;
};

}  // namespace weir
