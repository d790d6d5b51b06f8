#include "nginx/clusters.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "nginx/arguments.h"
#include "nginx/config.h"

namespace weir::nginx {
namespace {

constexpr size_t kUrlsMax = 64;
constexpr uint64_t kAnswerBytesMax = 1ull << 30;
constexpr uint32_t kCallsMax = 1'000'000;

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

using Row = Argument<ClusterConf>;
std::string TakePath(ngx_conf_t* cf, std::string_view value, std::string* path) {
  if (value.empty()) return "wants the path of a PEM file";
  *path = FullPath(cf, value);
  return {};
}

constexpr Row kArguments[] = {
    {"timeout", false, [](ngx_conf_t*, ClusterConf& conf, std::string_view value) { return TakeTime(value, &conf.cluster.timeout_ms); }},
    {"connect_timeout", false,
     [](ngx_conf_t*, ClusterConf& conf, std::string_view value) { return TakeTime(value, &conf.cluster.connect_timeout_ms); }},
    {"idle", false, [](ngx_conf_t*, ClusterConf& conf, std::string_view value) { return TakeTime(value, &conf.cluster.idle_ms); }},
    {"max_calls", false,
     [](ngx_conf_t*, ClusterConf& conf, std::string_view value) { return TakeNumber(value, 1, kCallsMax, &conf.cluster.calls_max); }},
    {"max_answer", false,
     [](ngx_conf_t*, ClusterConf& conf, std::string_view value) -> std::string {
       if (!ParseSize(value, &conf.cluster.answer_bytes_max)) return BadSize(value);
       if (conf.cluster.answer_bytes_max < 1 || conf.cluster.answer_bytes_max > kAnswerBytesMax) return "must be between 1 and 1g";
       return {};
     }},
    {"http2", false,
     [](ngx_conf_t*, ClusterConf& conf, std::string_view value) -> std::string {
       if (value != "auto" && value != "on" && value != "off") {
         return "must be auto (with TLS where the server offers it; gRPC always), on (without TLS too) or off";
       }
       conf.cluster.http2 = value == "auto" ? Http2::kAuto : value == "on" ? Http2::kAlways : Http2::kNever;
       return {};
     }},
    {"verify", false,
     [](ngx_conf_t*, ClusterConf& conf, std::string_view value) -> std::string {
       if (value != "on" && value != "off") return "must be on, or off (any certificate will do)";
       conf.cluster.verify = value == "on" ? VerifyTls::kYes : VerifyTls::kNo;
       return {};
     }},
    {"host", false,
     [](ngx_conf_t*, ClusterConf& conf, std::string_view value) -> std::string {
       const bool odd = std::any_of(value.begin(), value.end(), [](unsigned char c) {
         return std::isalnum(c) == 0 && c != '-' && c != '.' && c != '_';
       });
       if (value.empty() || value.size() > 253 || odd) return "must be the name in the server's certificate: host=api.example.org";
       conf.cluster.tls_name = value;
       return {};
     }},
    {"ca", false, [](ngx_conf_t* cf, ClusterConf& conf, std::string_view value) { return TakePath(cf, value, &conf.ca); }},
    {"cert", false, [](ngx_conf_t* cf, ClusterConf& conf, std::string_view value) { return TakePath(cf, value, &conf.certificate); }},
    {"key", false, [](ngx_conf_t* cf, ClusterConf& conf, std::string_view value) { return TakePath(cf, value, &conf.key); }},
};

/// "NAME=…" with a plain name. A URL may hold '=' too, behind its scheme's colon.
bool IsArgument(std::string_view word) {
  const size_t equals = word.find('=');
  return equals != word.npos && word.substr(0, equals).find(':') == word.npos;
}

/// What does not fit together. Empty: all does.
std::string Contradiction(const ClusterConf& conf, const std::vector<std::string_view>& seen) {
  const Cluster& cluster = conf.cluster;
  const bool tls = std::any_of(cluster.urls.begin(), cluster.urls.end(), [](const std::string& url) { return url.starts_with("https://"); });
  for (const std::string_view name : seen) {
    const bool of_tls = name == "ca" || name == "verify" || name == "cert" || name == "key" || name == "host";
    if (of_tls && !tls) return std::string(name) + "= is for TLS, and no URL here begins with https://";
  }
  if (!conf.ca.empty() && cluster.verify == VerifyTls::kNo) return "ca= verifies nothing with verify=off; keep one";
  if (!conf.key.empty() && conf.certificate.empty()) return "key= is given without cert=";
  return {};
}

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, FreeOpenSsl>;
using Certificate = std::unique_ptr<X509, FreeOpenSsl>;
using Key = std::unique_ptr<EVP_PKEY, FreeOpenSsl>;

int NoPassword(char*, int, int, void*) { return 0; }

Certificate FirstCertificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
}

Key KeyOf(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
}

/// Reads `path` and keeps a copy, whose name goes to `file`. Empty: done. Otherwise what is wrong.
std::string KeepFile(std::string_view what, const std::string& path, ClusterConf& conf, std::string* pem, std::string* file) {
  Result<std::string> bytes = ReadFile(path);
  if (!bytes) return std::string(what) + "=" + path + " cannot be read: " + bytes.error().message;
  *pem = *std::move(bytes);
  Fd copy(memfd_create("weir-pem", MFD_CLOEXEC));
  if (copy.get() < 0 || write(copy.get(), pem->data(), pem->size()) != static_cast<ssize_t>(pem->size())) {
    return std::string(what) + "=" + path + " cannot be kept in memory: " + std::strerror(errno);
  }
  *file = "/proc/self/fd/" + std::to_string(copy.get());
  conf.pem.push_back(std::move(copy));
  return {};
}

std::string TakeFiles(ClusterConf& conf) {
  ERR_clear_error();
  std::string ca, certificate, key;
  Cluster& cluster = conf.cluster;
  if (!conf.ca.empty()) {
    if (std::string wrong = KeepFile("ca", conf.ca, conf, &ca, &cluster.ca_file); !wrong.empty()) return wrong;
    if (FirstCertificate(ca) == nullptr) return "ca=" + conf.ca + " has no certificate in PEM (-----BEGIN CERTIFICATE-----)";
  }
  if (conf.certificate.empty()) return {};
  const std::string& key_path = conf.key.empty() ? conf.certificate : conf.key;
  if (std::string wrong = KeepFile("cert", conf.certificate, conf, &certificate, &cluster.certificate_file); !wrong.empty()) return wrong;
  if (std::string wrong = KeepFile("key", key_path, conf, &key, &cluster.key_file); !wrong.empty()) return wrong;
  const Certificate ours = FirstCertificate(certificate);
  if (ours == nullptr) return "cert=" + conf.certificate + " has no certificate in PEM (-----BEGIN CERTIFICATE-----)";
  const Key private_key = KeyOf(key);
  if (private_key == nullptr) return "key=" + key_path + " has no private key in PEM that opens without a password";
  if (X509_check_private_key(ours.get(), private_key.get()) != 1) {
    return "cert=" + conf.certificate + " and key=" + key_path + " do not belong together";
  }
  return {};
}

/// Servers that take part, each as often as its weight says (of all weights divided by what divides them all).
void AddServers(const ngx_http_upstream_srv_conf_t& upstream, bool backup, Cluster* cluster) {
  const auto* servers = static_cast<const ngx_http_upstream_server_t*>(upstream.servers->elts);
  const auto takes_part = [&](const ngx_http_upstream_server_t& server) {
    return !server.down && (server.backup != 0) == backup && server.naddrs > 0;
  };
  ngx_uint_t divisor = 0, weight_max = 0;
  for (ngx_uint_t i = 0; i < upstream.servers->nelts; i++) {
    if (!takes_part(servers[i])) continue;
    divisor = std::gcd(divisor, servers[i].weight);
    weight_max = std::max(weight_max, servers[i].weight);
  }
  if (divisor == 0) return;
  for (ngx_uint_t round = 0; round < weight_max / divisor && cluster->urls.size() < kUrlsMax; round++) {  // mixed, not one after the other
    for (ngx_uint_t i = 0; i < upstream.servers->nelts; i++) {
      const ngx_http_upstream_server_t& server = servers[i];
      if (!takes_part(server) || server.weight / divisor <= round) continue;
      for (ngx_uint_t k = 0; k < server.naddrs && cluster->urls.size() < kUrlsMax; k++) {
        cluster->urls.push_back("http://" + std::string(View(server.addrs[k].name)));
      }
    }
  }
}

}  // namespace

