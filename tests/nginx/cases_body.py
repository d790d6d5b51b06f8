"""Bodies both ways: changed, grown, cut, in every framing that a message may have."""
import gzip

from cases import case, each, equal, has, lacks, site
from client import Connection, curl, h2, message, request


@site
def main(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm 'config_inline=trace';", """
      weir s;
      client_max_body_size 20m;
      location / { proxy_pass http://up; }
      location /stream { proxy_pass http://up; proxy_request_buffering off; }
      location /unbuffered { proxy_pass http://up/; proxy_buffering off; }
      location /zip/ { gzip on; gzip_min_length 1; gzip_types text/plain; proxy_pass http://up/; }
      location /static/ { alias {dir}/www/; }
      location /small { client_max_body_size 1k; proxy_pass http://up; }
      location /add { add_header x-add 1; proxy_pass http://up; }
    """)
    n.file("www/page.txt", "0123456789" * 100)
    return n


def do(n, commands, target="/echo", headers=(), **more):
    return request(n.port, target, [("x-do", commands), *headers], **more)


REQUEST = [("prepend", "rb hold;rb prepend >>", b">>hello"), ("append", "rb hold;rb append <<", b"hello<<"), ("replace", "rb hold;rb replace new body", b"new body"),
           ("cut", "rb hold;rb cut 1 3 -", b"h-o"), ("shrink", "rb hold;rb replace x", b"x"), ("empty", "rb hold;rb cut 0 99999 ", b""), ("upper", "rb hold;rb upper", b"HELLO"),
           ("grow", "rb hold;rb grow 300000", b"hello" + b"g" * 300000), ("unheld append", "rb append !", b"hello!")]


@each(REQUEST, main)
def request_body_sized(t, n, commands, wanted):
    equal(do(n, commands, body=b"hello").status, 200)
    equal(t.up.last().body, wanted)
    if wanted:
        equal(t.up.last().values("content-length"), [str(len(wanted))])


@each(REQUEST, main)
def request_body_chunked(t, n, commands, wanted):
    equal(do(n, commands, chunks=[b"he", b"l", b"lo"]).status, 200)
    equal(t.up.last().body, wanted)


@each(REQUEST, main)
def request_body_streamed(t, n, commands, wanted):
    equal(do(n, commands, "/stream", chunks=[b"he", b"l", b"lo"]).status, 200)
    equal(t.up.last().body, wanted)


@each(REQUEST, main)
def request_body_streamed_sized(t, n, commands, wanted):
    equal(do(n, commands, "/stream", body=b"hello").status, 200)
    equal(t.up.last().body, wanted)


@each(REQUEST, main)
def request_body_http2(t, n, commands, wanted):
    equal(h2(n.h2, "/echo", {"x-do": commands}, b"hello").status, 200)
    equal(t.up.last().body, wanted)


@each([("buffered", "/echo"), ("streamed", "/stream")], main)
def untouched_upload_of_10_mb(t, n, target):
    """The script has a body callback, but answers Continue: nothing is held, no limit is reached, nothing is changed."""
    body = bytes(range(256)) * 40960
    equal(do(n, "", target, body=body, timeout=30).status, 200)
    assert t.up.last().body == body


@case(main)
def held_body_up_to_the_limit(t, n):
    body = b"a" * 1_000_000
    equal(do(n, "rb hold;rb append !", body=body).status, 200)
    assert t.up.last().body == body + b"!"


@each([("sized", {"body": b"a" * 1_200_000}), ("chunked", {"chunks": [b"a" * 60000] * 20})], main)
def held_body_over_the_limit_is_413(t, n, how):
    count = t.up.count
    r = do(n, "rb hold", **how)
    equal((r.status, t.up.count), (413, count))


@case(main)
def held_response_over_the_limit_is_502(t, n):
    r = do(n, "sb hold", "/sized/1200000")
    equal((r.status, r.complete), (502, True))


@case(main)
def client_max_body_size_still_holds(t, n):
    count = t.up.count
    equal((do(n, "", "/small", body=b"a" * 2000).status, t.up.count), (413, count))


@case(main)
def expect_100_continue(t, n):
    r = curl(f"http://127.0.0.1:{n.port}/echo", "-H", "x-do: rb hold;rb append !", "-H", "Expect: 100-continue", body=b"hello")
    equal((r.status, t.up.last().body), (200, b"hello!"))


@case(main)
def body_without_a_body(t, n):
    """An empty POST: header callback ends the stream; the body commands never run, nothing breaks."""
    r = do(n, "rb hold;rb append !", method="POST", headers=[("Content-Length", "0")])
    equal(r.status, 200)


RESPONSE = [("sized", "/sized/5", b"sssss"), ("chunked", "/chunked/3/3", b"c0.c1.c2."), ("close", "/close/4", b"kkkk"), ("unbuffered", "/unbuffered/chunked/3/2", b"c0.c1."),
            ("drip", "/drip/3/20", b"c0...c1...c2..."), ("static", "/static/page.txt", b"0123456789" * 100), ("404", "/status/404", b"status 404\n"), ("empty", "/sized/0", b"")]
CHANGES = [("replace", "sb hold;sb replace REPLACED", lambda b: b"REPLACED"), ("prepend", "sb hold;sb prepend >", lambda b: b">" + b), ("append", "sb append <", lambda b: b + b"<"),
           ("grow", "sb hold;sb grow 200000", lambda b: b + b"g" * 200000), ("cut", "sb hold;sb cut 1 2 ", lambda b: b[:1] + b[3:]), ("untouched", "", lambda b: b)]


@each([(f"{place} {change}", target, body, commands, f) for place, target, body in RESPONSE for change, commands, f in CHANGES], main)
def response_body(t, n, target, body, commands, f):
    with Connection(n.port) as c:
        for _ in range(2):  # and the connection stays in step
            c.send(message("GET", target, [("x-do", commands)]))
            r = c.read()
            wanted = f(body) if body else r.body  # an empty body has no body event to change
            equal((r.complete, r.body), (True, wanted))


@each([(change, commands, f) for change, commands, f in CHANGES], main)
def response_body_http2(t, n, commands, f):
    r = h2(n.h2, "/chunked/3/3", {"x-do": commands})
    equal((r.status, r.body, r.complete), (200, f(b"c0.c1.c2."), True))


@each([(change, commands, f) for change, commands, f in CHANGES], main)
def response_body_then_gzip(t, n, commands, f):
    r = do(n, commands, "/zip/sized/50", [("Accept-Encoding", "gzip")])
    equal((r.get("content-encoding"), gzip.decompress(r.body)), ("gzip", f(b"s" * 50)))


@case(main)
def upstream_gzip_is_seen_as_it_is(t, n):
    r = do(n, "", "/gzip", [("Accept-Encoding", "gzip")])
    equal(gzip.decompress(r.body), b"compressed by the upstream\n")


@case(main)
def http10_client_of_a_changed_body(t, n):
    r = request(n.port, "/chunked/3/3", [("x-do", "sb hold;sb append !")], version="1.0")
    equal(r.body, b"c0.c1.c2.!")


@case(main)
def head_has_no_body(t, n):
    with Connection(n.port) as c:
        for _ in range(2):
            c.send(message("HEAD", "/sized/10", [("x-do", "sb replace never;sh add x-out 1")]))
            r = c.read(head=True)
            equal((r.status, r.get("x-out")), (200, "1"))


@each([("204", 204), ("304", 304)], main)
def bodiless_status(t, n, status):
    with Connection(n.port) as c:
        for _ in range(2):
            c.send(message("GET", f"/status/{status}", [("x-do", "sb append never;sh add x-out 1")]))
            r = c.read()
            equal((r.status, r.get("x-out"), r.body), (status, "1", b""))


@case(main)
def conditional_request_of_a_static_file(t, n):
    tag = do(n, "", "/static/page.txt").get("etag")
    if tag:  # a body plugin may take the validators away
        r = do(n, "", "/static/page.txt", [("If-None-Match", tag)])
        equal(r.status, 304)


@case(main)
def range_of_an_untouched_file(t, n):
    r = do(n, "", "/static/page.txt", [("Range", "bytes=5-9")])
    assert (r.status, r.body) in [(206, b"56789"), (200, b"0123456789" * 100)], r


@case(main)
def range_of_a_changed_file_is_consistent(t, n):
    r = do(n, "sb hold;sb prepend >>", "/static/page.txt", [("Range", "bytes=0-4")])
    assert (r.status, r.body) in [(206, b">>012"), (200, b">>" + b"0123456789" * 100)], r


@case(main)
def add_header_still_works(t, n):
    equal(do(n, "sb append !", "/add").get("x-add"), "1")


@case(main)
def accept_ranges_and_length_of_a_changed_body(t, n):
    r = do(n, "sb hold;sb append !", "/static/page.txt")
    assert r.get("content-length") in (None, "1001"), r
    equal(r.body[-1:], b"!")


@case(main)
def both_bodies_on_one_connection(t, n):
    with Connection(n.port) as c:
        for i in range(5):
            c.send(message("POST", "/echo", [("x-do", "rb hold;rb append A;sb hold;sb append B")], b"b%d" % i))
            r = c.read()
            assert r.text.endswith(f"b{i}AB"), r


@case(main)
def upstream_cut_short(t, n):
    """The upstream breaks off: the client must be able to see it, whether or not a plugin holds the body."""
    r = do(n, "", "/cut/1000")
    assert not r.complete, r


@case(main)
def body_callbacks_count_bytes(t, n):
    do(n, "", body=b"x" * 1234)
    n.wait_log("trace rb size=\\d+ end=1")
    n.wait_log("trace log rh=1 rb=\\d+ sh=1 sb=\\d+")
