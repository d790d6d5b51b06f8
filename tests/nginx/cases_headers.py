"""Header maps and pseudo headers of requests and responses, over HTTP/1.1, HTTP/2 and TLS."""
from cases import case, each, equal, has, lacks, site
from client import Connection, h2, message, request


@site
def main(t):
    return t.nginx("weir_plugin s {guests}/script.wasm 'config_inline=trace';", """
      weir s;
      location / { proxy_pass http://up; }
      location /pre/ { proxy_pass http://up/base/; }
      location /host { proxy_pass http://up; proxy_set_header Host $host; }
      location /vars { return 200 "never"; }
    """)


def do(n, commands, target="/echo", headers=(), **more):
    return request(n.port, target, [("x-do", commands), *headers], **more)


@case(main)
def request_header_reaches_upstream(t, n):
    do(n, "rh add x-new one")
    equal(t.up.last().values("x-new"), ["one"])


@case(main)
def request_header_added_twice(t, n):
    do(n, "rh add x-new one;rh add x-new two")
    equal(t.up.last().values("x-new"), ["one", "two"])


@case(main)
def request_header_replaced_leaves_one(t, n):
    do(n, "rh set x-a new", headers=[("X-A", "1"), ("X-B", "2"), ("X-A", "3")])
    equal(t.up.last().values("x-a"), ["new"])
    equal(t.up.last().values("x-b"), ["2"])


@case(main)
def request_header_removed(t, n):
    do(n, "rh del user-agent;rh del x-a", headers=[("X-A", "1"), ("User-Agent", "probe"), ("X-A", "2"), ("X-B", "3")])
    equal(t.up.last().values("x-a") + t.up.last().values("user-agent"), [])
    equal(t.up.last().values("x-b"), ["3"])


@case(main)
def many_request_headers_removed_and_added(t, n):
    """More than one part of nginx's list (20 elements each)."""
    commands = "".join(f"rh del x-{i};" for i in range(0, 60, 2)) + "rh add x-last 1"
    do(n, commands, headers=[(f"X-{i}", str(i)) for i in range(60)])
    got = [v for name, v in t.up.last().headers if name.lower().startswith("x-") and name[2:].isdigit()]
    equal(got, [str(i) for i in range(1, 60, 2)])
    equal(t.up.last().get("x-last"), "1")


@case(main)
def get_joins_values(t, n):
    do(n, "rh get x-a", headers=[("X-A", "1"), ("X-A", "2")])
    equal(t.up.last().get("x-got"), "0:1,2")


@case(main)
def get_cookie(t, n):
    do(n, "rh get cookie", headers=[("Cookie", "a=1"), ("Cookie", "b=2")])
    equal(t.up.last().get("x-got"), "0:a=1; b=2")


@case(main)
def get_missing_is_not_found(t, n):
    do(n, "rh get x-missing")
    equal(t.up.last().get("x-got"), "1:")


@case(main)
def get_is_without_case(t, n):
    do(n, "rh get X-MiXeD", headers=[("x-mIxEd", "v")])
    equal(t.up.last().get("x-got"), "0:v")


@case(main)
def pairs_begin_with_pseudo_headers(t, n):
    do(n, "rh pairs")
    count, size, first = t.up.last().get("x-pairs").split(" ")
    assert first.startswith(":"), first
    equal(count, "5")  # four pseudo headers (host is :authority), x-do
    assert int(size) > 50, size  # bytes


@case(main)
def set_pairs(t, n):
    do(n, "rh setpairs", headers=[("X-A", "1"), ("X-A", "2"), ("Cookie", "c=d")])
    equal(t.up.last().get("x-setpairs"), "1")
    equal(t.up.last().values("x-a"), ["1", "2"])
    equal(t.up.last().values("cookie"), ["c=d"])
    equal(t.up.last().target, "/echo")


@each([("path", ":path", "0:/echo?q=%20x"), ("method", ":method", "0:GET"), ("authority", ":authority", "0:weir.test"), ("scheme", ":scheme", "0:http")], main)
def pseudo_header_read(t, n, name, wanted):
    do(n, f"rh get {name}", "/echo?q=%20x")
    equal(t.up.last().get("x-got"), wanted)


@case(main)
def path_with_query_reaches_upstream(t, n):
    do(n, "rh set :path /new/p%20x?y=2&z=%2F")
    equal(t.up.last().target, "/new/p%20x?y=2&z=%2F")


