"""weir_max_body, weir_phase, weir_reroute, weir_decode: each where it stands, inherited, replaced, and wrong."""
import gzip
import time
import zlib

from big import Growth
from cases import case, each, equal, has, lacks, site
from cases_bad import refused
from client import Connection, h2, message, request


@site
def main(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm 'config_inline=trace'; weir_plugin heads {guests}/headers.wasm; weir_plugin free {guests}/script.wasm on_buffer_full=release; weir_max_body 100;", """
      weir s;
      location / { proxy_pass http://up; }
      location /ten { weir_max_body 10; proxy_pass http://up; location /ten/inside { proxy_pass http://up; } location /ten/more { weir_max_body 2m; proxy_pass http://up; } }
      location /release { weir free; proxy_pass http://up; }

      location /return { weir_phase rewrite; return 200 "returned"; }
      location /access-return { return 200 "returned"; }
      location /early { weir_phase rewrite; proxy_pass http://up; }
      location /early/break { weir_phase rewrite; rewrite ^/early/break(.*)$ /broken$1 break; proxy_pass http://up; }
      location /early/last { weir_phase rewrite; rewrite ^ /ten/last last; }
      location /late/last { rewrite ^ /early/came last; }
      location /early/stream { weir_phase rewrite; proxy_request_buffering off; proxy_pass http://up; }
      location /early/error { weir_phase rewrite; proxy_intercept_errors on; error_page 404 /return; proxy_pass http://up/status/404; }
      location /early/deny { weir_phase rewrite; deny all; }
      location /early/auth { weir_phase rewrite; auth_request /ok; proxy_pass http://up; }
      location = /ok { internal; proxy_pass http://up/status/204; proxy_pass_request_body off; proxy_set_header Content-Length ""; }

      location /stay { proxy_pass http://up; }
      location /go { weir_reroute on; proxy_pass http://up; }
      location /go/early { weir_reroute on; weir_phase rewrite; return 200 "not this"; }
      location /go/stream { weir_reroute on; proxy_request_buffering off; proxy_pass http://up; }
      location /target { proxy_pass http://up; add_header x-location target; }
      location /inner { internal; weir off; return 200 "inner"; }

      location /plain { weir_decode on; proxy_pass http://up; location /plain/not { weir_decode off; proxy_pass http://up; } location /plain/heads { weir heads; proxy_pass http://up; }
                        location /plain/unbuffered { proxy_buffering off; proxy_pass http://up; } }
      location /plain/zip { weir_decode on; gzip on; gzip_min_length 1; gzip_types text/plain; proxy_pass http://up; }
      location /plain/off { weir off; proxy_pass http://up; }
    """)
    n.start()
    return n


def do(n, commands, target="/echo", headers=(), **more):
    return request(n.port, target, [("x-do", commands), *headers], **more)


# ---- weir_max_body

@each([("http", "/echo", 100), ("location", "/ten", 10), ("inherited", "/ten/inside", 10), ("replaced", "/ten/more", 2 << 20)], main)
def max_body(t, n, target, limit):
    for how in ("body", "chunks"):
        make = (lambda b: {"body": b}) if how == "body" else (lambda b: {"chunks": [b[:limit // 2], b[limit // 2:]]})
        if limit == 2 << 20:
            make = make if how == "body" else (lambda b: {"chunks": [b[i:i + 65536] for i in range(0, len(b), 65536)]})
        if limit < 1 << 20:  # client_max_body_size is 1 MB
            equal(do(n, "rb pause 20", target, **make(b"a" * limit)).status, 200)
            equal(t.up.last().body, b"a" * limit)
            equal(do(n, "rb pause 20", target, **make(b"a" * (limit + 1))).status, 413)
        else:
            equal(do(n, "rb pause 20", target, **make(b"a" * 1_040_000)).status, 200)


@case(main)
def max_body_of_a_response(t, n):
    equal(do(n, "sb hold", "/sized/100").status, 200)
    equal(do(n, "sb hold", "/sized/101").status, 502)
    equal(do(n, "", "/sized/100000").status, 200)  # not held, not limited


@case(main)
def max_body_released(t, n):
    equal(do(n, "rb hold", "/release", chunks=[b"a" * 60, b"b" * 60, b"c"]).status, 200)
    equal(t.up.last().body, b"a" * 60 + b"b" * 60 + b"c")


# ---- weir_phase

@case(main)
def rewrite_phase_comes_before_return(t, n):
    equal(do(n, "rh local 403 no", "/return").status, 403)
    equal(do(n, "rh local 403 no", "/access-return").body, b"returned")


@each([("nothing", ""), ("paused", "rh pause 40"), ("body held", "rb hold;rb append !"), ("body paused", "rb pause 40"), ("response", "sh pause 20")], main)
def rewrite_phase_with(t, n, commands):
    wanted = b"hello!" if "append" in commands else b"hello"
    with Connection(n.port) as c:
        for target in ("/return", "/early/x", "/early/break/x", "/early/stream"):
            for _ in range(2):
                c.send(message("POST", target, [("x-do", commands)], b"hello"))
                r = c.read()
                equal((r.status, r.complete), (200, True))
                equal(r.body == b"returned" if target == "/return" else t.up.last().body == wanted, True, target)
    equal(h2(n.h2, "/early/x", {"x-do": commands}, b"hello").status, 200)
    equal(t.up.last().body, wanted)


@each([("break", "/early/break/x", 200, "/broken/x"), ("last", "/early/last", 200, "/ten/last"), ("last into one", "/late/last", 200, "/early/came"),
       ("error_page", "/early/error", 404, None), ("denied behind it", "/early/deny", 403, None), ("auth_request", "/early/auth", 200, "/early/auth")], main)
def rewrite_phase_runs_once(t, n, target, status, seen):
    n.mark()
    r = do(n, "rh add x-seen 1;sh add x-out 1", target)
    n.wait_log("trace delete")
    equal((r.status, n.new_log().count("trace rh"), r.values("x-out")), (status, 1, ["1"]))
    if seen:
        equal((t.up.last().target, t.up.last().values("x-seen")), (seen, ["1"]))


@case(main)
def rewrite_phase_client_leaves(t, n):
    for commands in ("rh stop", "rb stop"):
        n.mark()
        c = Connection(n.port)
        c.send(message("POST", "/early/x", [("x-do", commands)], b"hello"))
        n.wait_log("trace rh")
        c.close()
        n.wait_log("trace delete", 8)


# ---- weir_reroute

@each([("a new path", "rh set :path /target/x?q=1"), ("after a pause", "rh set :path /target/x?q=1;rh pause 30"), ("with the body paused", "rh set :path /target/x?q=1;rb pause 30"),
       ("in the body callback", "rh set :path /target/x?q=1;rb hold;rb append !")], main)
def reroute(t, n, commands):
    for start in ("/go", "/go/early", "/go/stream"):
        if start == "/go/stream" and "rb" in commands:
            continue
        with Connection(n.port) as c:
            for _ in range(2):
                c.send(message("POST", start, [("x-do", commands + ";sh add x-out 1")], b"hello"))
                r = c.read()
                equal((r.status, t.up.last().target, r.get("x-location"), r.values("x-out")), (200, "/target/x?q=1", "target", ["1"]))
                equal(t.up.last().body, b"hello!" if "append" in commands else b"hello")
    n.mark()
    do(n, "rh set :path /target/x", "/go")
    n.wait_log("trace delete")
    equal(n.new_log().count("trace rh"), 1)


@case(main)
def no_reroute(t, n):
    equal(do(n, "rh set :path /target/x", "/stay").values("x-location"), [])
    equal(do(n, "rh set :path /inner", "/stay").status, 200)
    equal(t.up.last().target, "/inner")
    equal(do(n, "", "/go").values("x-location"), [])


@case(main)
def reroute_reaches_internal_locations(t, n):
    """As documented: that is why it is off by default."""
    equal(do(n, "rh set :path /inner", "/go").body, b"inner")
    equal(request(n.port, "/inner").status, 404)


@case(main)
def reroute_streams_http2(t, n):
    r = h2(n.h2, "/go/stream", {"x-do": "rh set :path /target/y;rb shout"}, b"hello")
    equal((r.status, t.up.last().target, t.up.last().body), (200, "/target/y", b"HELLO"))


# ---- weir_decode

TEXT = b"some text, " * 3000


def raw_deflate(data):
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


def chunked(data, size):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (data[i:i + size] for i in range(0, len(data), size))) + b"0\r\n\r\n"


def answers(t, n, encoding, body, *, status=200, chunk=0, more=()):
    """What the upstream says to everything, until the end of the with block."""
    frame = ("Transfer-Encoding", "chunked") if chunk else ("Content-Length", len(body))

    class Script:
        def __enter__(self):
            t.up.script = (status, [("Content-Type", "text/plain"), ("Content-Encoding", encoding), ("ETag", '"v1"'), frame, *more], chunked(body, chunk) if chunk else body)

        def __exit__(self, *_):
            t.up.script = None
    return Script()


ENCODED = [("gzip", "gzip", gzip.compress(TEXT)), ("GZip", "GZip", gzip.compress(TEXT)), ("x-gzip", "x-gzip", gzip.compress(TEXT)), ("deflate", "deflate", zlib.compress(TEXT)),
           ("bare deflate", "deflate", raw_deflate(TEXT)), ("two members", "gzip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])), ("stored", "gzip", gzip.compress(TEXT, 0))]
DO = [("looked at", "", TEXT), ("changed", "sb shout;sb append !", TEXT.upper() + b"!"), ("held", "sb hold;sb prepend >", b">" + TEXT), ("paused", "sh pause 20;sb pause 20", TEXT)]


@each([(f"{name} {how} {frame}", encoding, body, commands, wanted, chunk) for name, encoding, body in ENCODED for how, commands, wanted in DO
       for frame, chunk in (("sized", 0), ("in chunks", 100)) if how in ("looked at", "changed") or name == "gzip"], main)
def decode(t, n, encoding, body, commands, wanted, chunk):
    if "hold" in commands or "pause" in commands:
        wanted, body = wanted.replace(TEXT, TEXT[:99]), gzip.compress(TEXT[:99])
    with answers(t, n, encoding, body, chunk=chunk), Connection(n.port) as c:
        for target in ("/plain", "/plain/unbuffered"):
            c.send(message("GET", target, [("x-do", commands), ("Accept-Encoding", "gzip, br")]))
            r = c.read()
            equal((r.status, r.complete, r.values("content-encoding"), r.values("etag")), (200, True, [], ['W/"v1"']))
            assert r.body == wanted, (len(r.body), r.body[:100])
            equal(t.up.last().values("accept-encoding"), [])


@case(main)
def decode_byte_by_byte(t, n):
    body = gzip.compress(TEXT)
    with answers(t, n, "gzip", body, chunk=1):
        equal(do(n, "sb shout", "/plain/unbuffered").body, TEXT.upper())
        equal(h2(n.h2, "/plain", {"x-do": "sb shout"}).body, TEXT.upper())


@case(main)
def decode_then_compress_again(t, n):
    with answers(t, n, "gzip", gzip.compress(TEXT)):
        r = do(n, "sb shout", "/plain/zip", [("Accept-Encoding", "gzip")])
    equal((r.get("content-encoding"), gzip.decompress(r.body)), ("gzip", TEXT.upper()))


@case(main)
def decode_large_for_a_client_that_stops_reading(t, n):
    """300 MB of zeros in 300 kB: what the client does not take is not unpacked."""
    body = gzip.compress(bytes(300 << 20), 1)
    worker, = n.pids()
    with answers(t, n, "gzip", body):
        growth = Growth(worker)
        with Connection(n.port, timeout=30) as c:
            c.send(message("GET", "/plain", [("x-do", "")]))
            c.file.read(1 << 20)
            time.sleep(0.4)
    assert (grew := growth.kb()) < 8192, f"grew by {grew} kB"


@case(main)
def decode_a_local_response_instead(t, n):
    with answers(t, n, "gzip", gzip.compress(TEXT)):
        for commands in ("sh local 502 no", "sb local 502 no"):
            with Connection(n.port) as c:
                for _ in range(2):
                    c.send(message("GET", "/plain", [("x-do", commands)]))
                    r = c.read()
                    equal((r.status, r.body, r.values("content-encoding"), r.complete), (502, b"no", [], True))


@each([("br", "br", b"whatever"), ("two", "gzip, br", b"whatever"), ("unknown", "zstd", b"whatever")], main)
def decode_leaves_what_it_does_not_know(t, n, encoding, body):
    n.mark()
    with answers(t, n, encoding, body):
        r = do(n, "", "/plain")
    equal((r.get("content-encoding"), r.body), (encoding, body))
    n.wait_log("weir_decode: plugins see this response as it is")
    equal(n.new_log().count("weir_decode"), 1)


@case(main)
def decode_leaves_parts(t, n):
    body = gzip.compress(TEXT)[10:50]
    with answers(t, n, "gzip", body, status=206, more=[("Content-Range", "bytes 10-49/500")]):
        r = do(n, "", "/plain", [("Range", "bytes=10-49")])
    equal((r.status, r.get("content-encoding"), r.body), (206, "gzip", body))


@each([("cut off", gzip.compress(TEXT)[:-20]), ("garbage", b"this is no gzip at all, but it says so"), ("damaged", gzip.compress(TEXT)[:30] + b"\xff" * 30 + gzip.compress(TEXT)[60:])], main)
def decode_of_a_bad_body_is_seen_by_the_client(t, n, body):
    n.mark()
    with answers(t, n, "gzip", body):
        try:
            assert not do(n, "", "/plain").complete
        except ConnectionError:
            pass
    n.wait_log("weir_decode: the response's body is (cut off|not what)")


@case(main)
def decode_of_no_body(t, n):
    with answers(t, n, "gzip", b""):
        r = do(n, "", "/plain")
        equal((r.status, r.body, r.complete), (200, b"", True))
    with answers(t, n, "gzip", gzip.compress(TEXT)), Connection(n.port) as c:
        for _ in range(2):
            c.send(message("HEAD", "/plain", [("x-do", "")]))
            r = c.read(head=True)
            equal((r.status, r.values("content-encoding"), r.values("content-length")), (200, [], []))
    with answers(t, n, "gzip", b"", status=304):
        equal(do(n, "", "/plain", [("If-None-Match", '"v1"')]).status, 304)


@each([("off", "/plain/not"), ("no plugin", "/plain/off"), ("none that looks at bodies", "/plain/heads")], main)
def decode_not(t, n, target):
    body = gzip.compress(TEXT)
    with answers(t, n, "gzip", body):
        r = do(n, "", target, [("Accept-Encoding", "gzip")])
        equal((r.get("content-encoding"), r.body, t.up.last().values("accept-encoding")), ("gzip", body, ["gzip"]))


@case(main)
def decode_hides_accept_encoding_from_the_upstream_alone(t, n):
    r = do(n, "rh get accept-encoding;sh prop request.headers.accept-encoding", "/plain", [("Accept-Encoding", "gzip;q=0.5")])
    equal((t.up.last().values("accept-encoding"), t.up.last().get("x-got"), r.get("x-prop")), ([], "0:gzip;q=0.5", "0:gzip;q=0.5"))


# ---- wrong

PLACE = "location / { weir p; proxy_pass http://up; %s }"


@each([("phase", "weir_phase content;", "weir_phase.*access or rewrite.*content"), ("phase twice", "weir_phase access; weir_phase rewrite;", "weir_phase.*twice"),
       ("max_body text", "weir_max_body lots;", "weir_max_body.*lots.*size"), ("max_body 0", "weir_max_body 0;", "weir_max_body.*at least 1"),
       ("max_body twice", "weir_max_body 1; weir_max_body 2;", "weir_max_body.*twice"), ("decode", "weir_decode maybe;", "(?s)weir_decode|\"maybe\""),
       ("reroute", "weir_reroute 1;", "(?s)weir_reroute|\"1\"")], log=".")
def wrong(t, line, wanted):
    refused(t.nginx("weir_plugin p {guests}/noop.wasm;", PLACE % line), wanted)
