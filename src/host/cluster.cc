#include "host/cluster.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/log_text.h"

namespace weir {
namespace {

constexpr size_t kHostsMax = 1'000;         // allowed hosts remembered while nobody calls them
constexpr size_t kUnixPathBytesMax = 107;   // sockaddr_un
constexpr size_t kHostBytesMax = 253;       // of a DNS name

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

struct HostPort {
  std::string_view host;  ///< an IPv6 address with its brackets
  std::string_view port;  ///< may be empty
};

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

/// Nothing but a name or address: what a url could be changed by ("/", "@", "?") is refused.
bool IsHost(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  const bool six = host.front() == '[';
  if (six) {
    if (host.size() < 4 || host.back() != ']') return false;
    host = host.substr(1, host.size() - 2);
  }
  return std::all_of(host.begin(), host.end(), [six](char c) {
    if (six) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
  });
}

std::optional<HostPort> SplitHost(std::string_view text) {
  HostPort all{text, {}};
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
    all = {text.substr(0, colon), text.substr(colon + 1)};
    if (!IsPort(all.port)) return std::nullopt;
  }
  if (!IsHost(all.host)) return std::nullopt;
  return all;
}

Error Bad(const Cluster& cluster, const std::string& what) {
  return {ErrorCode::kInvalidArgument, "cluster \"" + LogText(cluster.name, 200) + "\": " + what};
}

}  // namespace

