// Starts testing/upstream.py and calls it. Tests only.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <sstream>

#include "host/http_client.h"

namespace weir {

/// The servers of one test program, until it ends.
class TestUpstream {
 public:
  /// `flags`: "--tls", "--grpc" or both.
  explicit TestUpstream(std::vector<std::string> flags = {}) {
    int in[2], out[2];
    EXPECT_EQ(pipe(in), 0);
    EXPECT_EQ(pipe(out), 0);
    std::vector<std::string> words = {"/usr/bin/python3", "src/host/testing/upstream.py"};
    words.insert(words.end(), flags.begin(), flags.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      for (int fd : {in[0], in[1], out[0], out[1]}) close(fd);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    stdin_ = in[1];
    std::string line;
    for (char c; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    close(out[0]);
    std::istringstream words_in(line);
    for (std::string word; words_in >> word;) {
      const size_t equals = word.find('=');
      values_[word.substr(0, equals)] = word.substr(equals + 1);
    }
    EXPECT_TRUE(values_.count("http")) << "upstream.py did not start";
  }
  ~TestUpstream() {
    close(stdin_);
    waitpid(pid_, nullptr, 0);
  }
  const std::string& operator[](const std::string& name) const { return values_.at(name); }
  std::string url(const std::string& name, const std::string& scheme = "http") const { return scheme + "://127.0.0.1:" + values_.at(name); }
  std::string file(const std::string& name) const { return values_.at("certificates") + "/" + name; }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  std::map<std::string, std::string> values_;
};

/// A client with a loop: Wait() until something has come, or the test fails.
class TestCaller : public CallEvents {
 public:
  struct Grpc {
    HeaderList metadata, trailers;
    std::vector<std::string> messages;
    uint64_t bytes = 0;
    bool metadata_came = false, trailers_came = false, closed = false;
    GrpcStatus status = GrpcStatus::kOk;
    std::string message;
  };

  explicit TestCaller(ClientOptions options) : client_(std::move(options), [this] { OnNotify(); }) {}
  CallClient& client() { return client_; }

  Result<CallToken> Start(const std::string& upstream, const std::string& path, HeaderList more = {}, std::string body = {}, uint32_t timeout_ms = 5000,
                          const std::string& method = {}, HeaderList trailers = {}) {
    HttpCall call{.upstream = upstream, .body = std::move(body), .trailers = std::move(trailers), .timeout_ms = timeout_ms};
    call.headers = {{":method", !method.empty() ? method : call.body.empty() ? "GET" : "POST"}, {":path", path}, {":authority", "svc.example"}};
    call.headers.insert(call.headers.end(), more.begin(), more.end());
    return client_.StartHttp(std::move(call), *this);
  }
  HttpAnswer Get(const std::string& upstream, const std::string& path, HeaderList more = {}, std::string body = {}, uint32_t timeout_ms = 5000,
                 const std::string& method = {}, HeaderList trailers = {}) {
    auto token = Start(upstream, path, std::move(more), std::move(body), timeout_ms, method, std::move(trailers));
    EXPECT_TRUE(token) << token.error().message;
    return token ? Answer(*token) : HttpAnswer{};
  }
  HttpAnswer Answer(CallToken token) {
    WaitUntil([&] { return answers.count(token) > 0; });
    return answers[token];
  }
  template <class Done>
  void WaitUntil(Done done, int seconds = 20) {
    const auto stop = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!done()) {
      std::unique_lock lock(mutex_);
      const bool came = condition_.wait_until(lock, stop, [this] { return notified_; });
      notified_ = false;
      lock.unlock();
      if (!came) {
        ADD_FAILURE() << "nothing more came";
        return;
      }
      client_.Deliver();
    }
  }
  /// Nothing is to come: delivers what comes within `ms` all the same.
  void Idle(int ms) {
    const auto stop = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    std::unique_lock lock(mutex_);
    while (condition_.wait_until(lock, stop, [this] { return notified_; })) {
      notified_ = false;
      lock.unlock();
      client_.Deliver();
      lock.lock();
    }
  }

  void OnHttpAnswer(CallToken token, HttpAnswer answer) override { answers[token] = std::move(answer); }
  void OnGrpcMetadata(CallToken token, HeaderList metadata) override {
    Grpc& call = grpc[token];
    EXPECT_FALSE(call.metadata_came || call.trailers_came || call.closed || !call.messages.empty());
    call.metadata_came = true;
    call.metadata = std::move(metadata);
  }
  void OnGrpcMessage(CallToken token, std::string message) override {
    Grpc& call = grpc[token];
    EXPECT_TRUE(call.metadata_came && !call.trailers_came && !call.closed);
    call.bytes += message.size();
    call.messages.push_back(keep_messages ? std::move(message) : std::string());
  }
  void OnGrpcTrailers(CallToken token, HeaderList metadata) override {
    Grpc& call = grpc[token];
    EXPECT_FALSE(call.trailers_came || call.closed);
    call.trailers_came = true;
    call.trailers = std::move(metadata);
  }
  void OnGrpcClose(CallToken token, GrpcStatus status, std::string message) override {
    Grpc& call = grpc[token];
    EXPECT_FALSE(call.closed);
    call.closed = true;
    call.status = status;
    call.message = std::move(message);
  }

  std::map<CallToken, HttpAnswer> answers;
  std::map<CallToken, Grpc> grpc;
  bool keep_messages = true;

 private:
  void OnNotify() {
    std::lock_guard lock(mutex_);
    notified_ = true;
    condition_.notify_one();
  }
  std::mutex mutex_;
  std::condition_variable condition_;
  bool notified_ = false;
  CallClient client_;  // last: its thread ends before the rest goes
};

inline std::string ValueOf(const HeaderList& headers, std::string_view name) {
  std::string all;
  for (const auto& [key, value] : headers) {
    if (key == name) all += (all.empty() ? "" : "|") + value;
  }
  return all;
}

}  // namespace weir
