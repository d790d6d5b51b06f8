// One connection of HTTP/2 with the streams on it. Of the client's thread.
#pragma once

#include <curl/curl.h>
#include <nghttp2/nghttp2.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "host/grpc_pool.h"

namespace weir {

class GrpcConnection final : public CurlOwner {
 public:
  GrpcConnection(GrpcPool& pool, std::shared_ptr<const ActiveCluster> cluster, size_t endpoint)
      : CurlOwner(Kind::kConnection), pool_(pool), cluster_(std::move(cluster)), endpoint_(endpoint) {}
  ~GrpcConnection();

  /// libcurl begins to connect. False: out of memory.
  bool Dial(CURLM* multi);
  /// Begins HTTP/2. The outcome is a failure where the server does not speak it.
  CallOutcome Connected();
  const char* error() const { return error_; }

  bool Serves(const ActiveCluster& cluster, size_t endpoint) const { return cluster_.get() == &cluster && endpoint_ == endpoint; }
  bool HasRoom() const;
  const Endpoint& endpoint() const { return cluster_->endpoints[endpoint_]; }
  void Add(GrpcStream& stream);
  /// The stream is no more; the server is told unless it knows.
  void Drop(GrpcStream& stream);
  void SendMore(GrpcStream& stream);   ///< its body has grown or ended
  void TookHeld(GrpcStream& stream, size_t bytes);

  /// Reads and writes what there is. False: the connection is over; why() says how.
  bool OnSocket();
  bool Flush();
  const CallOutcome& why() const { return why_; }
  int fd() const { return fd_; }
  std::set<GrpcStream*>& streams() { return streams_; }
  bool dead() const { return dead_; }
  void set_dead() { dead_ = true; }
  uint64_t idle_since_ms = 0;
  uint64_t idle_max_ms() const { return cluster_->config.idle_ms; }
  bool served() const { return served_; }
  bool Refused(const GrpcStream& stream) const { return goaway_ && (stream.id < 0 || stream.id > last_id_); }

 private:
  static CURLcode OfferHttp2(CURL*, void* context, void* self);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size, const uint8_t* value, size_t value_size,
                      uint8_t, void* self);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* self);
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* self);
  static ssize_t OnRead(nghttp2_session*, int32_t id, uint8_t* to, size_t size, uint32_t* flags, nghttp2_data_source*, void* self);
  GrpcStream* Find(int32_t id) const { return static_cast<GrpcStream*>(nghttp2_session_get_stream_user_data(session_, id)); }
  void Submit(GrpcStream& stream);
  void Take(GrpcStream& stream, AnswerReader::Step step);
  void Over(GrpcStream& stream, CallOutcome outcome) { over_.emplace_back(&stream, std::move(outcome)); }
  void EndThose();
  bool Write();
  void Watch(bool writing);

  GrpcPool& pool_;
  std::shared_ptr<const ActiveCluster> cluster_;
  size_t endpoint_;
  CURL* easy_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  int fd_ = -1;
  nghttp2_session* session_ = nullptr;
  std::set<GrpcStream*> streams_;
  std::vector<std::pair<GrpcStream*, CallOutcome>> over_;  ///< found inside nghttp2
  std::string unsent_;
  bool watching_writes_ = false, goaway_ = false, served_ = false, dead_ = false;
  bool chosen_ = false;  ///< the server chose HTTP/2
  int32_t last_id_ = 0;
  CallOutcome why_;
};

}  // namespace weir
