"""HTTP calls of plugins through NGINX, by the guest tests/guests/calls.c: what it does is said by the header x-do, what came of it by x-call."""
import pathlib
import re
import tempfile
import threading
import time

from cases import case, each, equal, has, lacks, site
from cases_run import Run
from client import Connection, message, request
from harness import Settings, free_port, plugin, wait_for
from upstream import Upstream


def calling(t, clusters="", *, http="", locations="", plugins="", **more):
    """An NGINX with the guest as `c`, and a second upstream `n.authz`, of the cluster `authz`."""
    authz = Upstream()
    t.made.append(Stopper(authz))
    fill = lambda text: text.replace("{authz}", f"127.0.0.1:{authz.port}")
    n = t.nginx(fill(f"weir_cluster authz http://{{authz}} timeout=2s; {clusters} weir_plugin c {{guests}}/calls.wasm; {plugins}"),
                fill(locations) + " location / { weir c; proxy_pass http://up; }", http=fill(http), **more)
    n.authz = authz
    return n


class Stopper:
    """What a case's end stops beside NGINX."""

    def __init__(self, upstream):
        self.upstream = upstream

    def stop(self):
        self.upstream.release.set()
        self.upstream.stop()

    def sanitizer_reports(self):
        return []

    def bad_lines(self, expected=None):
        return []

    def remove(self):
        pass


def do(n, commands, target="/echo", port=None, **more):
    """The answer, and the x-call lines that the plugin added to the request or response."""
    r = request(port or n.port, target, [("x-do", commands)], **more)
    sent = [line.split(": ", 1)[1] for line in r.text.split("--")[0].splitlines() if line.startswith("x-call: ")]
    return r, sent + r.values("x-call")


def one(n, commands, **more):
    r, lines = do(n, commands, **more)
    equal((r.status, len(lines)), (200, 1), lines)
    return lines[0]


@site
def main(t):
    n = calling(t, """
      weir_cluster gone http://127.0.0.1:1;
      weir_cluster small http://{authz} max_answer=1000;
      weir_cluster quick http://{authz} timeout=200ms;
      weir_cluster few http://{authz} max_calls=2;
      weir_cluster two http://127.0.0.1:1 http://{authz};
      weir_allow_hosts {authz};""",
                plugins="""weir_plugin g {guests}/calls.wasm 'config_inline=gate authz 400';
      weir_plugin g_gone {guests}/calls.wasm 'config_inline=gate gone 400';""",
                locations="""
      location /auth { weir g; proxy_pass http://up; } location /slow { weir g; proxy_pass http://up; } location /reset { weir g; proxy_pass http://up; }
      location /rst { weir g; proxy_pass http://up; } location /hold { weir g; proxy_pass http://up; } location /gone { weir g_gone; proxy_pass http://up; }""",
                workers=2)
    return n


# ---- an authorization plugin, which holds each request until an upstream has said yes

@case(main)
def gate_granted(t, n):
    r = request(n.port, "/auth", [("x-token", "good"), ("x-user", "root")])
    equal((r.status, t.up.last().values("x-user")), (200, ["alice"]))
    equal((n.authz.last().method, n.authz.last().target, n.authz.last().get("Host")), ("GET", "/auth", "gate.test"))
    equal(request(n.port, "/auth", [("x-token", "good")], b"a body").status, 200)
    equal(t.up.last().body, b"a body")


@each([("unknown", [("x-token", "bad")], 403, b"no\n"), ("none", [], 401, b"who?\n")], main)
def gate_refused(t, n, headers, status, body):
    before = t.up.count
    r = request(n.port, "/auth", headers)
    equal((r.status, r.body, t.up.count), (status, body, before))


@case(main)
def gate_time_out(t, n):
    start = time.monotonic()
    r = request(n.port, "/slow/1500")
    equal((r.status, r.body), (503, b"gate: no answer\n"))
    assert 0.35 < time.monotonic() - start < 1.2, time.monotonic() - start


@each([("gone", "/gone"), ("closes", "/reset"), ("resets", "/rst")], main)
def gate_without_an_answer(t, n, target):
    start = time.monotonic()
    r = request(n.port, target)
    equal((r.status, r.body), (503, b"gate: no answer\n"))
    assert time.monotonic() - start < 0.35


