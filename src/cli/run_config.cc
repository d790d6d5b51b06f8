#include "cli/run_config.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <set>

#include "base/nearest_name.h"

namespace weir::cli {
namespace {

constexpr PluginOption::Times kMany = PluginOption::Times::kMany;

// One row is an argument of weir_plugin, a YAML key and a flag.
constexpr PluginOption kPluginOptions[] = {
    {"config", "FILE", "configuration file, given to the plugin as it is"},
    {"config_inline", "TEXT", "configuration in place"},
    {"root_id", "ID", "plugin_root_id: which of its plugins a module runs (C++, AssemblyScript)"},
    {"vm_id", "ID", "name space of shared data and queues (default: the plugin's name); plugins of one module with the same one share their VM"},
    {"vm_config", "TEXT", "configuration given to on_vm_start"},
    {"env", "NAME=VALUE", "environment variable of the plugin; may be repeated", kMany},
    {"memory", "SIZE", "limit of an instance's memory (default 256m)"},
    {"timeout", "TIME", "limit of a callback's CPU time (default 50ms)"},
    {"start_timeout", "TIME", "limit of CPU time for start and configuration (default 30s)"},
    {"on_error", "closed|open", "a request whose plugin failed gets 503 (closed, default), or goes on without it (open)"},
    {"allow", "NAME,…", "what it may use: groups of host functions (http_call, shared_data …), upstream:NAME, foreign:NAME (default all)"},
    {"statuses", "lenient|strict", "host calls answer what every SDK tolerates (lenient, default), or the specification's status"},
    {"stderr_level", "LEVEL", "level of what the plugin writes to standard error (default error)"},
    {"header_pause", "stream|headers_only", "a pause in headers holds the body too (stream, default), or body callbacks go on"},
    {"on_buffer_full", "reject|release", "a paused body over its limit: 413 or 502 (reject, default), or what is held goes on"},
};

// One row is an argument of weir_cluster and a YAML key.
constexpr PluginOption kClusterOptions[] = {
    {"timeout", "TIME", "of a call that names none"},
    {"connect_timeout", "TIME", "of a connection, with its TLS handshake"},
    {"ca", "FILE", "certificates to verify against (default: the system's)"},
    {"verify", "on|off", "off: any certificate will do"},
    {"host", "NAME", "name asked for and verified in TLS (default: the URL's)"},
    {"cert", "FILE", "certificate of the client"},
    {"key", "FILE", "its key"},
    {"http2", "auto|on|off", "auto: where TLS offers it; on: without TLS too"},
    {"max_answer", "SIZE", "limit of an answer's body"},
    {"max_calls", "NUMBER", "calls in flight in a worker"},
    {"idle", "TIME", "how long an unused connection is kept"},
};

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// "did you mean …?", or nothing.
std::string Suggestion(std::string_view name, const std::vector<std::string_view>& known) {
  const std::string_view near = NearestName(name, known);
  return near.empty() ? "" : "; did you mean " + Quoted(near) + "?";
}

Result<void> CheckFile(const std::string& path, const std::string& thing, mode_t type = S_IFREG) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                 thing + " " + Quoted(path) + ": " + (errno == ENOENT ? "no such file" : std::strerror(errno))};
  }
  if (type == S_IFDIR && !S_ISDIR(info.st_mode)) return Invalid(thing + " " + Quoted(path) + " is not a directory");
  if (type == S_IFREG && S_ISDIR(info.st_mode)) return Invalid(thing + " " + Quoted(path) + " is a directory, not a file");
  return {};
}

constexpr std::string_view kNameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

template <class Items>
Result<void> CheckNamesOnce(const Items& items, std::string_view kind) {
  std::set<std::string_view> seen;
  for (const auto& item : items) {
    if (item.name.empty() || item.name.find_first_not_of(kNameLetters) != item.name.npos) {
      return Invalid(std::string(kind) + " " + Quoted(item.name) + ": a name has letters, digits, '-', '_' and '.' alone");
    }
    if (!seen.insert(item.name).second) {
      return Invalid(std::string(kind) + " " + Quoted(item.name) + " is named twice: give each another name");
    }
  }
  return {};
}

constexpr std::string_view kLogLevels[] = {"debug", "info", "notice", "warn", "error", "crit"};

