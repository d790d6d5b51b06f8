// The one thread of a CallClient: libcurl's multi interface on epoll. Commands come in, events go out.
//
//   embedder's thread                        the client's thread
//   Post(command)  ── queue, eventfd ──▶     Transfer, libcurl, sockets
//   TakeEvents()   ◀── queue, notify() ──
#pragma once

#include <curl/curl.h>
#include <pthread.h>

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <variant>
#include <vector>

#include "host/http2_pool.h"
#include "host/transfer.h"

namespace weir {

struct SendCommand {
  CallToken token;
  std::string framed;
  bool last;
};
struct CancelCommand {
  CallToken token;
};
struct ContinueCommand {
  CallToken token;
};
using CallCommand = std::variant<std::unique_ptr<CallRequest>, SendCommand, CancelCommand, ContinueCommand>;

class CallLoop {
 public:
  /// `notify` runs on the client's thread when events wait, once until TakeEvents().
  CallLoop(std::function<void()> notify, uint32_t idle_connections);
  /// Ends all calls without an event, and the thread.
  ~CallLoop();
  CallLoop(const CallLoop&) = delete;
  CallLoop& operator=(const CallLoop&) = delete;

  /// Makes the thread. kIo: the system gives no descriptor or thread.
  Result<void> Start();
  void Post(CallCommand command);
  CallEventQueue TakeEvents();

 private:
  static void* Main(void* self);
  static int OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void* known);
  void Run();
  bool TakeCommands();
  void Wait();
  void Do(CallCommand command);
  void Begin(std::unique_ptr<CallRequest> request);
  void BeginHttp1(std::unique_ptr<CallRequest> request);
  void Add(Transfer& transfer);
  void Reap();
  void Finish(Transfer& transfer, CURLcode code);
  void Release(Transfer& transfer);
  void Drop(Transfer& transfer);
  void Publish();
  static uint64_t NowMs();

  // Both threads:
  std::mutex mutex_;
  std::vector<CallCommand> commands_;
  CallEventQueue events_;
  bool stopping_ = false;
  const std::function<void()> notify_;
  int wake_fd_ = -1;

  // The client's thread:
  const uint32_t idle_connections_;
  int epoll_fd_ = -1;
  CURLM* multi_ = nullptr;
  CallEventQueue made_;         ///< not yet published
  std::vector<CallCommand> taken_;
  std::unordered_map<CallToken, std::unique_ptr<Transfer>> transfers_;
  std::vector<CallToken> look_at_;  ///< whose callbacks ran
  std::vector<CURL*> free_;
  std::unique_ptr<Http2Pool> http2_;

  pthread_t thread_{};
  bool started_ = false;
};

}  // namespace weir