char* TakeCluster(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& main = *static_cast<MainConf*>(raw);
  const std::vector<std::string_view> words = ArgumentsOf(cf);
  ClusterConf conf;
  conf.where = Where(cf);
  Cluster& cluster = conf.cluster;
  cluster.name = words[0];
  const std::string subject = "weir: cluster " + Quoted(cluster.name) + ": ";
  if (!IsName(cluster.name)) {
    return Fail(cf, "weir: " + Quoted(cluster.name) + " cannot name a cluster; use letters, digits, '_', '-' and '.' (up to 64)");
  }
  for (const ClusterConf& other : main.clusters) {
    if (other.cluster.name == cluster.name) {
      return Fail(cf, subject + "is declared twice, first in " + other.where + "; give all its URLs in one line");
    }
  }
  std::vector<std::string_view> arguments;
  for (const std::string_view word : std::span(words).subspan(1)) {
    if (IsArgument(word)) {
      arguments.push_back(word);
    } else {
      cluster.urls.push_back((word.starts_with("unix:") ? "http://" : "") + std::string(word));
    }
  }
  if (cluster.urls.empty()) return Fail(cf, subject + "has no URL; write weir_cluster " + cluster.name + " http://HOST:PORT …;");
  if (cluster.urls.size() > kUrlsMax) return Fail(cf, subject + "has more than " + std::to_string(kUrlsMax) + " URLs");
  std::vector<std::string_view> seen;
  std::string wrong = TakeArguments(cf, "weir_cluster", std::span(kArguments), arguments, conf, &seen);
  if (wrong.empty()) wrong = Contradiction(conf, seen);
  if (wrong.empty()) wrong = TakeFiles(conf);
  if (!wrong.empty()) return Fail(cf, subject + wrong);
  if (Result<void> checked = CheckCluster(cluster); !checked) return Fail(cf, "weir: " + checked.error().message);
  main.clusters.push_back(std::move(conf));
  return NGX_CONF_OK;
}

