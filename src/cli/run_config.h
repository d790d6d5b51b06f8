// What `weir run` is asked to serve: one value, filled from flags or from a YAML file, turned into an nginx.conf.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/result.h"

namespace weir::cli {

/// An argument of the directive `weir_plugin`: also the key in YAML, and (with '-' for '_') the flag on the command line.
struct PluginOption {
  std::string_view name;
  std::string_view value;  ///< what it takes, for help
  std::string_view help;
  enum class Times : bool { kOnce, kMany } times = Times::kOnce;
};
std::span<const PluginOption> PluginOptions();
/// "root_id" -> "root-id".
std::string FlagOf(std::string_view option_name);

struct RunPlugin {
  std::string name;
  std::string file;  ///< absolute
  /// Arguments of weir_plugin in the order given; paths absolute. Their values are checked by the module, in `nginx -t`.
  std::vector<std::pair<std::string, std::string>> options;
  /// The path behind `config=`, or empty.
  std::string config_file() const;
};

/// The same of `weir_cluster`: keys in YAML.
std::span<const PluginOption> ClusterOptions();

/// What plugins may call by that name.
struct RunCluster {
  std::string name;
  std::vector<std::string> urls;
  /// Arguments of weir_cluster; paths absolute. Their values are checked by the module, in `nginx -t`.
  std::vector<std::pair<std::string, std::string>> options;
};
/// Options whose value is a file.
bool IsFileOption(std::string_view cluster_option);

struct RunUpstream {
  std::string name;
  std::vector<std::string> servers;  ///< HOST:PORT
  bool tls = false;
  bool tls_verify = true;
  std::string tls_ca;    ///< certificates to verify against; empty: the system's
  std::string tls_name;  ///< name to ask for and verify; empty: the request's host
};

struct RunRoute {
  enum class Kind : uint8_t { kPage, kUpstream, kRoot, kRespond };
  std::string path = "/";            ///< prefix of the request's path; "= /x": exactly it
  std::vector<std::string> plugins;  ///< names, in order
  Kind kind = Kind::kPage;
  std::string upstream;              ///< kUpstream: its name
  std::string root;                  ///< kRoot: directory of files, absolute; `path` ends in '/' and is cut off
  uint32_t status = 200;             ///< kRespond
  std::string body, content_type = "text/plain";
};

struct RunListener {
  std::string address = "127.0.0.1:8080";  ///< ADDRESS:PORT
  bool http2 = false;
  std::string certificate, key;            ///< PEM files, absolute; empty: no TLS
  std::vector<std::string> hosts;          ///< names served here; empty: any
  std::vector<RunRoute> routes;
};

struct RunConfig {
  std::string workers = "1";           ///< a number, or "auto": one a CPU
  std::string log_level = "info";
  std::string client_body_max = "100m";
  std::vector<RunPlugin> plugins;
  std::vector<RunUpstream> upstreams;
  std::vector<RunCluster> clusters;
  std::vector<std::string> allow_hosts;  ///< patterns of weir_allow_hosts
  std::vector<RunListener> listeners;
  std::string tcp_to;  ///< HOST:PORT; not empty: plugins of TCP, all listeners pass connections on to it, and routes only name plugins
};

/// Host and port of "127.0.0.1:80", "[::1]:80", ":80" and "80" (all addresses), "localhost:80"; what a listener and an
/// upstream server accept.
struct Address {
  std::string host;  ///< without brackets; empty: all addresses
  uint16_t port = 0;
  std::string ForNginx() const;
};
Result<Address> ParseAddress(std::string_view text);

/// "tcp://HOST:PORT" as HOST:PORT.
Result<std::string> ParseTcpUrl(std::string_view url);
/// "http://HOST[:PORT]" or "https://…" as an upstream of that name. A path is refused: routes are for paths.
Result<RunUpstream> ParseUpstreamUrl(std::string_view url, std::string name);

/// "NAME=URL", as --cluster takes it. The URL itself is checked by the module.
Result<RunCluster> ParseClusterFlag(std::string_view text);

/// What must hold between the parts: plugins and upstreams named once, used ones declared, files there. Names the nearest one.
Result<void> CheckRunConfig(const RunConfig& config);

/// Files whose change means a reload: plugins, their configuration, certificates.
std::vector<std::string> FilesOf(const RunConfig& config);

}  // namespace weir::cli
