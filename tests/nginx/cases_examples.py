"""The example plugins of plugins/, at the work that their READMEs promise, with the configuration files that lie beside them."""
import guests
from cases import Skip, case, each, equal, has, lacks
from cases_calls import Stopper
from client import request
from harness import plugin
from upstream import Upstream

PLUGINS = guests.TESTS.parent / "plugins"
LOCATIONS = "location / { weir p; proxy_pass http://up; }"


def served(t, name, arguments="", start=True):
    found = plugin(name)
    if not found:
        raise Skip(f"{name} is not built (make plugins)")
    n = t.nginx("", LOCATIONS)
    n.write(f"weir_plugin p {found} {arguments};", LOCATIONS)
    return n.start() if start else n


@case()
def c_headers(t):
    n = served(t, "c-headers.wasm")
    equal(request(n.port, "/echo").values("x-plugin"), ["c-headers"])


@case()
def rust_headers(t):
    n = served(t, "rust-headers.wasm", f"config={PLUGINS}/rust/headers/headers.json")
    r = request(n.port, "/echo", [("X-Debug", "1"), ("X-From-Plugin", "a lie")])
    equal((r.status, r.values("x-plugin"), r.values("x-powered-by")), (200, ["hello from a WebAssembly filter"], []))
    equal((t.up.last().values("x-debug"), t.up.last().values("x-from-plugin")), ([], ["hello, upstream"]))


@case()
def rust_headers_rewrites_a_path(t):
    n = served(t, "rust-headers.wasm", """'config_inline={"request": {"rewrite": {":path": {"find": "/old/", "replace": "/new/"}}}}'""")
    equal(request(n.port, "/old/echo?a=/b").status, 200)
    equal(t.up.last().target, "/new/echo?a=/b")


@case(log="emerg")
def rust_headers_refuses_an_unknown_field(t):
    code, text = served(t, "rust-headers.wasm", """'config_inline={"requets": {}}'""", start=False).check()
    equal(code, 1)
    has(text, "requets")


@case()
def rust_auth(t):
    n = served(t, "rust-auth.wasm", f"config={PLUGINS}/rust/auth/auth.json")
    r = request(n.port, "/echo")
    equal((r.status, r.get("www-authenticate"), r.body), (401, 'Bearer realm="weir"', b"a bearer token is needed\n"))
    r = request(n.port, "/echo", [("Authorization", "bearer let-me-in"), ("X-Auth-User", "root")])
    equal((r.status, t.up.last().values("x-auth-user"), t.up.last().values("authorization")), (200, ["alice"], []))
    for token in ("let-me-i", "let-me-inn", "LET-ME-IN", ""):
        equal(request(n.port, "/echo", [("Authorization", f"Bearer {token}")]).status, 401, token)
    equal(request(n.port, "/static/../echo").status, 401)
    equal((request(n.port, "/health").status == 401, request(n.port, "/static/a").status == 401), (False, False))


@case()
def rust_extauth(t):
    """Only a yes of the service lets a request pass; a no goes to the client as it is; silence is 503."""
    service = Upstream()
    t.made.append(Stopper(service))
    n = served(t, "rust-extauth.wasm", f"config={PLUGINS}/rust/extauth/extauth.json; weir_cluster authz http://127.0.0.1:{service.port}")
    service.script = (200, [("X-Auth-User", "alice"), ("Content-Length", 0)], b"")
    r = request(n.port, "/echo?q", [("Authorization", "let me in"), ("X-Auth-User", "root"), ("X-Other", "1")], b"body")
    equal((r.status, t.up.last().values("x-auth-user"), t.up.last().body), (200, ["alice"], b"body"))
    asked = service.last()
    equal((asked.method, asked.target, asked.get("authorization"), asked.get("x-other")), ("GET", "/check", "let me in", None))
    equal((asked.get("x-original-method"), asked.get("x-original-path"), asked.get("x-original-host")), ("POST", "/echo?q", "weir.test"))
    count = t.up.count
    service.script = (401, [("WWW-Authenticate", "Basic"), ("Content-Type", "text/plain"), ("Content-Length", 4), ("X-Inner", "1")], b"who?")
    r = request(n.port, "/echo")
    equal((r.status, r.body, r.values("www-authenticate"), r.values("x-inner")), (401, b"who?", ["Basic"], []))
    service.script = (500, [("Content-Length", 0)], b"")
    equal(request(n.port, "/echo").status, 503)
    service.stop()
    equal((request(n.port, "/echo").status, t.up.count), (503, count))
    n.write(f"weir_plugin p {plugin('rust-extauth.wasm')} 'config_inline={{\"upstream\":\"authz\",\"path\":\"/\",\"open\":true}}'; weir_cluster authz http://127.0.0.1:1;", LOCATIONS)
    n.reload()
    equal(request(n.port, "/echo").status, 200)


@case()
def rust_body(t):
    n = served(t, "rust-body.wasm", f"config={PLUGINS}/rust/body/body.json")
    r = request(n.port, "/echo", body=b"the upstream, and the upstream")
    assert r.text.endswith("the UPSTREAM, and the UPSTREAM"), r
    lacks(r.text, "upstream")


@case()
def go_ratelimit(t):
    """Two limits of five in the windows of ten seconds: a border between windows may lie in the first round only."""
    n = served(t, "go-ratelimit.wasm", f"config={PLUGINS}/go/ratelimit/ratelimit.json memory=256m timeout=500ms")
    seen = []
    for _ in range(12):
        r = request(n.port, "/echo")
        seen.append(r.status)
        if r.status == 200:
            assert 0 <= int(r.get("x-ratelimit-remaining")) <= 4, r
        else:
            equal((r.status, r.body), (429, b"too many requests\n"))
            assert 1 <= int(r.get("retry-after")) <= 10, r
    assert seen[:5] == [200] * 5 and 429 in seen, seen


@case(log="emerg")
def go_ratelimit_refuses_a_limit_of_none(t):
    code, text = served(t, "go-ratelimit.wasm", """'config_inline={"requests": 0, "seconds": 1}' memory=256m timeout=500ms""", start=False).check()
    equal(code, 1)
    has(text, "above 0")


@case()
def cpp_bodylog(t):
    n = served(t, "cpp-bodylog.wasm")
    n.mark()
    r = request(n.port, "/echo?a=b", body=b"some \x00 text")
    equal(r.status, 200)
    n.wait_log(rf'POST /echo\?a=b 200 request=11 "some \. text" response={len(r.body)} "')


@each([("none", "0", r"request=4 response=\d+ while logging"), ("two bytes", "2", r'request=4 "ab" response=')])
def cpp_bodylog_shows_as_much_as_configured(t, number, pattern):
    n = served(t, "cpp-bodylog.wasm", f"config_inline={number}")
    n.mark()
    equal(request(n.port, "/echo", body=b"abcd").status, 200)
    n.wait_log(pattern)


@each([("a word", "many"), ("past the limit", "257"), ("negative", "-1")], log="emerg")
def cpp_bodylog_refuses(t, number):
    code, text = served(t, "cpp-bodylog.wasm", f"config_inline={number}", start=False).check()
    equal(code, 1)
    has(text, "0 to 256")


@each([("with a text", "config_inline=hello", "hello"), ("without", "", "none"), ("by its root id", "root_id=stamp config_inline=hi", "hi")])
def assemblyscript_stamp(t, arguments, stamp):
    n = served(t, "assemblyscript-stamp.wasm", arguments)
    equal(request(n.port, "/echo").values("x-stamp"), [stamp])
