"""Plugins of plugins/teach in NGINX: what their suites say of them in memory. The suites have the many cases."""
from cases import case, equal
from cases_examples import PLUGINS, served
from client import request

TEACH = PLUGINS / "teach"


def chunked(*chunks):
    """A body that arrives in these chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def answers(t, kind, *chunks):
    t.up.script = (200, [("Content-Type", kind), ("Transfer-Encoding", "chunked")], chunked(*chunks))


@case()
def teach_pii(t):
    """A number and an address that are cut in two by chunks; byte by byte, too, and at the very end."""
    n = served(t, "teach-pii.wasm")
    text, masked = b"card 4111 1111 1111 1111, mail jane@example.org", b"card **** **** **** 1111, mail ****@example.org"
    for chunks in ((text,), (text[:12], text[12:33], text[33:]), [text[i:i + 1] for i in range(len(text))]):
        answers(t, "text/plain", *chunks)
        equal(request(n.port, "/").body, masked)
    equal(t.up.last().values("accept-encoding"), ["identity"])
    answers(t, "image/png", text)
    equal(request(n.port, "/").body, text)


@case()
def teach_html(t):
    n = served(t, "teach-html.wasm", f"config={TEACH}/html/html.json")
    for chunks in ((b"<body><img src=a.png onerror=x>",), (b"<bo", b"dy><im", b"g src=a.png oner", b"ror=x>")):
        answers(t, "text/html", *chunks)
        equal(request(n.port, "/").body, b'<body><!-- via weir --><img src=a.png loading="lazy">')


@case()
def teach_cors(t):
    """The preflight never reaches the upstream, and its answer has each header once."""
    n = served(t, "teach-cors.wasm", f"config={TEACH}/cors/cors.txt")
    origin = ("Origin", "https://app.example.org")
    r = request(n.port, "/", [origin, ("Access-Control-Request-Method", "DELETE")], method="OPTIONS")
    equal((r.status, r.values("access-control-allow-origin"), t.up.count), (204, [origin[1]], 0))
    equal(r.values("vary"), ["Origin, Access-Control-Request-Method, Access-Control-Request-Headers"])
    r = request(n.port, "/", [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "DELETE")], method="OPTIONS")
    equal((r.status, r.values("access-control-allow-origin"), t.up.count), (403, [], 0))
    r = request(n.port, "/", [origin])
    equal((r.status, r.values("access-control-allow-origin"), r.values("vary")), (200, [origin[1]], ["Origin"]))


@case()
def teach_redirects(t):
    n = served(t, "teach-redirects.wasm", f"config={TEACH}/redirects/redirects.txt")
    for path, status, location in (("/old.html?a=b", 301, "/new.html?a=b"), ("/docs/latest//evil.example", 302, "/docs-v2/evil.example"), ("/echo", 200, None)):
        r = request(n.port, path)
        equal((r.status, r.get("location")), (status, location), path)


@case()
def teach_ab(t):
    """A visitor keeps the bucket that he was given."""
    n = served(t, "teach-ab.wasm", f"config={TEACH}/ab/ab.txt")
    given = [v for v in request(n.port, "/echo").values("set-cookie") if v.startswith("checkout=")]
    equal(len(given), 1)
    cookie = given[0].split(";")[0]
    equal(t.up.last().values("x-checkout"), [cookie.split("=")[1]])
    r = request(n.port, "/echo", [("Cookie", cookie), ("X-Checkout", "free")])
    equal((t.up.last().values("x-checkout"), [v for v in r.values("set-cookie") if v.startswith("checkout=")]), ([cookie.split("=")[1]], []))


@case()
def teach_ratelimit(t):
    """Three at once, and the next in a thousand seconds: one bucket for all workers."""
    n = served(t, "teach-ratelimit.wasm", """'config_inline={"per_second": 0.001, "burst": 3}'""")
    seen = [request(n.port, "/echo") for _ in range(5)]
    equal([r.status for r in seen], [200, 200, 200, 429, 429])
    equal([r.get("x-ratelimit-remaining") for r in seen[:3]], ["2", "1", "0"])
    assert 900 < int(seen[3].get("retry-after")) <= 1000, seen[3]