std::optional<Endpoint> ParseEndpoint(std::string_view url, std::string_view tls_name) {
  Endpoint endpoint;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    endpoint.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (!rest.starts_with("unix:")) {
    return std::nullopt;
  }
  const std::string scheme = endpoint.tls ? "https://" : "http://";
  if (rest.starts_with("unix:")) {
    rest.remove_prefix(5);
    if (rest.ends_with(':')) rest.remove_suffix(1);  // as in NGINX's proxy_pass
    if (!rest.starts_with('/') || rest.size() > kUnixPathBytesMax) return std::nullopt;
    endpoint.unix_socket = rest;
    endpoint.text = "unix:" + endpoint.unix_socket;
    endpoint.authority = tls_name.empty() ? "localhost" : std::string(tls_name);
    endpoint.origin = scheme + endpoint.authority;
    return endpoint;
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const auto host = SplitHost(rest);
  if (!host) return std::nullopt;
  const std::string port = host->port.empty() ? (endpoint.tls ? "443" : "80") : std::string(host->port);
  endpoint.text = std::string(host->host) + ":" + port;
  const bool named = endpoint.tls && !tls_name.empty();
  endpoint.authority = named ? std::string(tls_name) + ":" + port : endpoint.text;
  endpoint.origin = scheme + endpoint.authority;
  if (named) endpoint.connect_to = "::" + endpoint.text;
  return endpoint;
}

Result<void> CheckCluster(const Cluster& cluster) {
  if (cluster.name.empty()) return Bad(cluster, "has no name");
  if (cluster.urls.empty()) return Bad(cluster, "has no url: give \"http://HOST:PORT\", \"https://…\" or \"http://unix:/PATH\"");
  if (!cluster.tls_name.empty() && !IsHost(cluster.tls_name)) return Bad(cluster, "\"" + LogText(cluster.tls_name, 200) + "\" is no TLS name");
  for (const std::string& url : cluster.urls) {
    if (!ParseEndpoint(url, cluster.tls_name)) {
      return Bad(cluster, "\"" + LogText(url, 200) + "\" is not http://HOST[:PORT], https://HOST[:PORT] or http://unix:/PATH (without a path: calls have theirs)");
    }
  }
  const std::pair<const char*, uint64_t> ranges[] = {{"timeout", cluster.timeout_ms},          {"connect timeout", cluster.connect_timeout_ms},
                                                     {"largest answer", cluster.answer_bytes_max}, {"largest headers", cluster.header_bytes_max},
                                                     {"bytes to send", cluster.send_bytes_max},    {"number of calls", cluster.calls_max}};
  for (const auto& [what, value] : ranges) {
    if (value == 0) return Bad(cluster, std::string("the ") + what + " is 0: it has to be 1 or more");
  }
  for (const std::string* file : {&cluster.ca_file, &cluster.certificate_file, &cluster.key_file}) {
    if (!file->empty() && access(file->c_str(), R_OK) != 0) return Bad(cluster, "cannot read \"" + LogText(*file, 500) + "\"");
  }
  return {};
}

Result<void> CheckAllowedHost(std::string_view pattern) {
  std::string_view host = pattern;
  if (host.starts_with("*.")) host.remove_prefix(2);
  if (SplitHost(host)) return {};
  return Error{ErrorCode::kInvalidArgument, "\"" + LogText(pattern, 200) + "\" is not HOST, *.SUFFIX, HOST:PORT, *.SUFFIX:PORT or any"};
}

ClusterTable::ClusterTable(std::vector<Cluster> clusters, std::vector<std::string> allowed_hosts, Cluster host_defaults, FindMore find_more)
    : host_defaults_(std::move(host_defaults)), find_more_(std::move(find_more)) {
  for (Cluster& cluster : clusters) {
    std::string name = cluster.name;
    if (auto active = Activate(std::move(cluster))) named_.emplace(std::move(name), std::move(active));
  }
  for (const std::string& pattern : allowed_hosts) {
    if (CheckAllowedHost(pattern)) allowed_hosts_.push_back(Lower(pattern));
  }
}

std::shared_ptr<ActiveCluster> ClusterTable::Activate(Cluster cluster) {
  std::vector<Endpoint> endpoints;
  for (const std::string& url : cluster.urls) {
    if (auto endpoint = ParseEndpoint(url, cluster.tls_name)) endpoints.push_back(std::move(*endpoint));
  }
  if (endpoints.empty()) return nullptr;
  return std::make_shared<ActiveCluster>(ActiveCluster{std::move(cluster), std::move(endpoints)});
}

std::shared_ptr<ActiveCluster> ClusterTable::FindNamed(std::string_view name) {
  if (auto it = named_.find(name); it != named_.end()) return it->second;
  if (!find_more_) return nullptr;
  std::optional<Cluster> more = find_more_(name);
  auto active = more ? Activate(std::move(*more)) : nullptr;
  if (active) named_.emplace(name, active);
  return active;
}

bool ClusterTable::Allows(std::string_view host, std::string_view port) const {
  return std::any_of(allowed_hosts_.begin(), allowed_hosts_.end(), [&](std::string_view pattern) {
    if (pattern == "any") return true;
    const bool suffix = pattern.starts_with("*.");
    if (suffix) pattern.remove_prefix(1);  // the dot stays: "*.a.example" is not "bada.example"
    const auto wanted = SplitHost(suffix ? pattern.substr(1) : pattern);
    if (!wanted->port.empty() && wanted->port != port) return false;
    if (!suffix) return host == wanted->host;
    const std::string_view end = pattern.substr(0, wanted->host.size() + 1);
    return host.size() > end.size() && host.ends_with(end);
  });
}

bool ClusterTable::Knows(std::string_view name) {
  if (FindNamed(name)) return true;
  const std::string lower = Lower(name);
  const auto host = SplitHost(lower);
  return host && Allows(host->host, host->port.empty() ? "80" : host->port);
}

std::shared_ptr<ActiveCluster> ClusterTable::Find(std::string_view name, bool tls) {
  if (auto named = FindNamed(name)) return named;
  const std::string lower = Lower(name);
  const auto host = SplitHost(lower);
  if (!host) return nullptr;
  tls = tls || host->port == "443";
  const std::string_view port = host->port.empty() ? (tls ? "443" : "80") : host->port;
  if (!Allows(host->host, port)) return nullptr;
  const std::string url = (tls ? "https://" : "http://") + std::string(host->host) + ":" + std::string(port);
  if (auto it = hosts_.find(url); it != hosts_.end()) return it->second;
  if (hosts_.size() >= kHostsMax) std::erase_if(hosts_, [](const auto& entry) { return entry.second->in_flight == 0; });
  Cluster cluster = host_defaults_;
  cluster.name = name;
  cluster.urls = {url};
  auto active = Activate(std::move(cluster));
  if (active) hosts_.emplace(url, active);
  return active;
}

}  // namespace weir