Result<void> CheckGlobals(const RunConfig& config) {
  constexpr std::string_view kDigits = "0123456789";
  const bool number = !config.workers.empty() && config.workers.size() <= 4 &&
                      config.workers.find_first_not_of(kDigits) == config.workers.npos && config.workers[0] != '0';
  if (!number && config.workers != "auto") {
    return Invalid("workers: " + Quoted(config.workers) + " is not a number from 1 or \"auto\" (one a CPU)");
  }
  if (std::find(std::begin(kLogLevels), std::end(kLogLevels), config.log_level) == std::end(kLogLevels)) {
    return Invalid("log level " + Quoted(config.log_level) + " is none of debug, info, notice, warn, error, crit");
  }
  std::string_view size = config.client_body_max;
  if (!size.empty() && std::string_view("kmgKMG").find(size.back()) != std::string_view::npos) size.remove_suffix(1);
  if (size.empty() || size.size() > 12 || size.find_first_not_of(kDigits) != size.npos) {
    return Invalid("client_body_max: " + Quoted(config.client_body_max) + " is not a size such as 10m (0: no limit)");
  }
  return {};
}

Result<void> CheckRoute(const RunConfig& config, const RunRoute& route, const std::string& place) {
  std::vector<std::string_view> plugins, upstreams;
  for (const RunPlugin& plugin : config.plugins) plugins.push_back(plugin.name);
  for (const RunUpstream& upstream : config.upstreams) upstreams.push_back(upstream.name);
  const auto declared = [](const auto& known, std::string_view name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  if (!route.path.starts_with('/') && !route.path.starts_with("= /")) {
    return Invalid(place + ": a path begins with / (or \"= /\": exactly that path)");
  }
  if (route.status < 200 || route.status > 599) {
    return Invalid(place + ": status " + std::to_string(route.status) + " is not from 200 to 599");
  }
  for (const std::string& name : route.plugins) {
    if (!declared(plugins, name)) {
      return Invalid(place + ": plugin " + Quoted(name) + " is not declared under plugins" + Suggestion(name, plugins));
    }
  }
  if (route.kind == RunRoute::Kind::kUpstream && !declared(upstreams, route.upstream)) {
    return Invalid(place + ": upstream " + Quoted(route.upstream) + " is not declared under upstreams" +
                   Suggestion(route.upstream, upstreams));
  }
  if (route.kind == RunRoute::Kind::kRoot && (!route.path.starts_with('/') || !route.path.ends_with('/'))) {
    return Invalid(place + ": the path of a root ends in /: the rest of the request's path is looked for in the directory");
  }
  if (route.kind == RunRoute::Kind::kRoot) WEIR_TRY_VOID(CheckFile(route.root, place + ": root", S_IFDIR));
  return {};
}

}  // namespace

std::span<const PluginOption> PluginOptions() { return kPluginOptions; }

std::span<const PluginOption> ClusterOptions() { return kClusterOptions; }

bool IsFileOption(std::string_view cluster_option) { return cluster_option == "ca" || cluster_option == "cert" || cluster_option == "key"; }

std::string FlagOf(std::string_view option_name) {
  std::string flag(option_name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string RunPlugin::config_file() const {
  for (const auto& [name, value] : options) {
    if (name == "config") return value;
  }
  return {};
}

std::string Address::ForNginx() const {
  const bool ipv6 = host.find(':') != host.npos;
  return (host.empty() ? "*" : ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> ParseAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  std::string_view host = colon == text.npos ? std::string_view() : text.substr(0, colon);
  const std::string_view port = colon == text.npos ? text : text.substr(colon + 1);
  Address address;
  const auto [end, fault] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || fault != std::errc() || end != port.data() + port.size() || address.port == 0) {
    return Invalid(Quoted(text) + " is not ADDRESS:PORT with a port from 1 to 65535 (127.0.0.1:8080, [::1]:8080, :8080)");
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return Invalid(Quoted(text) + ": an IPv6 address goes in brackets, as [::1]:8080");
  }
  const bool odd = host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:*") != host.npos;
  if (odd) return Invalid(Quoted(text) + " is not ADDRESS:PORT: " + Quoted(host) + " is no host");
  address.host = host == "*" ? std::string_view() : host;
  return address;
}

Result<std::string> ParseTcpUrl(std::string_view url) {
  constexpr std::string_view kScheme = "tcp://";
  const std::string_view rest = url.starts_with(kScheme) ? url.substr(kScheme.size()) : std::string_view();
  const Result<Address> address = ParseAddress(rest);
  if (!address || address->host.empty()) return Invalid(Quoted(url) + " is not tcp://HOST:PORT");
  return address->ForNginx();
}

Result<RunUpstream> ParseUpstreamUrl(std::string_view url, std::string name) {
  RunUpstream upstream;
  upstream.name = std::move(name);
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    upstream.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return Invalid(Quoted(url) + " is not http://HOST:PORT, https://HOST:PORT or tcp://HOST:PORT");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != rest.npos) {
    return Invalid(Quoted(url) + " has a path: give http://HOST:PORT alone; requests keep their own path");
  }
  const bool has_port = rest.rfind(':') != rest.npos && (!rest.starts_with('[') || !rest.ends_with(']'));
  const std::string with_port = std::string(rest) + (has_port ? "" : upstream.tls ? ":443" : ":80");
  WEIR_TRY(const Address address, ParseAddress(with_port));
  if (address.host.empty()) return Invalid(Quoted(url) + " names no host");
  if (upstream.tls) upstream.tls_name = address.host;
  upstream.servers.push_back(address.ForNginx());
  return upstream;
}

Result<RunCluster> ParseClusterFlag(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == text.npos || equals == 0 || equals + 1 == text.size()) {
    return Invalid(Quoted(text) + " is not NAME=URL (authz=https://authz.internal:8443)");
  }
  return RunCluster{std::string(text.substr(0, equals)), {std::string(text.substr(equals + 1))}, {}};
}

