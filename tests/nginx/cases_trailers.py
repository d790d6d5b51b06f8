"""Response trailers: those of a gRPC upstream read, changed, removed and held; added to any response that can carry them."""
from cases import Skip, case, each, equal, lacks, site
from cases_grpc import Service, call, grpc
from client import Connection, h2, message, request


@site
def plain(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm 'config_inline=trace'; weir_plugin late {guests}/script.wasm 'config_inline=header x-late';", """
      weir s;
      location / { proxy_pass http://up; }
      location /static/ { alias {dir}/www/; }
      location /zip/ { gzip on; gzip_min_length 1; gzip_types text/plain; proxy_pass http://up/; }
      location /whole { chunked_transfer_encoding off; proxy_pass http://up/sized/5; }
      location /nginx/ { add_trailer x-nginx 1; proxy_pass http://up/; }
      location /chain/ { weir late s; proxy_pass http://up/; }
    """)
    n.file("www/page.txt", "static page")
    return n


def do(n, commands, target="/sized/5", headers=(), **more):
    return request(n.port, target, [("x-do", commands), *headers], **more)


ANSWERS = [("sized", "/sized/5", b"sssss"), ("chunked", "/chunked/3/3", b"c0.c1.c2."), ("static", "/static/page.txt", b"static page"), ("404", "/status/404", b"status 404\n"),
           ("closed", "/close/4", b"kkkk"), ("drip", "/drip/3/10", b"c0...c1...c2..."), ("beside add_trailer", "/nginx/sized/5", b"sssss")]
WAYS = [("at the end", "sb trailer x-t one"), ("held whole", "sb hold;sb trailer x-t one"), ("then paused", "sb trailer x-t one;sb pause 30"), ("body changed", "sb shout;sb append !;sb trailer x-t one")]


@each([(f"{a} {w}", target, body, commands) for a, target, body in ANSWERS for w, commands in WAYS], plain)
def added(t, n, target, body, commands):
    with Connection(n.port) as c:
        for _ in range(2):  # the connection stays in step
            c.send(message("GET", target, [("x-do", commands)]))
            r = c.read()
            equal((r.complete, r.values("x-t"), r.get("transfer-encoding"), r.values("content-length")), (True, ["one"], "chunked", []))
            equal(r.body, body.upper() + b"!" if "shout" in commands else body)
            if "nginx" in target:
                equal(r.values("x-nginx"), ["1"])


@each(WAYS, plain)
def added_http2(t, n, commands):
    r = h2(n.h2, "/chunked/3/3", {"x-do": commands}, arguments=("-v", "--stderr", n.dir / "curl.log"))
    equal((r.status, r.complete, len(r.body)), (200, True, 10 if "shout" in commands else 9))
    assert "x-t: one" in (n.dir / "curl.log").read_text(), (n.dir / "curl.log").read_text()


@case(plain)
def added_to_a_local_response(t, n):
    r = do(n, "rh local 200 made;sb trailer x-t one")
    equal((r.body, r.values("x-t"), r.complete), (b"made", ["one"], True))


@case(plain)
def added_behind_gzip(t, n):
    import gzip
    r = do(n, "sb shout;sb trailer x-t one", "/zip/sized/50", [("Accept-Encoding", "gzip")])
    equal((r.get("content-encoding"), gzip.decompress(r.body), r.values("x-t")), ("gzip", b"S" * 50, ["one"]))


@each([("HTTP/1.0", "/sized/5", {"version": "1.0"}), ("chunks switched off", "/whole", {}), ("HEAD", "/sized/5", {"method": "HEAD"}), ("204", "/status/204", {}), ("304", "/status/304", {})], plain)
def not_where_a_response_cannot_carry_them(t, n, target, how):
    r = do(n, "sb trailer x-t one", target, **how)
    equal((r.values("x-t"), r.complete), ([], True))
    lacks(r.text, "x-t")


@case(plain)
def not_before_the_end(t, n):
    """In the header callback and in earlier chunks there is no such map; the response is as it was."""
    n.mark()
    equal(do(n, "sh st set x-t one", "/chunked/3/3").values("x-t"), [])
    n.wait_log("trace delete")
    lacks(n.new_log(), "trace st")  # nobody asks about trailers that are not there


@case(plain)
def the_next_plugin_is_asked(t, n):
    """s is asked first for responses; late finds what it added, changes it and adds."""
    r = request(n.port, "/chain/sized/5", [("x-do", "sb trailer x-t one"), ("x-late", "st set x-t two;st add x-u three")])
    equal((r.body, r.values("x-t"), r.values("x-u")), (b"sssss", ["two"], ["three"]))


@each([("paused", "st pause 40"), ("paused, body held by it", "sb pause 40;st pause 40")], plain)
def the_next_plugin_pauses_in_them(t, n, commands):
    with Connection(n.port) as c:
        for _ in range(2):
            c.send(message("GET", "/chain/drip/3/10", [("x-do", "sb trailer x-t one"), ("x-late", commands)]))
            r = c.read()
            equal((r.body, r.values("x-t"), r.complete), (b"c0...c1...c2...", ["one"], True))


@case(plain)
def a_local_response_from_trailers(t, n):
    """The body is held until then, so nothing has left."""
    r = request(n.port, "/chain/sized/5", [("x-do", "sb trailer x-t one"), ("x-late", "sb pause 3000;st local 502 no")])
    equal((r.status, r.body, r.values("x-t"), r.complete), (502, b"no", [], True))


@case(plain)
def framing_names_do_not_become_trailers(t, n):
    r = do(n, "sb trailer content-length 3;sb trailer transfer-encoding gzip;sb trailer :status 200;sb trailer x-t one")
    equal((r.complete, r.values("x-t"), r.values("transfer-encoding"), r.values("content-length")), (True, ["one"], ["chunked"], []))


@site
def grpc_upstream(t):
    if grpc is None:
        raise Skip("no grpcio here: apt-get install python3-grpcio")
    service = Service()
    n = t.nginx("weir_plugin s {guests}/script.wasm 'config_inline=trace'; ", """
      location / { weir s; client_max_body_size 0; grpc_pass grpc://127.0.0.1:%d; }
    """ % service.port)
    n.service = service
    return n


def trailing(info):
    return {k: v for k, v in info.trailing_metadata()}


@each([("read", "st get x-trailer", {"x-trailer": "t", "x-got": "0:t"}), ("pairs", "st pairs", {"x-trailer": "t"}), ("replaced", "st set x-trailer new", {"x-trailer": "new"}),
       ("added", "st add x-more 1", {"x-trailer": "t", "x-more": "1"}), ("removed", "st del x-trailer", {}), ("paused", "st pause 40", {"x-trailer": "t"}),
       ("written back", "st setpairs", {"x-trailer": "t", "x-setpairs": "1"}), ("bodies and trailers paused", "sb pause 20;st pause 20", {"x-trailer": "t"})], grpc_upstream)
def of_a_grpc_call(t, n, commands, wanted):
    n.mark()
    answer, info = call(n, "Unary", b"hello", commands)
    equal((answer, info.code()), (b"re:hello", grpc.StatusCode.OK))
    got = trailing(info)
    got.pop("x-pairs", None)
    equal(got, wanted)
    n.wait_log("trace st size=[23]")  # grpc-status, grpc-message, x-trailer


@case(grpc_upstream)
def the_status_of_a_grpc_call_is_a_trailer(t, n):
    try:
        call(n, "Unary", b"hello", "st set grpc-status 7;st set grpc-message refused")
    except grpc.RpcError as e:
        equal((e.code(), e.details()), (grpc.StatusCode.PERMISSION_DENIED, "refused"))
    else:
        raise AssertionError("the status that the plugin wrote did not arrive")


@case(grpc_upstream)
def streams_keep_their_trailers(t, n):
    equal(call(n, "Both", iter([b"1", b"2"]), "st add x-more 1"), [b"re:1", b"re:2"])
    equal(call(n, "Down", b"x", "st pause 30"), [b"%d:x" % i for i in range(5)])
