// What plugins say of HTTP: requests as JSON, the host of a URL, headers as JSON.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "weir/extism.h"

namespace weir::extism {

/// {"url": …, "headers": {…}, "method": …}; nothing else.
Result<HttpRequest> ParseHttpRequest(std::string_view json);
/// In lower case, without port and user; of an IPv6 address with its brackets. The error says what is wrong with the URL.
Result<std::string> HostOfUrl(std::string_view url);
std::string JsonOf(const std::map<std::string, std::string>& headers);

}  // namespace weir::extism
