"""Pause and resume in each of the four points; local responses in each; clients that leave meanwhile."""
import threading
import time

from cases import case, each, equal, has, site
from client import Connection, h2, message, request
from harness import wait_for


@site
def main(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm 'config_inline=trace'; weir_plugin late {guests}/script.wasm 'config_inline=header x-late';", """
      weir s;
      location / { proxy_pass http://up; }
      location /stream { proxy_pass http://up; proxy_request_buffering off; }
      location /static/ { alias {dir}/www/; }
      location /chain/ { weir late s; proxy_pass http://up/; }
    """)
    n.file("www/page.txt", "static page")
    return n


def timed(n, commands, target="/echo", low=90, high=2000, get=request, port=None, **more):
    start = time.monotonic()
    r = get(port or n.port, target, [("x-do", commands)], **more)
    ms = (time.monotonic() - start) * 1000
    assert low <= ms <= high, f"took {ms:.0f} ms"
    return r


POINTS = [("request headers", "rh pause 100"), ("request body", "rb pause 100"), ("response headers", "sh pause 100"), ("response body", "sb pause 100"),
          ("all four", "rh pause 30;rb pause 30;sh pause 30;sb pause 30")]


@each(POINTS, main)
def pause_sized(t, n, commands):
    r = timed(n, commands, body=b"hello")
    equal((r.status, t.up.last().body, r.complete), (200, b"hello", True))
    has(r.text, "hello")


@each(POINTS, main)
def pause_chunked(t, n, commands):
    r = timed(n, commands, chunks=[b"hel", b"lo"])
    equal((r.status, t.up.last().body), (200, b"hello"))


@each(POINTS, main)
def pause_streamed(t, n, commands):
    r = timed(n, commands, "/stream", chunks=[b"hel", b"lo"])
    equal((r.status, t.up.last().body), (200, b"hello"))


@each(POINTS, main)
def pause_http2(t, n, commands):
    r = timed(n, commands, get=h2, port=n.h2, body=b"hello")
    equal((r.status, t.up.last().body, r.complete), (200, b"hello", True))


@each(POINTS, main)
def pause_tls_http2(t, n, commands):
    r = timed(n, commands, get=h2, port=n.tls, body=b"hello", tls=True)
    equal((r.status, t.up.last().body), (200, b"hello"))


@each([("headers", "sh pause 100"), ("body", "sb pause 100"), ("request", "rh pause 100")], main)
def pause_static(t, n, commands):
    r = timed(n, commands, "/static/page.txt")
    equal((r.status, r.body), (200, b"static page"))


@each([("headers", "sh pause 100"), ("body", "sb pause 100"), ("both", "sh pause 50;sb pause 50")], main)
def pause_of_a_dripping_response(t, n, commands):
    r = timed(n, commands, "/drip/5/20")
    equal((r.body, r.complete), (b"c0...c1...c2...c3...c4...", True))


@each([("sized", "/sized/300000", b"s" * 300000), ("chunked", "/chunked/1000/300", b"".join((b"c%d" % (i % 10)).ljust(1000, b".") for i in range(300)))], main)
def pause_of_a_large_response(t, n, target, body):
    r = timed(n, "sh pause 100;sb pause 100", target)
    assert r.complete and r.body == body, (r.complete, len(r.body))


@case(main)
def pause_of_head(t, n):
    equal(timed(n, "sh pause 100", method="HEAD").status, 200)


@each([("204", 204), ("304", 304)], main)
def pause_of_bodiless(t, n, status):
    equal(timed(n, "sh pause 100", f"/status/{status}").status, status)


@each(POINTS, main)
def pause_keeps_the_connection_in_step(t, n, commands):
    with Connection(n.port) as c:
        c.send(b"".join(message("POST", f"/echo/{i}", [("x-do", commands)], b"body%d" % i) for i in range(3)))
        for i in range(3):
            r = c.read()
            equal(r.text.split(" ")[1], f"/echo/{i}")
            has(r.text, f"body{i}")


@case(main)
def pause_in_a_chain(t, n):
    r = request(n.port, "/chain/echo", [("x-do", "rh pause 50;sh pause 50;rh add x-order a;sh add x-order a"), ("x-late", "rh pause 50;sh pause 50;sb pause 50;rh add x-order b;sh add x-order b")])
    equal((r.status, t.up.last().values("x-order"), r.values("x-order")), (200, ["b", "a"], ["a", "b"]))


@case(main)
def many_pauses_at_once(t, n):
    results, lock = [], threading.Lock()

    def one(i):
        r = request(n.port, f"/echo/{i}", [("x-do", POINTS[i % 5][1])], b"b%d" % i)
        with lock:
            results.append(r.status == 200 and f"b{i}" in r.text)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(60)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    equal(results, [True] * 60)


@case(main)
def changes_after_a_resume(t, n):
    """Headers changed in the body callback, while they are held by the same plugin, reach the upstream."""
    timed(n, "rh add x-first 1;rb hold;rb append !", low=0, body=b"hello")
    equal((t.up.last().get("x-first"), t.up.last().body), ("1", b"hello!"))


@each(POINTS + [("never resumed request", "rh stop"), ("never resumed body", "rb hold;rb stop"), ("never resumed response", "sh stop"), ("never resumed response body", "sb stop")], main)
def client_leaves_during_a_pause(t, n, commands):
    for leave in ("close", "reset"):
        n.mark()
        c = Connection(n.port)
        c.send(message("POST", "/echo", [("x-do", commands.replace("100", "300"))], b"hello"))
        n.wait_log("trace rh")
        time.sleep(0.05)
        getattr(c, leave)()
        n.wait_log("trace delete", 8)
    equal(request(n.port, "/echo").status, 200)


@case(main)
def client_leaves_in_the_middle_of_its_body(t, n):
    for target in ("/echo", "/stream"):
        n.mark()
        c = Connection(n.port)
        c.send(message("POST", target, [("x-do", "rb hold"), ("Content-Length", "1000")]) + b"only a part")
        n.wait_log("trace rh")
        c.close()
        n.wait_log("trace delete", 8)
    equal(request(n.port, "/echo").status, 200)


@case(main)
def client_leaves_http2(t, n):
    for _, commands in POINTS:
        n.mark()
        h2(n.h2, "/echo", {"x-do": commands.replace("100", "400").replace("30", "400")}, b"hello", timeout=0.15)
        n.wait_log("trace delete", 8)
    equal(request(n.port, "/echo").status, 200)


@case(main)
def slow_reader(t, n):
    """A client that reads slowly: nginx's own back pressure, and a held body behind it."""
    with Connection(n.port) as c:
        c.send(message("GET", "/sized/900000", [("x-do", "sh pause 20;sb append !")]))
        time.sleep(0.5)
        r = c.read()
        assert r.complete and len(r.body) == 900001, (r.complete, len(r.body))


LOCAL = [("request headers", "rh local 403 denied", 403), ("request body", "rb hold;rb local 403 denied", 403), ("response headers", "sh local 502 denied", 502),
         ("held response body", "sb hold;sb local 502 denied", 502)]


@each(LOCAL, main)
def local_response(t, n, commands, status):
    with Connection(n.port) as c:
        for _ in range(2):
            c.send(message("POST", "/echo", [("x-do", commands)], b"hello"))
            r = c.read()
            equal((r.status, r.get("x-local"), r.body, r.complete), (status, "1", b"denied", True))
            equal(r.values("x-upstream"), [])


@each(LOCAL, main)
def local_response_http2(t, n, commands, status):
    r = h2(n.h2, "/echo", {"x-do": commands}, b"hello", early=True)
    equal((r.status, r.get("x-local"), r.body), (status, "1", b"denied"))


@each(LOCAL[:2], main)
def local_response_spares_the_upstream(t, n, commands, status):
    count = t.up.count
    request(n.port, "/echo", [("x-do", commands)], b"hello")
    equal(t.up.count, count)


@each(LOCAL[2:], main)
def local_response_for_a_static_file(t, n, commands, status):
    r = request(n.port, "/static/page.txt", [("x-do", commands)])
    equal((r.status, r.body), (status, b"denied"))


@each(LOCAL[2:], main)
def local_response_for_a_long_answer(t, n, commands, status):
    """The upstream's bytes that are on their way are swallowed."""
    r = request(n.port, "/chunked/1000/500", [("x-do", commands)])
    equal((r.status, r.body, r.complete), (status, b"denied", True))


@case(main)
def local_response_discards_a_large_body(t, n):
    with Connection(n.port) as c:
        c.send(message("POST", "/echo", [("x-do", "rh local 403 denied")], b"a" * 300000))
        equal(c.read().status, 403)
        c.send(message("GET", "/echo"))
        equal(c.read().status, 200)


@case(main)
def local_response_passes_the_response_callbacks(t, n):
    r = request(n.port, "/echo", [("x-do", "rh local 200 made;sh add x-out 1;sb append !")])
    equal((r.get("x-out"), r.body, r.complete), ("1", b"made!", True))


@case(main)
def local_response_twice_the_first_wins(t, n):
    r = request(n.port, "/echo", [("x-do", "rh local 403 first;rh local 404 second")])
    equal((r.status, r.body), (403, b"first"))


@each([("99", 99), ("0", 0), ("999", 999)], main)
def local_response_with_a_bad_status_is_500(t, n, status):
    equal(request(n.port, "/echo", [("x-do", f"rh local {status} x")]).status, 500)


@case(main)
def local_response_of_head(t, n):
    with Connection(n.port) as c:
        for _ in range(2):
            c.send(message("HEAD", "/echo", [("x-do", "rh local 403 denied")]))
            equal(c.read(head=True).status, 403)


def broken(n, target, commands):
    """The client sees no whole message: the connection ends before one."""
    try:
        r = request(n.port, target, [("x-do", commands)])
        assert not r.complete, r
    except ConnectionError:
        pass
    r = h2(n.h2, target, {"x-do": commands})
    assert not r.complete, r


@case(main)
def local_response_after_the_headers_left_resets(t, n):
    """The first chunk went out, so no other response can take its place."""
    broken(n, "/drip/5/60", "sb passfirst;sb local 502 denied")
    n.wait_log("trace delete")


@each([("request", "rh close"), ("response", "sh close")], main)
def close_stream(t, n, commands):
    try:
        r = request(n.port, "/echo", [("x-do", commands)])
        assert not r.complete, r
    except ConnectionError:
        pass
    equal(request(n.port, "/echo").status, 200)


@case(main)
def done_may_wait(t, n):
    equal(request(n.port, "/echo", [("x-do", "done pending;log log after done")]).status, 200)
    n.wait_log("\\[s\\] after done")
    n.wait_log("trace delete")
