// Calls over HTTP/2, gRPC and HTTP, and the connections they share: nghttp2 over connections that libcurl makes (name, address, TLS,
// time). Of the client's thread.
//
// Why not libcurl's own HTTP/2: 7.88 loses the head of an answer that comes with the reset which ends an open stream, as gRPC servers
// send it with an early error; it stops a whole connection where one of its streams is held back; it puts a second layer of HTTP/2 over
// a kept connection that was made by prior knowledge; and it forgets to say that a kept connection has to be read.
#pragma once

#include <curl/curl.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/answer_reader.h"
#include "host/call_request.h"
#include "host/curl_options.h"

namespace weir {

class Http2Connection;

/// One call.
struct Http2Stream {
  std::unique_ptr<CallRequest> request;
  std::unique_ptr<AnswerReader> reader;
  Http2Connection* on = nullptr;  ///< null: to be placed, or it is gone and the whole answer is `held`
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

class Http2Pool {
 public:
  /// All outlive it.
  Http2Pool(int epoll_fd, CallEventQueue& events, CURLM* multi);
  ~Http2Pool();

  void Begin(std::unique_ptr<CallRequest> request, uint64_t now_ms);
  void Send(CallToken token, std::string_view framed, bool last);
  void Continue(CallToken token);
  void CancelAndTell(CallToken token);

  /// libcurl has connected, or not; by the server's choice of HTTP/1.1 HTTP calls go to TakeHttp1().
  void OnConnect(Http2Connection& connection, CURLcode code);
  /// False: not a socket of this pool.
  bool OnSocket(int fd, uint32_t events);
  /// Between two turns of the loop.
  void PlaceAgain();
  /// HTTP calls whose server chose HTTP/1.1, or whose next endpoint speaks no HTTP/2: no longer this pool's.
  std::vector<std::unique_ptr<CallRequest>> TakeHttp1() { return std::exchange(http1_, {}); }
  /// When OnTime() is to be called at the latest; nullopt: never.
  std::optional<uint64_t> next_ms() const;
  void OnTime(uint64_t now_ms);

 private:
  friend class Http2Connection;
  void Place(Http2Stream& stream);
  void HandBack(Http2Stream& stream);
  /// Its server chose HTTP/1.1.
  void LostToHttp1(Http2Connection& connection);
  /// Out of the tables; no stream of it is told. Kept by the caller while it is in use.
  std::unique_ptr<Http2Connection> Remove(Http2Connection& connection);
  std::unique_ptr<Http2Stream> Remove(CallToken token);
  void Cancel(CallToken token);  ///< what the server is to know waits for the next Flush()
  void Finish(Http2Stream& stream, CallOutcome outcome);
  /// That connection is no more: its streams go to another, or end so.
  void Lost(Http2Connection& connection, CallOutcome outcome, bool connected);
  static uint64_t NowMs();

  const int epoll_fd_;
  CallEventQueue& events_;
  CURLM* const multi_;
  std::unordered_map<CallToken, std::unique_ptr<Http2Stream>> streams_;
  std::vector<std::unique_ptr<Http2Connection>> connections_;
  std::unordered_map<int, Http2Connection*> by_fd_;
  std::set<std::pair<uint64_t, CallToken>> deadlines_;
  std::vector<CallToken> unplaced_;  ///< to be sent once more
  std::vector<std::unique_ptr<CallRequest>> http1_;
};

}  // namespace weir
