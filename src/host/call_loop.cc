#include "host/call_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "host/http2_connection.h"

namespace weir {
namespace {

constexpr size_t kFreeHandlesMax = 64;
constexpr int kEventsAtOnce = 64;

}  // namespace

CallLoop::CallLoop(std::function<void()> notify, uint32_t idle_connections)
    : notify_(std::move(notify)), idle_connections_(idle_connections) {}

CallLoop::~CallLoop() {
  if (started_) {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    eventfd_write(wake_fd_, 1);
    pthread_join(thread_, nullptr);
  }
  if (wake_fd_ >= 0) close(wake_fd_);
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

uint64_t CallLoop::NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

Result<void> CallLoop::Start() {
  if (started_) return {};
  auto refused = [](const char* what, int error) { return Error{ErrorCode::kIo, std::string(what) + " for calls to upstreams: " + strerror(error)}; };
  if (wake_fd_ < 0) wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return refused("eventfd", errno);
  if (epoll_fd_ < 0) epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return refused("epoll_create", errno);
  epoll_event wake{.events = EPOLLIN, .data = {.fd = wake_fd_}};
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &wake) != 0 && errno != EEXIST) return refused("epoll_ctl", errno);
  sigset_t all, before;  // signals are the embedder's; the resolver's threads inherit the mask
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread_, nullptr, &CallLoop::Main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error) return refused("a thread", error);
  started_ = true;
  return {};
}

void CallLoop::Post(CallCommand command) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = commands_.empty();
    commands_.push_back(std::move(command));
  }
  if (first) eventfd_write(wake_fd_, 1);
}

CallEventQueue CallLoop::TakeEvents() {
  std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

void CallLoop::Publish() {
  if (made_.empty()) return;
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = events_.empty();
    if (first) {
      events_.swap(made_);
    } else {
      for (CallEvent& event : made_) events_.push_back(std::move(event));
    }
  }
  made_.clear();
  if (first) notify_();
}

void* CallLoop::Main(void* self) {
  pthread_setname_np(pthread_self(), "weir-calls");
  static_cast<CallLoop*>(self)->Run();
  return nullptr;
}