@case(main)
def gate_of_a_client_that_leaves(t, n):
    """The call is cancelled: the upstream sees it; nothing else comes of it."""
    left, count = n.authz.left, n.authz.count
    c = Connection(n.port)
    c.send(message("GET", "/hold", []))
    wait_for(lambda: n.authz.count > count, 3, "the call is there")
    c.reset()
    wait_for(lambda: n.authz.left == left + 1, 0.35, "the upstream sees the call go, before its time is over")
    equal(request(n.port, "/auth", [("x-token", "good")]).status, 200)
    lacks(n.new_log(), "unknown answer")


@case(main)
def gates_at_once(t, n):
    results = []

    def ask(i):
        r = request(n.port, "/auth", [("x-token", "good" if i % 2 else "bad")], b"x" * i)
        results.append((r.status, i % 2))
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(100)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    equal(sorted(set(results)), [(200, 1), (403, 0)])
    equal(len(results), 100)


# ---- one call at a time

@case(main)
def answer_with_everything(t, n):
    line = one(n, "rh http authz GET /trailers 1000")
    assert re.fullmatch(r"http authz 200 headers=\d body=4 trailers=1 body", line), line
    line = one(n, "rh http authz POST /echo/x?y=1 1000 hello")
    assert line.startswith("http authz 200 ") and " POST /echo/x?y=1 HTTP/1.1." in line, line
    last = n.authz.last()
    equal((last.body, last.get("x-from"), last.get("content-length")), (b"hello", "calls", "5"))
    one(n, "rh http authz POST /echo 2000 300000*")
    equal(n.authz.last().body, b"b" * 300000)
    line = one(n, "rh http authz HEAD /sized/100 1000")
    assert line.startswith("http authz 200 ") and " body=0 " in line, line
    for status in (204, 304, 404, 503):
        line = one(n, f"rh http authz GET /status/{status} 1000")
        assert line.startswith(f"http authz {status} "), line


@each([("unknown cluster", "nosuch"), ("host not allowed", "127.0.0.1:1"), ("other host", "localhost"), ("empty host", ":80")], main)
def unknown_upstream(t, n, name):
    r, lines = do(n, f"rh http {name} GET / 500")
    equal((r.status, len(lines)), (200, 1), lines)
    assert re.fullmatch(rf"http {name}=[1-9]\d*", lines[0]), lines


@case(main)
def allowed_host(t, n):
    line = one(n, f"rh http 127.0.0.1:{n.authz.port} GET /sized/5 500")
    assert line.startswith(f"http 127.0.0.1:{n.authz.port} 200 ") and line.endswith("body=5 trailers=0 sssss"), line


@each([("any", "any", True), ("its address and port", "127.0.0.1:{authz_port}", True), ("its address", "127.0.0.1", True), ("names below a domain", "*.0.0.1", True),
       ("another port", "127.0.0.1:1", False), ("another host", "localhost", False), ("a name", "*.example.org example.org", False), ("an empty end", "0.0.1", False)])
def allowed_hosts(t, patterns, allowed):
    n = calling(t)
    n.conf.write_text(n.conf.read_text().replace("weir_cluster authz", f"weir_allow_hosts {patterns.replace('{authz_port}', str(n.authz.port))}; weir_cluster authz"))
    n.start()
    line = one(n, f"rh http 127.0.0.1:{n.authz.port} GET /sized/1 1000")
    assert (" 200 " in line) == allowed and (re.search(r"=\d+$", line) is None) == allowed, line


@each([("refused", "gone GET /", 1), ("closed", "authz GET /reset", 1), ("reset", "authz GET /rst", 1), ("cut", "authz GET /cut/1000", 1),
       ("over the limit", "small GET /sized/1001", 1), ("chunks over the limit", "small GET /chunked/100/11", 1), ("time-out of the call", "authz GET /slow/900 100", 1),
       ("time-out of the cluster", "quick GET /slow/900 0", 1)], main)
def failed(t, n, call, _):
    name, method, path, timeout = (call + " 1000").split()[:4]
    start = time.monotonic()
    line = one(n, f"rh http {name} {method} {path} {timeout}")
    assert re.match(rf"http {name} failed \d+ \S+", line), line
    assert time.monotonic() - start < 0.8, line


@case(main)
def answer_of_just_the_limit(t, n):
    line = one(n, "rh http small GET /sized/1000 1000")
    assert line.startswith("http small 200 ") and " body=1000 " in line, line


@case(main)
def second_url_when_the_first_is_gone(t, n):
    for _ in range(4):
        line = one(n, "rh http two GET /sized/1 1000")
        assert line.startswith("http two 200 "), line


