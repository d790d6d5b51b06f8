#include "host/curl_options.h"

#include <cstring>

namespace weir {
namespace {

bool SetTls(CURL* easy, const Cluster& config) {
  const bool verify = config.verify == VerifyTls::kYes;
  bool ok = true;
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  if (!config.ca_file.empty()) {
    ok = curl_easy_setopt(easy, CURLOPT_CAINFO, config.ca_file.c_str()) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // that file's alone
  }
  if (config.certificate_file.empty()) return ok;
  const std::string& key = config.key_file.empty() ? config.certificate_file : config.key_file;
  ok = curl_easy_setopt(easy, CURLOPT_SSLCERT, config.certificate_file.c_str()) == CURLE_OK && ok;
  return curl_easy_setopt(easy, CURLOPT_SSLKEY, key.c_str()) == CURLE_OK && ok;
}

}  // namespace

bool Append(curl_slist** list, const char* line) {
  curl_slist* longer = curl_slist_append(*list, line);
  if (longer) *list = longer;
  return longer != nullptr;
}

bool SetEndpoint(CURL* easy, const Cluster& config, const Endpoint& endpoint, CurlOwner* owner, char* error, curl_slist** connect_to) {
  bool ok = true;
  curl_slist_free_all(std::exchange(*connect_to, nullptr));
  if (!endpoint.connect_to.empty()) ok = Append(connect_to, endpoint.connect_to.c_str());
  curl_easy_setopt(easy, CURLOPT_PRIVATE, owner);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a name that resolves slowly holds nobody else up when its call ends
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");       // the environment's are not ours
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(config.connect_timeout_ms));
  ok = curl_easy_setopt(easy, CURLOPT_URL, endpoint.origin.c_str()) == CURLE_OK && ok;
  if (*connect_to) curl_easy_setopt(easy, CURLOPT_CONNECT_TO, *connect_to);
  if (!endpoint.unix_socket.empty()) ok = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint.unix_socket.c_str()) == CURLE_OK && ok;
  if (endpoint.tls) ok = SetTls(easy, config) && ok;
  return ok;
}

CallFailure FailureOf(CURLcode code, const char* text) {
  switch (code) {
    case CURLE_OK: return CallFailure::kNone;
    case CURLE_OPERATION_TIMEDOUT: return CallFailure::kTimeout;
    case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: return CallFailure::kResolve;
    case CURLE_COULDNT_CONNECT: return CallFailure::kConnect;
    case CURLE_SSL_CONNECT_ERROR: case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER: case CURLE_SSL_ISSUER_ERROR: case CURLE_SSL_INVALIDCERTSTATUS: case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED: case CURLE_SSL_ENGINE_INITFAILED: case CURLE_SSL_CLIENTCERT: case CURLE_USE_SSL_FAILED:
      return CallFailure::kTls;
    case CURLE_FILESIZE_EXCEEDED: return CallFailure::kTooLarge;
    case CURLE_RECV_ERROR: return strstr(text, "in chunked-encoding") ? CallFailure::kProtocol : CallFailure::kReset;
    case CURLE_UNSUPPORTED_PROTOCOL: case CURLE_WEIRD_SERVER_REPLY: case CURLE_HTTP2: case CURLE_BAD_CONTENT_ENCODING:
      return CallFailure::kProtocol;
    default: return CallFailure::kReset;
  }
}

}  // namespace weir