Result<void> CheckRunConfig(const RunConfig& config) {
  WEIR_TRY_VOID(CheckGlobals(config));
  WEIR_TRY_VOID(CheckNamesOnce(config.plugins, "plugin"));
  WEIR_TRY_VOID(CheckNamesOnce(config.upstreams, "upstream"));
  WEIR_TRY_VOID(CheckNamesOnce(config.clusters, "cluster"));
  for (const RunPlugin& plugin : config.plugins) {
    WEIR_TRY_VOID(CheckFile(plugin.file, "plugin " + Quoted(plugin.name) + ": module"));
    const std::string config_file = plugin.config_file();
    if (!config_file.empty()) WEIR_TRY_VOID(CheckFile(config_file, "plugin " + Quoted(plugin.name) + ": configuration file"));
  }
  for (const RunUpstream& upstream : config.upstreams) {
    const std::string thing = "upstream " + Quoted(upstream.name);
    if (upstream.servers.empty()) return Invalid(thing + " has no servers");
    if (!upstream.tls_ca.empty()) WEIR_TRY_VOID(CheckFile(upstream.tls_ca, thing + ": ca"));
  }
  for (const RunCluster& cluster : config.clusters) {
    for (const auto& [name, value] : cluster.options) {
      if (IsFileOption(name)) WEIR_TRY_VOID(CheckFile(value, "cluster " + Quoted(cluster.name) + ": " + name));
    }
  }
  if (config.listeners.empty()) return Invalid("there are no listeners: nothing would be served");
  for (const RunListener& listener : config.listeners) {
    const std::string place = "listener " + Quoted(listener.address);
    if (!listener.certificate.empty()) {
      WEIR_TRY_VOID(CheckFile(listener.certificate, place + ": certificate"));
      WEIR_TRY_VOID(CheckFile(listener.key, place + ": key"));
    }
    std::set<std::string_view> paths;
    for (const RunRoute& route : listener.routes) {
      if (!paths.insert(route.path).second) return Invalid(place + ": path " + Quoted(route.path) + " has two routes");
      WEIR_TRY_VOID(CheckRoute(config, route, place + ", path " + Quoted(route.path)));
    }
  }
  return {};
}

std::vector<std::string> FilesOf(const RunConfig& config) {
  std::vector<std::string> files;
  for (const RunPlugin& plugin : config.plugins) {
    files.push_back(plugin.file);
    if (const std::string file = plugin.config_file(); !file.empty()) files.push_back(file);
  }
  for (const RunListener& listener : config.listeners) {
    if (listener.certificate.empty()) continue;
    files.push_back(listener.certificate);
    files.push_back(listener.key);
  }
  for (const RunUpstream& upstream : config.upstreams) {
    if (!upstream.tls_ca.empty()) files.push_back(upstream.tls_ca);
  }
  for (const RunCluster& cluster : config.clusters) {
    for (const auto& [name, value] : cluster.options) {
      if (IsFileOption(name)) files.push_back(value);
    }
  }
  return files;
}

}  // namespace weir::cli