@case(main)
def path_under_proxy_pass_with_uri(t, n):
    do(n, "rh set :path /pre/z?k=1", "/pre/a")
    equal(t.up.last().target, "/base/z?k=1")


@case(main)
def path_outside_the_location(t, n):
    do(n, "rh set :path /other/z", "/pre/a")
    equal(t.up.last().target, "/other/z")


@case(main)
def bad_path_is_not_forwarded(t, n):
    """A path without a leading slash, or with a raw blank, cannot make a request line."""
    for path in ("nothing", "/a b", "/../../etc/passwd"):
        r = do(n, f"rh set :path {path}")
        assert r.status in (200, 400, 404, 500), r
        if r.status == 200:
            target = t.up.last().target
            assert target.startswith("/") and " " not in target, target


@case(main)
def method_change(t, n):
    do(n, "rh set :method PUT")
    equal(t.up.last().method, "PUT")


@case(main)
def method_change_head_to_get(t, n):
    r = do(n, "rh set :method PURGE")
    equal((r.status, t.up.last().method), (200, "PURGE"))


@case(main)
def authority_change(t, n):
    do(n, "rh set :authority other.example", "/host")
    equal(t.up.last().values("host"), ["other.example"])


@case(main)
def response_header_added(t, n):
    r = do(n, "sh add x-new one;sh add x-new two")
    equal(r.values("x-new"), ["one", "two"])


@case(main)
def response_header_replaced_and_removed(t, n):
    r = do(n, "sh set x-upstream plugin;sh del set-cookie;sh del server")
    equal((r.values("x-upstream"), r.values("set-cookie"), r.values("server")), (["plugin"], [], []))


@case(main)
def response_status_changed(t, n):
    equal(do(n, "sh set :status 418").status, 418)


@case(main)
def response_status_read(t, n):
    equal(do(n, "sh get :status", "/status/404").get("x-got"), "0:404")


@case(main)
def response_sees_late_headers(t, n):
    """Content-Type and Content-Length are written by nginx itself, yet they are there."""
    equal(do(n, "sh get content-type").get("x-got"), "0:text/plain")
    equal(do(n, "sh get content-length", "/sized/12").get("x-got"), "0:12")


@case(main)
def response_content_type_changed(t, n):
    equal(do(n, "sh set content-type application/json").values("content-type"), ["application/json"])


@case(main)
def response_set_cookie_gives_the_first(t, n):
    equal(do(n, "sh get set-cookie").get("x-got"), "0:a=1")


@case(main)
def response_set_pairs(t, n):
    r = do(n, "sh setpairs")
    equal((r.get("x-setpairs"), r.values("set-cookie"), r.status), ("1", ["a=1", "b=2"], 200))


@case(main)
def response_reads_request_headers(t, n):
    """The request's map is still readable in the response phase, not writable."""
    r = do(n, "rh set x-old 1;sh prop request.path")
    equal(r.get("x-prop"), "0:/echo")


@each([("connection", "rh add connection close"), ("length", "rh set content-length 5"), ("encoding", "rh set transfer-encoding chunked"),
       ("both", "rh set transfer-encoding chunked;rh set content-length 3;rh add content-length 9")], main)
def framing_of_requests_stays_right(t, n, commands):
    r = do(n, commands, body=b"0123456789")
    equal(r.status, 200)
    equal(t.up.last().body, b"0123456789")
    assert len(t.up.last().values("content-length")) <= 1


@each([("short", "sh set content-length 1"), ("long", "sh set content-length 100"), ("none", "sh del content-length"),
       ("chunked", "sh set transfer-encoding chunked"), ("twice", "sh add content-length 7")], main)
def framing_of_responses_stays_right(t, n, commands):
    with Connection(n.port) as c:
        for _ in range(2):  # the connection stays in step
            c.send(message("GET", "/sized/20", [("x-do", commands)]))
            r = c.read()
            equal((r.status, r.body, r.complete), (200, b"s" * 20, True))


@each([("lf", "rh add x-a 1\n2"), ("empty name", "rh add  v"), ("pseudo", "rh add :unknown v"), ("del path", "rh del :path"), ("del method", "rh del :method")], main)
def bad_header_writes_have_no_effect(t, n, commands):
    # a newline cannot come in through a header: the guest's separators make it; blank names do
    commands = commands.replace("\n", "\t")
    r = do(n, commands)
    equal((r.status, t.up.last().method, t.up.last().target), (200, "GET", "/echo"))
    lacks("".join(name for name, _ in t.up.last().headers), ":unknown")


