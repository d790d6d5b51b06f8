// HTTP by libcurl. It is loaded when the first request is made: who makes none needs none.
#include <curl/curl.h>
#include <dlfcn.h>
#include <strings.h>

#include <algorithm>
#include <mutex>

#include "extism/http_json.h"
#include "weir/extism.h"

namespace weir::extism {
namespace {

constexpr const char* kLibraries[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so"};
constexpr int kRedirectsMax = 10;

struct Curl {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) init = nullptr;
  decltype(&curl_easy_cleanup) cleanup = nullptr;
  CURLcode (*setopt)(CURL*, CURLoption, ...) = nullptr;
  CURLcode (*getinfo)(CURL*, CURLINFO, ...) = nullptr;
  decltype(&curl_easy_perform) perform = nullptr;
  decltype(&curl_easy_strerror) strerror = nullptr;
  decltype(&curl_slist_append) append = nullptr;
  decltype(&curl_slist_free_all) free_all = nullptr;
};

template <class Function>
bool Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

bool Load(Curl* curl) {
  for (const char* name : kLibraries) {
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);  // stays: its threads and handlers may outlive us
    if (library == nullptr) continue;
    return Find(library, "curl_global_init", &curl->global_init) && Find(library, "curl_easy_init", &curl->init) &&
           Find(library, "curl_easy_cleanup", &curl->cleanup) && Find(library, "curl_easy_setopt", &curl->setopt) &&
           Find(library, "curl_easy_getinfo", &curl->getinfo) && Find(library, "curl_easy_perform", &curl->perform) &&
           Find(library, "curl_easy_strerror", &curl->strerror) && Find(library, "curl_slist_append", &curl->append) &&
           Find(library, "curl_slist_free_all", &curl->free_all) && curl->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  }
  return false;
}

struct Sink {
  HttpResponse response;
  uint64_t body_max = 0;
  bool too_long = false;
};

size_t OnBody(char* bytes, size_t size, size_t count, void* self) {
  auto& sink = *static_cast<Sink*>(self);
  const size_t more = size * count;
  if (more > sink.body_max - sink.response.body.size()) {
    sink.too_long = true;
    return 0;
  }
  sink.response.body.append(bytes, more);
  return more;
}

size_t OnHeader(char* bytes, size_t size, size_t count, void* self) {
  auto& sink = *static_cast<Sink*>(self);
  std::string_view line(bytes, size * count);
  if (line.starts_with("HTTP/")) sink.response.headers.clear();  // of a 100 before
  const size_t colon = line.find(':');
  if (colon != line.npos) {
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    line.remove_prefix(colon + 1);
    const size_t first = line.find_first_not_of(" \t\r\n"), last = line.find_last_not_of(" \t\r\n");
    sink.response.headers.emplace_back(std::move(name), first == line.npos ? "" : line.substr(first, last - first + 1));
  }
  return size * count;
}

class Client {
 public:
  Result<HttpResponse> Do(HttpRequest request) {
    if (!Ready()) return Error{ErrorCode::kIo, "HTTP needs libcurl (libcurl.so.4), which is not installed"};
    for (int hops = 0; hops <= kRedirectsMax; ++hops) {
      std::string next;
      auto response = Once(request, &next);
      if (!response || next.empty()) return response;
      const auto host = HostOfUrl(next);
      if (!host) return Error{ErrorCode::kIo, "redirected to " + next + ": " + host.error().message};
      if (request.allows && !request.allows(*host)) return Error{ErrorCode::kRefused, "HTTP request to " + next + " is not allowed"};
      const uint16_t status = response->status;
      if (status == 303 || ((status == 301 || status == 302) && request.method == "POST")) {
        request.method = "GET";
        request.body.clear();
      }
      if (const auto before = HostOfUrl(request.url); !before || *before != *host) {
        std::erase_if(request.headers, [](const auto& row) { return IsSecret(row.first); });
      }
      request.url = next;
    }
    return Error{ErrorCode::kIo, "too many redirects"};
  }

 private:
  static bool IsSecret(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return name == "authorization" || name == "cookie";
  }
  bool Ready() {
    std::lock_guard lock(mutex_);
    if (!loaded_) loaded_ = Load(&curl_);
    return loaded_;
  }
  Result<HttpResponse> Once(const HttpRequest& request, std::string* redirect);

  std::mutex mutex_;
  bool loaded_ = false;
  Curl curl_;
};

Result<HttpResponse> Client::Once(const HttpRequest& request, std::string* redirect) {
  CURL* handle = curl_.init();
  if (handle == nullptr) return Error{ErrorCode::kIo, "libcurl has no memory"};
  Sink sink;
  sink.body_max = request.response_bytes_max;
  curl_slist* lines = nullptr;
  const auto add = [&](const std::string& line) { lines = curl_.append(lines, line.c_str()); };
  bool has_type = false;
  for (const auto& [name, value] : request.headers) {
    add(value.empty() ? name + ";" : name + ": " + value);
    has_type |= name.size() == 12 && strncasecmp(name.c_str(), "content-type", 12) == 0;
  }
  add("Expect:");
  if (!has_type) add("Content-Type:");
  char error[CURL_ERROR_SIZE] = "";
  const bool body = !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  curl_.setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_.setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_.setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_.setopt(handle, CURLOPT_ERRORBUFFER, error);
  curl_.setopt(handle, CURLOPT_HTTPHEADER, lines);
  curl_.setopt(handle, CURLOPT_USERAGENT, "weir");
  curl_.setopt(handle, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_.setopt(handle, CURLOPT_WRITEDATA, &sink);
  curl_.setopt(handle, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_.setopt(handle, CURLOPT_HEADERDATA, &sink);
  if (body) {
    curl_.setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_.setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (request.method == "HEAD") {
    curl_.setopt(handle, CURLOPT_NOBODY, 1L);
  } else {
    curl_.setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  if (request.timeout_ms) curl_.setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(std::clamp<uint64_t>(*request.timeout_ms, 1, 1u << 30)));
  const CURLcode code = curl_.perform(handle);
  long status = 0;
  char* next = nullptr;
  curl_.getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_.getinfo(handle, CURLINFO_REDIRECT_URL, &next);
  if (next != nullptr) *redirect = next;
  const std::string why = error[0] != '\0' ? error : curl_.strerror(code);
  curl_.cleanup(handle);
  curl_.free_all(lines);
  if (sink.too_long) {
    return Error{ErrorCode::kLimit, "HTTP response exceeds the configured maximum number of bytes: " + std::to_string(request.response_bytes_max)};
  }
  if (code == CURLE_OPERATION_TIMEDOUT) return Error{ErrorCode::kTrapped, why};
  if (code != CURLE_OK) return Error{ErrorCode::kIo, why};
  sink.response.status = static_cast<uint16_t>(status);
  return std::move(sink.response);
}

}  // namespace

HttpClient CurlClient() {
  return [client = std::make_shared<Client>()](const HttpRequest& request) { return client->Do(request); };
}

}  // namespace weir::extism