char* TakeAllowHosts(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& main = *static_cast<MainConf*>(raw);
  for (const std::string_view word : ArgumentsOf(cf)) {
    if (Result<void> checked = CheckAllowedHost(word); !checked) return Fail(cf, "weir: weir_allow_hosts: " + checked.error().message);
    main.allowed_hosts.emplace_back(word);
  }
  return NGX_CONF_OK;
}

std::vector<Cluster> ClustersOf(ngx_conf_t* cf, const MainConf& conf) {
  std::vector<Cluster> clusters;
  for (const ClusterConf& one : conf.clusters) clusters.push_back(one.cluster);
  const auto* main = static_cast<ngx_http_upstream_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module));
  if (main == nullptr) return clusters;
  auto** upstreams = static_cast<ngx_http_upstream_srv_conf_t**>(main->upstreams.elts);
  for (ngx_uint_t i = 0; i < main->upstreams.nelts; i++) {
    const ngx_http_upstream_srv_conf_t& upstream = *upstreams[i];
    if ((upstream.flags & NGX_HTTP_UPSTREAM_CREATE) == 0 || upstream.servers == nullptr) continue;  // `proxy_pass http://host` is no block
    Cluster cluster;
    cluster.name = View(upstream.host);
    if (std::any_of(clusters.begin(), clusters.end(), [&](const Cluster& other) { return other.name == cluster.name; })) continue;
    AddServers(upstream, false, &cluster);
    if (cluster.urls.empty()) AddServers(upstream, true, &cluster);
    if (!cluster.urls.empty()) clusters.push_back(std::move(cluster));
  }
  return clusters;
}

}  // namespace weir::nginx
