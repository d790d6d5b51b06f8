#include "cli/nginx_config.h"

#include <algorithm>

namespace weir::cli {
namespace {

// nginx reads its configuration by 4096 bytes, which a single argument must not fill.
constexpr size_t kArgumentBytesMax = 2000;
constexpr std::string_view kSystemCa = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::string_view kPage =
    "This is the page behind your plugins.\n$request_method $request_uri $server_protocol\nhost: $http_host\nuser-agent: $http_user_agent\n";

constexpr std::string_view kHttpHead = R"(
  client_body_temp_path tmp/client_body;
  proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi;
  scgi_temp_path tmp/scgi;
  default_type application/octet-stream;
  types {
    text/html html htm;  text/css css;  text/plain txt;  text/xml xml;
    application/javascript js mjs;  application/json json;  application/wasm wasm;  application/pdf pdf;
    image/svg+xml svg;  image/png png;  image/jpeg jpg jpeg;  image/gif gif;  image/webp webp;  image/x-icon ico;
  }
  map $http_upgrade $weir_connection {
    default upgrade;
    '' '';
  }
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $weir_connection;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
)";

// In `return` and `root` a dollar begins a variable; $weir_dollar is one.
std::string EscapeDollars(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '$') {
      out += "${weir_dollar}";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

class Writer {
 public:
  Writer(const RunConfig& config, const NginxPlaces& places) : config_(config), places_(places) {}

  NginxConfig Write() {
    Line("# Made by weir run. Paths without a leading / are in " + places_.prefix);
    if (!places_.stream.empty()) Line("load_module " + NginxQuote(places_.stream) + ";");
    if (!places_.module.empty()) Line("load_module " + NginxQuote(places_.module) + ";");
    Line("daemon off;");
    Line("pid nginx.pid;");
    Line("error_log stderr " + config_.log_level + ";");
    Line("worker_processes " + config_.workers + ";");
    Line("events {");
    Line("  worker_connections 1024;");
    Line("}");
    if (!config_.tcp_to.empty()) return WriteStream();
    Line("http {");
    Line("  access_log " + NginxQuote(places_.access_log) + ";", "");
    out_.text += kHttpHead;
    Line("  client_max_body_size " + config_.client_body_max + ";");
    WriteDollar();
    for (const RunPlugin& plugin : config_.plugins) WritePlugin(plugin);
    for (const RunUpstream& upstream : config_.upstreams) WriteUpstream(upstream);
    if (!places_.module.empty()) WriteCalls();
    std::string servers;
    std::swap(servers, out_.text);
    for (const RunListener& listener : config_.listeners) WriteServer(listener);
    std::swap(servers, out_.text);
    out_.text += behind_;  // upstreams of built-in answers come before the servers that name them
    out_.text += servers;
    Line("}");
    return std::move(out_);
  }

 private:
  void Line(const std::string& line, std::string_view end = "\n") {
    out_.text += line;
    out_.text += end;
  }

  NginxConfig WriteStream() {
    Line("stream {");
    for (const RunPlugin& plugin : config_.plugins) WritePlugin(plugin);
    if (!places_.module.empty()) WriteCalls();
    for (const RunListener& listener : config_.listeners) {
      const bool tls = !listener.certificate.empty();
      Line("  server {");
      Line("    listen " + listener.address + (tls ? " ssl;" : ";"));
      if (tls) {
        Line("    ssl_certificate " + NginxQuote(listener.certificate) + ";");
        Line("    ssl_certificate_key " + NginxQuote(listener.key) + ";");
        Line("    ssl_protocols TLSv1.2 TLSv1.3;");
      }
      for (const RunRoute& route : listener.routes) WritePlugins(route, "    ");
      Line("    proxy_pass " + NginxQuote(config_.tcp_to) + ";");
      Line("    proxy_half_close on;");
      Line("  }");
    }
    Line("}");
    return std::move(out_);
  }

  void WritePlugins(const RunRoute& route, const std::string& indent) {
    if (route.plugins.empty()) return;
    std::string names;
    for (const std::string& plugin : route.plugins) names += " " + NginxQuote(plugin);
    Line(indent + "weir" + names + ";");
  }

  void WriteDollar() {
    for (const RunListener& listener : config_.listeners) {
      for (const RunRoute& route : listener.routes) {
        const std::string& text = route.kind == RunRoute::Kind::kRoot ? route.root : route.body;
        if (text.find('$') != text.npos) {
          Line("  geo $weir_dollar {\n    default \"$\";\n  }");
          return;
        }
      }
    }
  }

  void WritePlugin(const RunPlugin& plugin) {
    std::string line = "  weir_plugin " + NginxQuote(plugin.name) + " " + NginxQuote(plugin.file);
    for (const auto& [name, value] : plugin.options) {
      if (name == "config_inline" && value.size() > kArgumentBytesMax) {
        out_.files.emplace_back(plugin.name + ".config", value);
        line += " " + NginxQuote("config=" + places_.prefix + "/" + out_.files.back().first);
      } else {
        line += " " + NginxQuote(name + "=" + value);
      }
    }
    Line(line + ";");
  }

  void WriteUpstream(const RunUpstream& upstream) {
    Line("  upstream " + NginxQuote(upstream.name) + " {");
    for (const std::string& server : upstream.servers) Line("    server " + NginxQuote(server) + ";");
    Line("    keepalive 32;");
    Line("  }");
  }

  void WriteCluster(const std::string& name, const std::vector<std::string>& urls,
                    const std::vector<std::pair<std::string, std::string>>& options) {
    std::string line = "  weir_cluster " + NginxQuote(name);
    for (const std::string& url : urls) line += " " + NginxQuote(url);
    for (const auto& [option, value] : options) line += " " + NginxQuote(option + "=" + value);
    Line(line + ";");
  }

  // What plugins may call. An upstream{} block is callable as it is, but says nothing of TLS.
  void WriteCalls() {
    for (const RunCluster& cluster : config_.clusters) WriteCluster(cluster.name, cluster.urls, cluster.options);
    for (const RunUpstream& upstream : config_.upstreams) {
      const auto named = [&](const RunCluster& cluster) { return cluster.name == upstream.name; };
      if (!upstream.tls || std::any_of(config_.clusters.begin(), config_.clusters.end(), named)) continue;
      std::vector<std::string> urls;
      for (const std::string& server : upstream.servers) urls.push_back("https://" + server);
      std::vector<std::pair<std::string, std::string>> options;
      if (!upstream.tls_verify) options.emplace_back("verify", "off");
      if (upstream.tls_verify && !upstream.tls_ca.empty()) options.emplace_back("ca", upstream.tls_ca);
      if (!upstream.tls_name.empty()) options.emplace_back("host", upstream.tls_name);
      WriteCluster(upstream.name, urls, options);
    }
    if (config_.allow_hosts.empty()) return;
    std::string line = "  weir_allow_hosts";
    for (const std::string& host : config_.allow_hosts) line += " " + NginxQuote(host);
    Line(line + ";");
  }

  void WriteServer(const RunListener& listener) {
    const bool tls = !listener.certificate.empty();
    Line("  server {");
    Line("    listen " + listener.address + (tls ? " ssl" : "") + (listener.http2 ? " http2" : "") + ";");
    if (!listener.hosts.empty()) {
      std::string names;
      for (const std::string& host : listener.hosts) names += " " + NginxQuote(host);
      Line("    server_name" + names + ";");
    }
    if (tls) {
      Line("    ssl_certificate " + NginxQuote(listener.certificate) + ";");
      Line("    ssl_certificate_key " + NginxQuote(listener.key) + ";");
      Line("    ssl_protocols TLSv1.2 TLSv1.3;");
    }
    for (const RunRoute& route : listener.routes) WriteRoute(route);
    Line("  }");
  }

  void WriteRoute(const RunRoute& route) {
    const bool exact = route.path.starts_with("= ");
    const std::string path = NginxQuote(exact ? std::string_view(route.path).substr(2) : std::string_view(route.path));
    Line("    location " + std::string(exact ? "= " : "") + path + " {");
    WritePlugins(route, "      ");
    switch (route.kind) {
      case RunRoute::Kind::kUpstream: WriteProxy(route); break;
      case RunRoute::Kind::kRoot:  // /files/a is DIRECTORY/a; both end in a slash, or a path could climb out
        Line("      alias " + NginxQuote(EscapeDollars(route.root) + (route.root.ends_with('/') ? "" : "/")) + ";");
        break;
      case RunRoute::Kind::kPage: WriteBehind("text/plain", 200, std::string(kPage)); break;
      case RunRoute::Kind::kRespond: WriteBehind(route.content_type, route.status, EscapeDollars(route.body)); break;
    }
    Line("    }");
  }

  void WriteProxy(const RunRoute& route) {
    const auto found = std::find_if(config_.upstreams.begin(), config_.upstreams.end(),
                                    [&](const RunUpstream& upstream) { return upstream.name == route.upstream; });
    const RunUpstream& upstream = *found;
    Line(std::string("      proxy_pass ") + (upstream.tls ? "https://" : "http://") + upstream.name + ";");
    if (!upstream.tls) return;
    Line("      proxy_ssl_server_name on;");
    Line("      proxy_ssl_name " + (upstream.tls_name.empty() ? std::string("$host") : NginxQuote(upstream.tls_name)) + ";");
    if (!upstream.tls_verify) return;
    Line("      proxy_ssl_verify on;");
    Line("      proxy_ssl_verify_depth 4;");
    Line("      proxy_ssl_trusted_certificate " +
         NginxQuote(upstream.tls_ca.empty() ? kSystemCa : std::string_view(upstream.tls_ca)) + ";");
  }

  // A built-in answer is an upstream on a socket in the prefix: `return` in the location itself would answer before the
  // plugins saw the request, and would not show what they send on.
  void WriteBehind(std::string_view content_type, uint32_t status, const std::string& body) {
    const std::string name = "weir_answer_" + std::to_string(++behind_count_);
    const std::string socket = "unix:" + places_.prefix + "/" + name + ".sock";
    behind_ += "  upstream " + name + " {\n    server " + NginxQuote(socket) + ";\n    keepalive 32;\n  }\n";
    behind_ += "  server {\n    listen " + NginxQuote(socket) + ";\n    access_log off;\n    default_type " +
               NginxQuote(content_type) + ";\n    return " + std::to_string(status) + " " + NginxQuote(body) + ";\n  }\n";
    Line("      proxy_pass http://" + name + ";");
  }

  const RunConfig& config_;
  const NginxPlaces& places_;
  NginxConfig out_;
  std::string behind_;
  unsigned behind_count_ = 0;
};

}  // namespace

std::string NginxQuote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

NginxConfig MakeNginxConfig(const RunConfig& config, const NginxPlaces& places) { return Writer(config, places).Write(); }

}  // namespace weir::cli