PROPERTIES = [("source.address", "0:127.0.0.1:"), ("request.method", "0:GET"), ("request.host", "0:weir.test"), ("request.scheme", "0:http"),
              ("request.protocol", "0:HTTP/1.1"), ("request.query", "0:q=1"), ("request.url_path", "0:/echo"), ("plugin_root_id", "0:"),
              ("plugin_name", "0:s"), ("request.headers.x-p", "0:v"), ("connection.mtls", "0:00"), ("no.such.property", "1:")]


@each([(path, path, wanted) for path, wanted in PROPERTIES], main)
def property_read(t, n, path, wanted):
    do(n, f"rh prop {path}", "/echo?q=1", [("X-P", "v")])
    got = t.up.last().get("x-prop") or ""
    assert got.startswith(wanted), f"{path}: {got!r}"


@case(main)
def numbers_are_little_endian(t, n):
    r = do(n, "sh prop response.code")
    equal(r.get("x-prop"), "0:c800000000000000")


@case(main)
def http2_request_headers(t, n):
    r = h2(n.h2, "/echo?x=1", {"x-do": "rh add x-new one;rh get :authority;sh add x-out two"})
    equal((r.status, t.up.last().get("x-new"), r.get("x-out")), (200, "one", "two"))
    equal(t.up.last().get("x-got"), f"0:127.0.0.1:{n.h2}")


@case(main)
def http2_path_and_method(t, n):
    h2(n.h2, "/echo", {"x-do": "rh set :path /two?b=1;rh set :method DELETE"})
    equal((t.up.last().method, t.up.last().target), ("DELETE", "/two?b=1"))


@case(main)
def http2_status(t, n):
    equal(h2(n.h2, "/echo", {"x-do": "sh set :status 299"}).status, 299)


@case(main)
def tls_http1(t, n):
    r = request(n.tls, "/echo", [("x-do", "rh get :scheme;rh add x-new one;sh add x-out two")], tls=True)
    equal((r.get("x-out"), t.up.last().get("x-new"), t.up.last().get("x-got")), ("two", "one", "0:https"))


@case(main)
def tls_http2(t, n):
    r = h2(n.tls, "/echo", {"x-do": "rh prop connection.tls_version;sh add x-out two"}, tls=True)
    equal((r.status, r.get("x-out")), (200, "two"))
    has(t.up.last().get("x-prop"), "TLSv1.2")  # this NGINX's default


@case(main)
def pipelined_requests(t, n):
    with Connection(n.port) as c:
        c.send(b"".join(message("GET", f"/echo/{i}", [("x-do", f"sh add x-i {i};rh add x-i {i}")]) for i in range(20)))
        for i in range(20):
            r = c.read()
            equal((r.get("x-i"), r.text.split(" ")[1]), (str(i), f"/echo/{i}"))
            has(r.text, f"x-i: {i}")


@case(main)
def one_byte_at_a_time(t, n):
    with Connection(n.port) as c:
        for b in message("POST", "/echo", [("x-do", "rb append !;sb append ?")], chunks=[b"hello", b"world"]):
            c.send(bytes([b]))
        r = c.read()
        equal((t.up.last().body, r.body[-12:], r.complete), (b"helloworld!", b"helloworld!?", True))


@case(main)
def http10_without_host(t, n):
    r = request(n.port, "/sized/5", [("x-do", "sh add x-out 1")], version="1.0", host=None)
    equal((r.status, r.get("x-out"), r.body), (200, "1", b"sssss"))


@case(main)
def callback_order(t, n):
    do(n, "", body=b"abc")
    n.wait_log("trace delete")
    log = n.new_log()
    places = [log.find(w) for w in ("trace rh", "trace rb", "trace sh", "trace sb", "trace log", "trace delete")]
    assert places == sorted(places) and -1 not in places, (places, log)


@case(main)
def end_of_stream_is_told(t, n):
    do(n, "")
    n.wait_log("trace rh size=\\d+ end=1")
    n.mark()
    do(n, "", body=b"x")
    n.wait_log("trace rh size=\\d+ end=0")
    n.wait_log("trace rb size=1 end=1")
    n.wait_log("trace delete")
    n.mark()
    do(n, "", method="HEAD")
    n.wait_log("trace sh size=\\d+ end=1")
