// What every handle of libcurl is given: where it connects to, and whom it trusts.
#pragma once

#include <curl/curl.h>

#include "host/cluster.h"
#include "weir/call.h"

namespace weir {

/// What has a handle in the multi interface; CURLOPT_PRIVATE points to it.
struct CurlOwner {
  enum class Kind : uint8_t { kTransfer, kConnection };
  explicit CurlOwner(Kind kind) : kind(kind) {}
  const Kind kind;
};

/// False: out of memory.
bool Append(curl_slist** list, const char* line);

/// Url, address, connect time, TLS; nothing of the environment. `error` has CURL_ERROR_SIZE bytes; it, `connect_to` and `owner` outlive
/// the handle's use. False: out of memory.
bool SetEndpoint(CURL* easy, const Cluster& config, const Endpoint& endpoint, CurlOwner* owner, char* error, curl_slist** connect_to);

/// What kind of failure libcurl's is. `text`: what it wrote of it.
CallFailure FailureOf(CURLcode code, const char* text);

}  // namespace weir
