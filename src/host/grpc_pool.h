// gRPC calls and the connections they share: nghttp2 over connections that libcurl makes (name, address, TLS, time). Of the
// client's thread.
//
// Why not libcurl's own HTTP/2: 7.88 loses the head of an answer that comes with the reset which ends an open stream, as gRPC servers
// send it with an early error; it stops a whole connection where one of its streams is held back; and see transfer.h.
#pragma once

#include <curl/curl.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/answer_reader.h"
#include "host/call_request.h"
#include "host/curl_options.h"

namespace weir {

class GrpcConnection;

/// One call.
struct GrpcStream {
  std::unique_ptr<CallRequest> request;
  std::unique_ptr<AnswerReader> reader;
  GrpcConnection* on = nullptr;  ///< null: to be placed, or it is gone and the whole answer is `held`
  int32_t id = -1;               ///< HTTP/2's; -1: not sent yet
  size_t sent = 0;               ///< bytes of request->body
  size_t tried = 0;              ///< endpoints that could not be connected to
  bool again = false;            ///< was sent a second time, after a kept connection turned out dead
  bool rewindable = true;        ///< request->body has all from the start
  int status = 0;
  bool head_done = false;
  uint64_t head_bytes = 0;
  HeaderList headers, trailers;
  std::string held;              ///< body that the plugin does not take yet
  bool ended = false;            ///< by the server, and `held` is not empty
  uint64_t started_ms = 0, deadline_ms = 0;  ///< 0: none
};

class GrpcPool {
 public:
  /// All outlive it.
  GrpcPool(int epoll_fd, CallEventQueue& events, CURLM* multi);
  ~GrpcPool();

  void Begin(std::unique_ptr<CallRequest> request, uint64_t now_ms);
  void Send(CallToken token, std::string_view framed, bool last);
  void Continue(CallToken token);
  void CancelAndTell(CallToken token);

  /// libcurl has connected, or not.
  void OnConnect(GrpcConnection& connection, CURLcode code);
  /// False: not a socket of this pool.
  bool OnSocket(int fd, uint32_t events);
  /// Between two turns of the loop.
  void PlaceAgain();
  /// When OnTime() is to be called at the latest; nullopt: never.
  std::optional<uint64_t> next_ms() const;
  void OnTime(uint64_t now_ms);

 private:
  friend class GrpcConnection;
  void Place(GrpcStream& stream);
  void Cancel(CallToken token);  ///< what the server is to know waits for the next Flush()
  void Finish(GrpcStream& stream, CallOutcome outcome);
  /// That connection is no more: its streams go to another, or end so.
  void Lost(GrpcConnection& connection, CallOutcome outcome, bool connected);
  static uint64_t NowMs();

  const int epoll_fd_;
  CallEventQueue& events_;
  CURLM* const multi_;
  std::unordered_map<CallToken, std::unique_ptr<GrpcStream>> streams_;
  std::vector<std::unique_ptr<GrpcConnection>> connections_;
  std::unordered_map<int, GrpcConnection*> by_fd_;
  std::set<std::pair<uint64_t, CallToken>> deadlines_;
  std::vector<CallToken> unplaced_;  ///< to be sent once more
};

}  // namespace weir
