#include "cli/nginx_config.h"

#include <gtest/gtest.h>

#include "cli/run_yaml.h"

namespace weir::cli {
namespace {

NginxPlaces Places() { return {.prefix = "/prefix", .module = "/lib/ngx_http_weir_module.so", .access_log = "/dev/stdout"}; }

TEST(NginxConfig, OfAWholeYamlFile) {
  const auto config = ParseRunYaml(R"(
workers: auto
log_level: warn
client_body_max: 10m
plugins:
  auth: auth.wasm
  waf:
    file: /opt/waf.wasm
    config: waf.json
    memory: 512m
    timeout: 2s
    env: {REGION: eu, LEVEL: "2"}
clusters:
  authz: {url: "https://authz.internal:8443", ca: authz.pem, timeout: 300ms}
allow_hosts: ["*.example.org", 10.0.0.9:81]
upstreams:
  app: http://127.0.0.1:3000
  pool:
    servers: [10.0.0.1:443, 10.0.0.2:443]
    tls: {ca: ca.pem, name: app.internal}
listeners:
  - listen: 127.0.0.1:8443
    tls: {certificate: cert.pem, key: key.pem}
    http2: true
    hosts: [example.org]
    plugins: [auth]
    to: app
    routes:
      - {path: /api/, plugins: [auth, waf], to: pool}
      - {path: /files/, root: /srv, plugins: []}
      - {path: "= /price", respond: {status: 404, body: "5 $", type: text/html}}
)",
                                   "/etc/weir/weir.yaml");
  ASSERT_TRUE(config) << config.error().message;
  const NginxConfig made = MakeNginxConfig(*config, Places());
  EXPECT_TRUE(made.files.empty());
  EXPECT_EQ(made.text, R"(# Made by weir run. Paths without a leading / are in /prefix
load_module "/lib/ngx_http_weir_module.so";
daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes auto;
events {
  worker_connections 1024;
}
http {
  access_log "/dev/stdout";
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
  client_max_body_size 10m;
  geo $weir_dollar {
    default "$";
  }
  weir_plugin "auth" "/etc/weir/auth.wasm";
  weir_plugin "waf" "/opt/waf.wasm" "config=/etc/weir/waf.json" "env=REGION=eu" "env=LEVEL=2" "memory=512m" "timeout=2s";
  upstream "app" {
    server "127.0.0.1:3000";
    keepalive 32;
  }
  upstream "pool" {
    server "10.0.0.1:443";
    server "10.0.0.2:443";
    keepalive 32;
  }
  weir_cluster "authz" "https://authz.internal:8443" "timeout=300ms" "ca=/etc/weir/authz.pem";
  weir_cluster "pool" "https://10.0.0.1:443" "https://10.0.0.2:443" "ca=/etc/weir/ca.pem" "host=app.internal";
  weir_allow_hosts "*.example.org" "10.0.0.9:81";
  upstream weir_answer_1 {
    server "unix:/prefix/weir_answer_1.sock";
    keepalive 32;
  }
  server {
    listen "unix:/prefix/weir_answer_1.sock";
    access_log off;
    default_type "text/html";
    return 404 "5 ${weir_dollar}";
  }
  server {
    listen 127.0.0.1:8443 ssl http2;
    server_name "example.org";
    ssl_certificate "/etc/weir/cert.pem";
    ssl_certificate_key "/etc/weir/key.pem";
    ssl_protocols TLSv1.2 TLSv1.3;
    location "/api/" {
      weir "auth" "waf";
      proxy_pass https://pool;
      proxy_ssl_server_name on;
      proxy_ssl_name "app.internal";
      proxy_ssl_verify on;
      proxy_ssl_verify_depth 4;
      proxy_ssl_trusted_certificate "/etc/weir/ca.pem";
    }
    location "/files/" {
      alias "/srv/";
    }
    location = "/price" {
      weir "auth";
      proxy_pass http://weir_answer_1;
    }
    location "/" {
      weir "auth";
      proxy_pass http://app;
    }
  }
}
)");
}

TEST(NginxConfig, WithoutPluginsLoadsNoModule) {
  RunConfig config;
  config.listeners.push_back({.routes = {RunRoute{}}});
  NginxPlaces places = Places();
  places.module.clear();
  const std::string text = MakeNginxConfig(config, places).text;
  EXPECT_EQ(text.find("load_module"), text.npos);
  EXPECT_NE(text.find("This is the page"), text.npos);
}

TEST(NginxConfig, ALongInlineConfigurationBecomesAFile) {
  RunConfig config;
  config.plugins.push_back({.name = "p", .file = "/p.wasm", .options = {{"config_inline", std::string(2000, 'x')}}});
  EXPECT_TRUE(MakeNginxConfig(config, Places()).files.empty());
  config.plugins[0].options[0].second += "x";
  const NginxConfig made = MakeNginxConfig(config, Places());
  ASSERT_EQ(made.files.size(), 1u);
  EXPECT_EQ(made.files[0].first, "p.config");
  EXPECT_EQ(made.files[0].second.size(), 2001u);
  EXPECT_NE(made.text.find("weir_plugin \"p\" \"/p.wasm\" \"config=/prefix/p.config\";"), std::string::npos) << made.text;
}

TEST(NginxQuote, KeepsEveryByteInOneArgument) {
  EXPECT_EQ(NginxQuote("a b;{}#'"), "\"a b;{}#'\"");
  EXPECT_EQ(NginxQuote("say \"hi\"\\"), "\"say \\\"hi\\\"\\\\\"");
  EXPECT_EQ(NginxQuote("two\nlines"), "\"two\\nlines\"");
  EXPECT_EQ(NginxQuote(""), "\"\"");
}

}  // namespace
}  // namespace weir::cli
