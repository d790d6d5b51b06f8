// Upstreams of plugins' calls as the operator names them, and where their next call goes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/result.h"

namespace weir {

enum class Http2 : uint8_t {
  kAuto,    ///< HTTP calls: over TLS where the server chooses it (ALPN), otherwise HTTP/1.1. gRPC: always HTTP/2
  kAlways,  ///< as kAuto, and without TLS by prior knowledge (h2c)
  kNever,
};
enum class VerifyTls : bool { kNo, kYes };

/// One upstream. Every limit holds for each call unless it says otherwise.
struct Cluster {
  std::string name;
  /// "http://127.0.0.1:8080", "https://auth.example", "http://unix:/run/auth.sock"; no path: that is the call's own.
  /// Several take turns; where one cannot be connected to, the call tries the next.
  std::vector<std::string> urls;
  uint32_t timeout_ms = 30'000;          ///< of a whole call that names no time itself; not of a gRPC stream
  uint32_t connect_timeout_ms = 5'000;   ///< name, connection and TLS handshake, of each url that is tried
  std::string ca_file;                   ///< PEM; empty: the system's
  VerifyTls verify = VerifyTls::kYes;
  std::string tls_name;                  ///< of the certificate and for SNI; empty: the url's host
  std::string certificate_file;          ///< PEM, ours; empty: none
  std::string key_file;                  ///< PEM; empty: in certificate_file
  Http2 http2 = Http2::kAuto;
  uint64_t answer_bytes_max = 1 << 20;   ///< body of an HTTP answer, or one gRPC message
  uint64_t header_bytes_max = 64 << 10;  ///< of an answer's headers, and again of its trailers
  uint64_t send_bytes_max = 4 << 20;     ///< messages of a gRPC stream that the server has not taken yet
  uint32_t calls_max = 1'000;            ///< in flight
  uint32_t idle_ms = 60'000;             ///< how long a connection may have been idle and be used again, in whole seconds
};

/// Every field in range, every url one that calls can go to, every file there. The error names the cluster and the remedy.
Result<void> CheckCluster(const Cluster& cluster);
/// "host", "*.suffix", either with ":port"; "any". The error names the pattern.
Result<void> CheckAllowedHost(std::string_view pattern);

/// One url, taken apart.
struct Endpoint {
  std::string origin;       ///< "https://auth.example:8443": what connections are kept for
  std::string connect_to;   ///< "::127.0.0.1:8443" where origin has the cluster's tls_name; else empty
  std::string authority;    ///< "auth.example:8443", "localhost": what Host says unless the call does
  std::string unix_socket;  ///< path; empty: TCP
  std::string text;         ///< for messages: "127.0.0.1:8443", "unix:/run/auth.sock"
  bool tls = false;
};
/// nullopt: not a url that a cluster may have. `tls_name`: as in Cluster.
std::optional<Endpoint> ParseEndpoint(std::string_view url, std::string_view tls_name = {});

/// A cluster in use; kept by its calls until they are over.
struct ActiveCluster {
  const Cluster config;
  const std::vector<Endpoint> endpoints;
  // Of the embedder's thread:
  size_t turn = 0;         ///< endpoint of the next call
  uint32_t in_flight = 0;
  // Of the client's thread:
  /// Of each endpoint: until when it is taken for one that chose HTTP/1.1 (CLOCK_MONOTONIC); 0: not known.
  mutable std::vector<uint64_t> http1_until_ms = std::vector<uint64_t>(endpoints.size());

  /// An HTTP call to that endpoint begins with HTTP/2.
  bool BeginsWithHttp2(size_t endpoint, uint64_t now_ms) const {
    if (config.http2 == Http2::kNever) return false;
    return endpoints[endpoint].tls ? now_ms >= http1_until_ms[endpoint] : config.http2 == Http2::kAlways;
  }
};

/// Which upstreams there are. One thread.
class ClusterTable {
 public:
  /// Upstreams beside the table: called when a name is not in it, once for each name that it knows.
  using FindMore = std::function<std::optional<Cluster>(std::string_view name)>;
  /// All of it checked by CheckCluster and CheckAllowedHost; what is not is left out. `host_defaults`: for hosts that are allowed.
  ClusterTable(std::vector<Cluster> clusters, std::vector<std::string> allowed_hosts, Cluster host_defaults, FindMore find_more);
  bool Knows(std::string_view name);
  /// Null: nobody knows that name. `tls`: asks an allowed host over TLS (so does port 443).
  std::shared_ptr<ActiveCluster> Find(std::string_view name, bool tls);

 private:
  std::shared_ptr<ActiveCluster> FindNamed(std::string_view name);
  bool Allows(std::string_view host, std::string_view port) const;
  static std::shared_ptr<ActiveCluster> Activate(Cluster cluster);
  std::map<std::string, std::shared_ptr<ActiveCluster>, std::less<>> named_;
  std::map<std::string, std::shared_ptr<ActiveCluster>, std::less<>> hosts_;  ///< by url; those that are not in use may go
  std::vector<std::string> allowed_hosts_;                                    ///< lower case
  Cluster host_defaults_;
  FindMore find_more_;
};

}  // namespace weir