void CallLoop::Run() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = curl_multi_init();
  if (multi_) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CallLoop::OnSocket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(idle_connections_));
  }
  http2_ = std::make_unique<Http2Pool>(epoll_fd_, made_, multi_);
  while (TakeCommands()) {
    for (CallCommand& command : taken_) Do(std::move(command));
    taken_.clear();
    Reap();
    http2_->PlaceAgain();
    for (auto& request : http2_->TakeHttp1()) BeginHttp1(std::move(request));
    Publish();
    Wait();
    Reap();
    Publish();
  }
  for (auto& [token, transfer] : transfers_) {
    if (!transfer->easy()) continue;
    curl_multi_remove_handle(multi_, transfer->easy());
    curl_easy_cleanup(transfer->easy());
  }
  transfers_.clear();
  http2_.reset();
  for (CURL* easy : free_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

/// False: stop.
bool CallLoop::TakeCommands() {
  std::lock_guard lock(mutex_);
  taken_.swap(commands_);
  return !stopping_;
}

void CallLoop::Wait() {
  // Asked each time: libcurl does not call a timer function again for a time that it has told, though it was woken too early.
  long timeout_ms = -1;
  curl_multi_timeout(multi_, &timeout_ms);
  if (const auto next_ms = http2_->next_ms()) {
    const uint64_t now_ms = NowMs();
    const long wait_ms = *next_ms > now_ms ? static_cast<long>(*next_ms - now_ms) : 0;
    timeout_ms = timeout_ms < 0 ? wait_ms : std::min(timeout_ms, wait_ms);
  }
  epoll_event events[kEventsAtOnce];
  const int count = epoll_wait(epoll_fd_, events, kEventsAtOnce, static_cast<int>(std::min<long>(timeout_ms, INT_MAX)));
  int running = 0;
  curl_multi_timeout(multi_, &timeout_ms);
  if (timeout_ms == 0) curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
  http2_->OnTime(NowMs());
  for (int i = 0; i < count; ++i) {
    if (events[i].data.fd == wake_fd_) {
      eventfd_t ignored;
      eventfd_read(wake_fd_, &ignored);
      continue;
    }
    if (http2_->OnSocket(events[i].data.fd, events[i].events)) continue;
    int mask = 0;
    if (events[i].events & EPOLLIN) mask |= CURL_CSELECT_IN;
    if (events[i].events & EPOLLOUT) mask |= CURL_CSELECT_OUT;
    if (events[i].events & (EPOLLERR | EPOLLHUP)) mask |= CURL_CSELECT_ERR;
    curl_multi_socket_action(multi_, events[i].data.fd, mask, &running);
  }
}

int CallLoop::OnSocket(CURL*, curl_socket_t socket, int what, void* self, void* known) {
  auto& me = *static_cast<CallLoop*>(self);
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(me.epoll_fd_, EPOLL_CTL_DEL, socket, nullptr);
    curl_multi_assign(me.multi_, socket, nullptr);
    return 0;
  }
  epoll_event event{.events = 0, .data = {.fd = socket}};
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  const int done = epoll_ctl(me.epoll_fd_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
  if (done != 0) {  // the number was closed and given again behind our back
    epoll_ctl(me.epoll_fd_, errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
  }
  curl_multi_assign(me.multi_, socket, self);
  return 0;
}

void CallLoop::Do(CallCommand command) {
  if (auto* request = std::get_if<std::unique_ptr<CallRequest>>(&command)) return Begin(std::move(*request));
  if (auto* send = std::get_if<SendCommand>(&command)) {
    http2_->Send(send->token, send->framed, send->last);
  } else if (auto* go_on = std::get_if<ContinueCommand>(&command)) {
    http2_->Continue(go_on->token);
  } else if (auto* cancel = std::get_if<CancelCommand>(&command)) {
    auto it = transfers_.find(cancel->token);
    if (it != transfers_.end()) Drop(*it->second);
    http2_->CancelAndTell(cancel->token);
  }
}

void CallLoop::Begin(std::unique_ptr<CallRequest> request) {
  const uint64_t now_ms = NowMs();
  if (request->grpc || request->cluster->BeginsWithHttp2(request->endpoint, now_ms)) return http2_->Begin(std::move(request), now_ms);
  BeginHttp1(std::move(request));
}

void CallLoop::BeginHttp1(std::unique_ptr<CallRequest> request) {
  const CallToken token = request->token;
  auto transfer = std::make_unique<Transfer>(std::move(request), made_, look_at_);
  Transfer& added = *transfer;
  transfers_.emplace(token, std::move(transfer));
  Add(added);
}

void CallLoop::Add(Transfer& transfer) {
  CURL* easy = nullptr;
  if (!free_.empty()) {
    easy = free_.back();
    free_.pop_back();
  } else {
    easy = curl_easy_init();
  }
  const bool ready = multi_ && easy && transfer.Prepare(easy, NowMs());
  if (!ready || curl_multi_add_handle(multi_, easy) != CURLM_OK) return Finish(transfer, CURLE_OUT_OF_MEMORY);
}

/// What is over, by libcurl's word or by ours.
void CallLoop::Reap() {
  for (CallToken token : std::exchange(look_at_, {})) {
    auto it = transfers_.find(token);
    if (it != transfers_.end() && it->second->over()) Finish(*it->second, CURLE_OK);
  }
  int left = 0;
  while (multi_) {
    CURLMsg* message = curl_multi_info_read(multi_, &left);
    if (!message) break;
    if (message->msg != CURLMSG_DONE) continue;
    CurlOwner* owner = nullptr;
    const CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    if (owner->kind == CurlOwner::Kind::kConnection) {
      http2_->OnConnect(*static_cast<Http2Connection*>(owner), code);
      continue;
    }
    auto* transfer = static_cast<Transfer*>(owner);
    if (!transfer->RetryAfter(code, NowMs())) {
      Finish(*transfer, code);
      continue;
    }
    Release(*transfer);
    Add(*transfer);
  }
}

void CallLoop::Finish(Transfer& transfer, CURLcode code) {
  transfer.End(code, NowMs());
  Drop(transfer);
}

void CallLoop::Release(Transfer& transfer) {
  CURL* easy = transfer.easy();
  if (!easy) return;
  curl_multi_remove_handle(multi_, easy);
  if (transfer.handle_reusable() && free_.size() < kFreeHandlesMax) {
    curl_easy_reset(easy);
    free_.push_back(easy);
  } else {
    curl_easy_cleanup(easy);
  }
}

void CallLoop::Drop(Transfer& transfer) {
  Release(transfer);
  transfers_.erase(transfer.token());
}

}  // namespace weir