@case(main)
def in_parallel(t, n):
    start = time.monotonic()
    r, lines = do(n, ";".join(f"rh http authz GET /slow/{200 + i} 2000" for i in range(10)))
    equal((r.status, len(lines)), (200, 10))
    assert all(line.startswith("http authz 200 ") for line in lines), lines
    assert 0.2 <= time.monotonic() - start < 1.5, time.monotonic() - start


@case(main)
def more_than_the_cluster_takes(t, n):
    r, lines = do(n, ";".join("rh http few GET /slow/100 2000" for _ in range(4)))
    equal((r.status, sorted(line[:14] for line in lines if "=" not in line[:10])), (200, ["http few 200 h"] * 2))
    equal(len([line for line in lines if line.startswith("http few=")]), 2)


@case(main)
def in_the_response_phase(t, n):
    r, lines = do(n, "sh http authz GET /slow/50 1000;rh http authz GET /sized/1 1000")
    equal((r.status, len(lines), r.complete), (200, 2, True))
    assert r.get("x-call").endswith("body=4 trailers=0 slow"), r
    r, lines = do(n, "sh http gone GET / 1000;sh http nosuch GET / 1000", target="/sized/100000")
    equal((r.status, len(r.body), len(r.values("x-call"))), (200, 100000, 2))


@case(main)
def answer_after_the_request(t, n):
    """A call that nobody waits for goes with its request."""
    left = n.authz.left
    r, lines = do(n, "rh open;rh http authz GET /hold 2000", target="/drip/5/40")  # long enough that the call is there
    equal((r.status, lines), (200, []))
    wait_for(lambda: n.authz.left > left, 1, "the call is cancelled")
    lacks(n.new_log(), "call: unknown answer")
    r, lines = do(n, "log http authz GET /hold 2000")
    equal(r.status, 200)
    equal(one(n, "rh http authz GET /sized/1 1000")[:14], "http authz 200")


@case()
def connections_are_kept(t):
    n = calling(t).start()
    for _ in range(30):
        assert one(n, "rh http authz GET /sized/10 1000").startswith("http authz 200")
    equal((n.authz.count, n.authz.connections), (30, 1))
    n.authz.connections = 0
    do(n, ";".join("rh http authz GET /slow/100 2000" for _ in range(5)))
    assert n.authz.connections in (4, 5), n.authz.connections


@case()
def from_ticks_and_the_start(t):
    n = calling(t, plugins="""weir_plugin ticking {guests}/calls.wasm 'config_inline=start start http authz GET /sized/1 1000
tick 50 tick http authz GET /sized/2 1000;tick http gone GET / 1000'; weir_cluster gone http://127.0.0.1:1;""", workers=2).start()
    n.wait_log(r"\[ticking\] call http authz 200 headers=\d body=1 ")
    n.wait_log(r"(?s)(\[ticking\] call http authz 200 headers=\d body=2 .*){8}")
    n.wait_log(r"\[ticking\] call http gone failed \d+ ")
    old = n.pids()
    n.reload()
    wait_for(lambda: set(old).isdisjoint(n.all_pids()), 5, "old workers leave, ticks and calls or not")


# ---- upstreams of other kinds

@site
def kinds(t):
    sockets = free_port()
    n = calling(t, """
      weir_cluster tls https://127.0.0.1:{tls} ca={cert} host=weir.test;
      weir_cluster tls_off https://127.0.0.1:{tls} verify=off;
      weir_cluster tls_system https://127.0.0.1:{tls};
      weir_cluster tls_other https://127.0.0.1:{tls} ca={cert} host=other.test;
      weir_cluster tls_1 https://127.0.0.1:{tls} ca={cert} host=weir.test http2=off;
      weir_cluster h2c http://127.0.0.1:{h2} http2=on;
      weir_cluster plain_as_tls https://127.0.0.1:{port} verify=off;
      weir_cluster sock unix:{dir}/up.sock;
      weir_cluster mtls https://127.0.0.1:{mtls} ca={cert} host=weir.test cert={cert} key={key};
      weir_cluster mtls_none https://127.0.0.1:{mtls} ca={cert} host=weir.test;""",
                http="""
      upstream pool { server 127.0.0.1:{pool_a} weight=4; server {authz} weight=2; server 127.0.0.1:1 down; server 127.0.0.1:1 backup; }
      upstream spare { server 127.0.0.1:1 down; server {authz} backup; }
      upstream socket { server unix:{dir}/up.sock; }
      server { listen unix:{dir}/up.sock; location / { return 200 "by the socket"; } }
      server { listen 127.0.0.1:{mtls} ssl; ssl_certificate {cert}; ssl_certificate_key {key}; ssl_client_certificate {cert}; ssl_verify_client on;
               location / { return 200 "$ssl_client_verify"; } }""",
                locations="""location = /proto { return 200 "$server_protocol $ssl_protocol $host"; }""")
    other = Upstream()
    t.made.append(Stopper(other))
    n.other = other
    text = n.conf.read_text()
    for name, value in {"tls": n.tls, "h2": n.h2, "port": n.port, "mtls": sockets, "pool_a": other.port}.items():
        text = text.replace("{" + name + "}", str(value))
    n.conf.write_text(text)
    return n


