#include "cli/help_topics.h"

namespace weir::cli {
namespace {

constexpr HelpTopic kTopics[] = {
    {"yaml", "the file of weir run --file",
     R"(weir run --file weir.yaml reads all of this; docs/weir-run.md explains each key.

  workers: 1                      # or auto: one a CPU
  log_level: info                 # debug, info, notice, warn, error, crit
  client_body_max: 100m           # a larger request gets 413
  plugins:
    auth: auth.wasm               # short: the file alone
    waf:
      file: waf.wasm              # relative to this YAML file
      config: waf.json            # a file, or:
      config_inline: {mode: block}   # text as it is; a mapping becomes JSON
      memory: 512m
      timeout: 2s
      on_error: closed
      env: {REGION: eu}
  clusters:                       # what plugins may call, by name; every upstream below too
    authz: {url: "https://authz.internal:8443", ca: authz.pem, timeout: 300ms}
  allow_hosts: ["*.example.org"]  # hosts that they may call without
  upstreams:
    app: http://127.0.0.1:3000
    pool: {servers: [10.0.0.1:443, 10.0.0.2:443], tls: {ca: ca.pem, name: app.internal}}
  listeners:
    - listen: 127.0.0.1:8443
      tls: {certificate: cert.pem, key: key.pem}
      http2: true
      hosts: [example.org]
      plugins: [auth]             # the chain of every route that has none of its own
      to: app                     # the route "/"
      routes:
        - {path: /api/, plugins: [auth, waf], to: pool}
        - {path: /files/, root: ./public, plugins: []}
        - {path: "= /health", respond: {status: 200, body: ok}}
)"},
    {"exit-codes", "what the exit code says",
     R"(0    done; the module is good; NGINX ended in good order
1    the thing asked about is bad: a plugin that does not load, a configuration NGINX refuses, a port in use, a case of weir test
2    the command line is wrong: an unknown flag, a missing value; weir test: a suite or plugin that cannot be read, and nothing was run
weir fuzz: 1 when it found something, 2 for bad input or a plugin that does not start.
weir check: 1 for an error found (with --strict: or a warning), 2 for a file that is no module. weir request, weir bench, weir call: 1 when a
plugin failed, 2 for bad input.
weir run becomes NGINX: from then on the exit code is NGINX's own (0 after SIGTERM, SIGINT or SIGQUIT).
)"},
    {"environment", "variables that weir reads",
     R"(WEIR_NGINX       the nginx program (default: in PATH, then /usr/sbin/nginx)
WEIR_MODULES     directory of ngx_http_weir_module.so (default: ../lib beside weir, then /usr/lib/nginx/modules)
XDG_RUNTIME_DIR  where a run's private directory is made (root: /run; else TMPDIR, /tmp)
XDG_CACHE_HOME   compiled plugins are kept in weir/ there (default ~/.cache; root: /var/cache/weir)
NO_COLOR         when set: no colours
The variable NGINX is removed before NGINX starts: it would take it as its list of inherited sockets.
)"},
};

}  // namespace

std::span<const HelpTopic> HelpTopics() { return kTopics; }

}  // namespace weir::cli
