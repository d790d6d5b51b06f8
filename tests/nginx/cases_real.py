"""Plugins that others wrote (examples of released SDKs) and our own examples, at their work."""
import json
import pathlib
import time

from cases import Skip, case, each, equal, has
from client import request
from harness import Settings, plugin, wait_for


def need(name):
    found = plugin(name)
    if not found:
        raise Skip(f"{name} is not built (make plugins)")
    return found


def served(t, name, arguments="", locations="location / { weir p; proxy_pass http://up; }", **more):
    n = t.nginx("", locations, **more)
    n.write(f"weir_plugin p {need(name)} {arguments};", locations)
    return n.start()


# The examples that each release of the SDK carries and that build for a plain wasm32 target.
EXAMPLES = {"http_headers": ("0.1.0", "0.1.2", "0.1.4", "0.2.0"), "http_auth_random": ("0.1.0", "0.1.2", "0.1.4", "0.2.0"), "http_body": ("0.1.2", "0.1.4", "0.2.0"),
            "http_config": ("0.1.4", "0.2.0"), "hello_world": ("0.1.4", "0.2.0")}


@each([(f"{name} {v}", f"{name}-{v}.wasm") for name, releases in EXAMPLES.items() for v in releases])
def example_loads(t, name):
    """All fifteen; what they do is below."""
    n = served(t, name, locations="location / { weir p; proxy_pass http://up; } location /none { weir off; proxy_pass http://up/echo; }")
    equal(request(n.port, "/none").status, 200)


@each([(v, f"http_headers-{v}.wasm") for v in ("0.1.0", "0.1.2", "0.1.4", "0.2.0")])
def http_headers_example(t, name):
    """Answers /hello itself; logs every header of others."""
    n = served(t, name, log_level="debug")
    r = request(n.port, "/hello")
    equal((r.status, r.get("hello"), r.get("powered-by"), r.body), (200, "World", "proxy-wasm", b"Hello, World!\n"))
    n.mark()
    equal(request(n.port, "/echo", [("X-Probe", "seen")]).status, 200)
    n.wait_log("x-probe: seen")
    n.wait_log(":status: 200")


@each([(v, f"http_body-{v}.wasm", a) for v, a in (("0.1.2", "header_pause=headers_only"), ("0.1.4", ""), ("0.2.0", ""))])
def http_body_example(t, name, arguments):
    """Replaces a response body that says "secret". The one of 0.1.2 pauses the headers until it has seen the body."""
    n = served(t, name, arguments)
    has(request(n.port, "/echo", body=b"a secret word").text, "Original message body (")
    r = request(n.port, "/echo", body=b"an open word")
    assert r.text.endswith("an open word"), r


@each([(v, f"http_config-{v}.wasm") for v in ("0.1.4", "0.2.0")])
def http_config_example(t, name):
    n = served(t, name, "'config_inline=from the configuration'")
    has(repr(request(n.port, "/echo").headers), "from the configuration")


@each([(v, f"hello_world-{v}.wasm") for v in ("0.1.4", "0.2.0")])
def hello_world_example(t, name):
    """Says hello at the start, and the time at each tick of five seconds; it has no HTTP context."""
    n = served(t, name)
    n.wait_log("Hello, World!")
    n.wait_log("(?i)(it's|your lucky number)", 8)


@each([(v, f"*{v}.wasm") for v in ("0.1.0", "0.1.2", "0.1.4", "0.2.0", "0.2.1", "0.2.5")])
def filter_of_six_sdks(t, pattern):
    found = plugin("rust-proxy-wasm-" + pattern.lstrip("*"))
    if not found:
        raise Skip(f"rust-proxy-wasm-{pattern.lstrip('*')} is not built (make plugins)")
    n = t.nginx("", "location / { weir p; proxy_pass http://up; }")
    n.write(f"weir_plugin p {found};", "location / { weir p; proxy_pass http://up; }")
    n.start()
    equal(request(n.port, "/echo").values("x-abi"), ["hello"])


@case()
def our_rust_auth(t):
    n = served(t, "rust-auth.wasm", """'config_inline={"tokens": {"t0ken": "alice"}, "public": ["/public/"]}'""")
    r = request(n.port, "/echo")
    equal(r.status, 401)
    has(r.get("www-authenticate"), "Bearer")
    equal(request(n.port, "/echo", [("Authorization", "Bearer t0ken"), ("X-Auth-User", "root")]).status, 200)
    equal((t.up.last().values("x-auth-user"), t.up.last().values("authorization")), (["alice"], []))
    equal(request(n.port, "/echo", [("Authorization", "Bearer wrong")]).status, 401)
    equal(request(n.port, "/public/x").status, 200)


@case(log="emerg")
def our_rust_auth_refuses_a_bad_configuration(t):
    n = t.nginx("", "location / { weir p; proxy_pass http://up; }")
    n.write(f"weir_plugin p {need('rust-auth.wasm')} 'config_inline={{}}';", "location / { weir p; proxy_pass http://up; }")
    code, text = n.check()
    equal(code, 1)
    has(text, "on_configure")


@case()
def our_rust_body(t):
    n = served(t, "rust-body.wasm", """'config_inline={"request": [{"find": "cat", "replace": "dog"}], "response": [{"find": "dog", "replace": "bird"}]}'""")
    r = request(n.port, "/echo", body=b"my cat and your cat")
    equal(t.up.last().body, b"my dog and your dog")
    assert r.text.endswith("my bird and your bird"), r


@each([("c", "c-headers.wasm"), ("rust", "rust-headers.wasm"), ("c++", "cpp-bodylog.wasm"), ("assemblyscript", "assemblyscript-stamp.wasm")])
def our_plugin_serves(t, name):
    n = served(t, name)
    equal(request(n.port, "/echo", [("User-Agent", "probe")]).status, 200)


@each([("c", "c-noop.wasm"), ("rust", "rust-noop.wasm")])
def our_noop_changes_nothing(t, name):
    n = served(t, name)
    a = request(n.port, "/echo", [("X-A", "1")], b"body")
    mine = t.up.last().headers
    n.write("", "location / { proxy_pass http://up; }")
    n.reload()
    b = request(n.port, "/echo", [("X-A", "1")], b"body")
    equal((mine, a.body), (t.up.last().headers, b.body))


@case()
def our_go_ratelimit(t):
    n = served(t, "go-ratelimit.wasm", """'config_inline={"requests": 3, "seconds": 600}'""")
    equal([request(n.port, "/echo").status for _ in range(5)], [200, 200, 200, 429, 429])