@each([("verified", "tls", "HTTP/2.0 TLSv1."), ("not verified", "tls_off", "HTTP/2.0 TLSv1."), ("HTTP/1.1", "tls_1", "HTTP/1.1 TLSv1."),
       ("h2c", "h2c", "HTTP/2.0  ")], kinds)
def protocol(t, n, name, wanted):
    line = one(n, f"rh http {name} GET /proto 2000")
    assert line.startswith(f"http {name} 200 "), line
    has(line, wanted)


@each([("unknown issuer", "tls_system"), ("another name", "tls_other"), ("no TLS there", "plain_as_tls")], kinds)
def certificate_that_fails(t, n, name):
    line = one(n, f"rh http {name} GET /proto 2000")
    assert re.match(rf"http {name} failed \d+ \S+", line), line


@case(kinds)
def unix_socket(t, n):
    assert one(n, "rh http sock GET / 2000").endswith("by the socket")
    assert one(n, "rh http socket GET / 2000").endswith("by the socket")


@case(kinds)
def client_certificate(t, n):
    """The key is readable by root alone: the worker of another user has it all the same."""
    line = one(n, "rh http mtls GET / 2000")
    assert line.endswith(" SUCCESS"), line
    line = one(n, "rh http mtls_none GET / 2000")
    assert line.startswith("http mtls_none 400 "), line


@case(kinds)
def names_of_upstream_blocks(t, n):
    assert one(n, "rh http up GET /sized/3 1000").endswith("trailers=0 sss")
    n.other.count = n.authz.count = 0
    for _ in range(12):
        assert one(n, "rh http pool GET /sized/1 1000").startswith("http pool 200 ")
    equal((n.other.count, n.authz.count), (8, 4))
    assert one(n, "rh http spare GET /sized/1 1000").startswith("http spare 200 ")


# ---- processes

@case()
def paused_requests_live_through_a_reload(t):
    n = calling(t, plugins="weir_plugin g {guests}/calls.wasm 'config_inline=gate authz 5000';", locations="location /hold { weir g; proxy_pass http://up; }",
                workers=2).start()
    old = n.pids()
    connections = [Connection(n.port) for _ in range(8)]
    for c in connections:
        c.send(message("GET", "/hold", []))
    wait_for(lambda: n.authz.count == 8, 3, "calls are there")
    n.reload()
    n.authz.release.set()
    t.up.release.set()
    for c in connections:
        equal(c.read().status, 200)
        c.close()
    wait_for(lambda: set(old).isdisjoint(n.all_pids()), 5, "old workers leave")


@case()
def cluster_changes_at_a_reload(t):
    n = calling(t).start()
    other = Upstream()
    t.made.append(Stopper(other))
    one(n, "rh http authz GET /sized/1 1000")
    n.conf.write_text(n.conf.read_text().replace(f"weir_cluster authz http://127.0.0.1:{n.authz.port}", f"weir_cluster authz http://127.0.0.1:{other.port}"))
    n.reload()
    one(n, "rh http authz GET /sized/1 1000")
    equal((n.authz.count, other.count), (1, 1))
    n.conf.write_text(re.sub(r"weir_cluster authz [^;]*;", "", n.conf.read_text()))
    n.reload()
    assert re.match(r"http authz=\d", one(n, "rh http authz GET /sized/1 1000"))


@each([("TERM", 15), ("QUIT", 3)])
def end_with_calls_in_flight(t, signal):
    n = calling(t, workers=2).start()
    connections = [Connection(n.port) for _ in range(4)]
    for c in connections:
        c.send(message("GET", "/echo", [("x-do", "rh http authz GET /hold 700")]))
    wait_for(lambda: n.authz.count == 4, 3, "calls are there")
    n.process.send_signal(signal)
    equal(n.process.wait(10), 0)
    if signal == 3:  # gracefully: each was answered at its time-out
        for c in connections:
            equal(c.read().status, 200)
    n.process = None


