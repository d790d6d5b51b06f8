// CPU of a call: CallClient beside libcurl's multi interface used plainly, both against the same server.
//   weir_bench_calls URL [calls] [at once]          e.g. http://127.0.0.1:8080 20000 32
#include <curl/curl.h>
#include <sys/resource.h>

#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "host/http_client.h"

namespace {

double CpuUs() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto us = [](const timeval& time) { return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec); };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

class Load final : public weir::CallEvents {
 public:
  Load(const std::string& url, int calls, int at_once)
      : calls_(calls), at_once_(at_once), client_({.clusters = {{.name = "u", .urls = {url}}}}, [this] {
          std::lock_guard lock(mutex_);
          notified_ = true;
          condition_.notify_one();
        }) {}
  /// Returns how many failed.
  int Run() {
    for (int i = 0; i < at_once_ && started_ < calls_; ++i) Start();
    while (done_ < calls_) {
      std::unique_lock lock(mutex_);
      condition_.wait(lock, [this] { return notified_; });
      notified_ = false;
      lock.unlock();
      client_.Deliver();
    }
    return failed_;
  }
  void OnHttpAnswer(weir::CallToken, weir::HttpAnswer answer) override {
    ++done_;
    failed_ += answer.failure != weir::CallFailure::kNone;
    if (started_ < calls_) Start();
  }
  void OnGrpcMetadata(weir::CallToken, weir::HeaderList) override {}
  void OnGrpcMessage(weir::CallToken, std::string) override {}
  void OnGrpcTrailers(weir::CallToken, weir::HeaderList) override {}
  void OnGrpcClose(weir::CallToken, weir::GrpcStatus, std::string) override {}

 private:
  void Start() {
    ++started_;
    auto token = client_.StartHttp({.upstream = "u", .headers = {{":method", "GET"}, {":path", "/"}, {":authority", "bench"}, {"x-one", "1"}}}, *this);
    if (!token) ++done_, ++failed_;
  }
  int calls_, at_once_, started_ = 0, done_ = 0, failed_ = 0;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool notified_ = false;
  weir::CallClient client_;
};

size_t Ignore(char*, size_t size, size_t count, void*) { return size * count; }

/// curl_multi_perform and curl_multi_poll, handles used again, as an example of libcurl's would do it.
int RunPlain(const std::string& url, int calls, int at_once) {
  CURLM* multi = curl_multi_init();
  curl_slist* headers = curl_slist_append(nullptr, "x-one: 1");
  int started = 0, done = 0, failed = 0, running = 0, left = 0;
  for (; started < at_once && started < calls; ++started) {
    CURL* easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Ignore);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Ignore);
    curl_multi_add_handle(multi, easy);
  }
  while (done < calls) {
    curl_multi_perform(multi, &running);
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      ++done;
      failed += message->data.result != CURLE_OK;
      CURL* easy = message->easy_handle;
      curl_multi_remove_handle(multi, easy);
      if (started++ < calls) curl_multi_add_handle(multi, easy);
      else curl_easy_cleanup(easy);
    }
    if (done < calls) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
  }
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  return failed;
}

int Number(const char* text, int otherwise) {
  int number = otherwise;
  if (text) std::from_chars(text, text + strlen(text), number);
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: weir_bench_calls URL [calls] [at once]\n");
    return 2;
  }
  const std::string url = argv[1];
  const int calls = Number(argc > 2 ? argv[2] : nullptr, 20'000), at_once = Number(argc > 3 ? argv[3] : nullptr, 32);
  int failed = 0;
  for (int round = 0; round < 5; ++round) {
    const double start = CpuUs();
    failed += RunPlain(url, calls, at_once);
    const double between = CpuUs();
    failed += Load(url, calls, at_once).Run();
    std::printf("CPU a call, us: libcurl %.1f, CallClient %.1f (both threads)\n", (between - start) / calls, (CpuUs() - between) / calls);
  }
  return failed != 0;
}