@case()
def canary_knows_the_same_upstreams(t):
    """A plugin that calls in on_configure starts in the check, where nothing is sent; for an unknown name it hears so there too."""
    n = calling(t, plugins="weir_plugin k {guests}/calls.wasm 'config_inline=start start http authz GET /sized/1 1000;start http nosuch GET / 1';")
    code, text = n.check()
    equal(code, 0, text)
    equal(n.authz.count, 0)
    has(text, 'upstream "nosuch" is not known')
    lacks(text, "authz")


# ---- examples that others wrote

@each([(v, f"http_auth_random-{v}.wasm") for v in ("0.1.0", "0.1.2", "0.1.4", "0.2.0")])
def http_auth_random(t, name):
    """Asks the cluster httpbin for a random byte: an even one lets the request pass."""
    from cases import Skip
    found = plugin(name)
    if not found:
        raise Skip(f"{name} is not built (make plugins)")
    bin_ = Upstream()
    t.made.append(Stopper(bin_))
    n = t.nginx(f"weir_cluster httpbin http://127.0.0.1:{bin_.port}; weir_plugin p {found};", "location / { weir p; proxy_pass http://up; }").start()
    for byte, status in ((2, 200), (3, 403)):
        bin_.script = (200, [("Content-Length", 1)], bytes([byte]))
        r = request(n.port, "/echo")
        equal((r.status, r.get("powered-by")), (status, "proxy-wasm"))
    equal((bin_.last().target, bin_.last().get("Host")), ("/bytes/1", "httpbin.org"))


# ---- weir run

@case()
def weir_run_by_flags(t):
    """The server of --to may be called by the name upstream; --cluster and --allow-host are the two directives."""
    port = free_port()
    url = f"127.0.0.1:{t.up.port}"
    with Run("run", "--plugin", Settings.guests / "calls.wasm", "--to", f"http://{url}", "--cluster", f"authz=http://{url}", "--allow-host", url,
             "--listen", f"127.0.0.1:{port}") as run:
        run.start(port)
        r, lines = do(None, ";".join(f"rh http {name} GET /sized/1 1000" for name in ("authz", "upstream", url, "nosuch")), port=port)
        equal(r.status, 200)
        equal(sorted(line.split(" headers")[0] for line in lines), sorted(["http authz 200", "http upstream 200", f"http {url} 200", lines[0]]))
        assert re.match(r"http nosuch=\d+$", lines[0]), lines


@case()
def weir_run_by_a_file(t):
    port, folder = free_port(), pathlib.Path(tempfile.mkdtemp(prefix="weir-run-"))
    n = t.nginx("", "location / { return 200 'over $https'; }").start()
    (folder / "ca.pem").write_bytes((n.dir / "cert.pem").read_bytes())
    (folder / "weir.yaml").write_text(f"""
clusters:
  authz: {{url: "https://127.0.0.1:{n.tls}", ca: ca.pem, host: weir.test, timeout: 2s, http2: on}}
  plain: http://127.0.0.1:{t.up.port}
upstreams:
  app: http://127.0.0.1:{t.up.port}
  secure: {{servers: ["127.0.0.1:{n.tls}"], tls: {{ca: ca.pem, name: weir.test}}}}
plugins:
  c: {Settings.guests}/calls.wasm
listeners:
  - {{listen: "127.0.0.1:{port}", plugins: [c], to: app}}
""")
    with Run("run", "--file", folder / "weir.yaml", folder=folder) as run:
        run.start(port)
        for name, wanted in (("authz", "over on"), ("plain", "sss"), ("secure", "over on"), ("app", "sss")):
            line = one(None, f"rh http {name} GET /sized/3 1000", port=port)
            assert line.startswith(f"http {name} 200 ") and line.endswith(wanted), line
    with Run("run", "--plugin", Settings.guests / "calls.wasm", "--cluster", "authz=ftp://x", "--print-config") as run:
        code, text = run.once()
        equal(code, 0, text)
        has(text, 'weir_cluster "authz" "ftp://x";')
    with Run("run", "--plugin", Settings.guests / "calls.wasm", "--cluster", "authz=ftp://x", "--listen", f"127.0.0.1:{port}") as run:
        code, text = run.once()
        equal(code, 1, text)
        has(text, 'cluster "authz": "ftp://x" is not http://')
