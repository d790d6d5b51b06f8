"""What an operator does with NGINX beside the plugins: caches, slices, upgrades, large messages, signals, several servers."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

from cases import Skip, case, each, equal, has, lacks, site
from client import Connection, curl, h2, message, request
from harness import Settings, free_port, title, wait_for
from load import Load


def rss_kb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def upgrader():
    """An upstream that upgrades, and then sends everything back in upper case. Its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(s):
        with s:
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(4096)
            head, _, rest = head.partition(b"\r\n\r\n")
            if b"upgrade: test" not in head.lower():
                s.sendall(b"HTTP/1.1 400 X\r\nContent-Length: 2\r\n\r\nno")
                return
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: upgrade\r\n\r\n" + rest.upper())
            while data := s.recv(65536):
                s.sendall(data.upper())

    def serve():
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


@site
def main(t):
    sliced = free_port()
    n = t.nginx("""
      weir_plugin s {guests}/script.wasm;
      weir_plugin t {guests}/script.wasm config_inline=trace;
      weir_plugin noop {guests}/noop.wasm;
    """, """
      weir s;
      root {dir}/www;
      client_max_body_size 0;
      location / { proxy_pass http://up; }
      location /cached/ { proxy_cache c; proxy_cache_valid 200 404 1m; proxy_ignore_headers Set-Cookie; add_header x-cache $upstream_cache_status always; proxy_pass http://up/; }
      location /cachednoop/ { weir noop; proxy_cache c; proxy_cache_key noop$uri; proxy_force_ranges on; proxy_cache_valid 200 1m; add_header x-cache $upstream_cache_status always; proxy_pass http://up/; }
      location /slicednoop/ { weir noop; slice 1000; proxy_set_header Range $slice_range; proxy_pass http://127.0.0.1:%d/static/; }
      location /sliced/ { slice 1000; proxy_cache c; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range; proxy_cache_valid 200 206 1m; proxy_pass http://127.0.0.1:%d/static/; }
      location /slicedraw/ { slice 1000; proxy_set_header Range $slice_range; proxy_pass http://127.0.0.1:%d/static/; }
      location /static/ { }
      location /ws { proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass http://127.0.0.1:%d; }
      location /any { satisfy any; allow 127.0.0.1; deny all; auth_basic x; auth_basic_user_file {dir}/users; proxy_pass http://up; }
      location /anyauth { satisfy any; deny all; auth_basic x; auth_basic_user_file {dir}/users; proxy_pass http://up; }
      location /all { auth_basic x; auth_basic_user_file {dir}/users; proxy_pass http://up; }
      location /limited { limit_req zone=slow burst=2; proxy_pass http://up; }
      location /limited0 { limit_req zone=slow0; proxy_pass http://up; }
      location /unbuffered { proxy_request_buffering off; proxy_buffering off; proxy_pass http://up/echo; }
      location /rewritten { rewrite ^/rewritten(.*) /other$1 break; return 403; proxy_pass http://up; }
      location /bigheaders { proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_busy_buffers_size 64k; proxy_pass http://up; }
      location /intercepted { proxy_intercept_errors on; error_page 404 503 =200 /elsewhere; proxy_pass http://up/status/404; }
      location /elsewhere { weir t; proxy_pass http://up/echo; }
      location /named { error_page 418 = @tea; return 418; }
      location @tea { proxy_pass http://up; }
      location /sub { sub_filter s S; sub_filter_types *; sub_filter_once off; proxy_pass http://up; }
      location /addition { add_after_body /after; addition_types *; proxy_pass http://up/sized/3; }
      location /after { proxy_pass http://up/sized/4; }
      location /limit_rate { limit_rate 2m; proxy_pass http://up/; }
      location /download/ { proxy_pass http://up/; }
    """ % (sliced, sliced, sliced, upgrader()), http="""
      large_client_header_buffers 8 32k;
      proxy_cache_path {dir}/cache keys_zone=c:1m; limit_req_zone $binary_remote_addr zone=slow:1m rate=10r/s; limit_req_zone $binary_remote_addr zone=slow0:1m rate=1r/m;
      log_format check '$status $body_bytes_sent $upstream_status $upstream_addr "$sent_http_x_out" $request_length';
      server { listen 127.0.0.1:%d; root {dir}/www; }
    """ % sliced)
    n.file("www/static/numbers.txt", NUMBERS)
    n.file("users", "u:{PLAIN}p\n")
    return n


NUMBERS = b"".join(b"%09d\n" % i for i in range(350))


def do(n, commands, target="/echo", headers=(), **more):
    return request(n.port, target, [("x-do", commands), *headers], **more)


@each([("plain", "sh add x-out 1"), ("request held", "rh pause 50"), ("response held", "sh pause 50"), ("body plugin", "sb hold;sb append !"),
       ("body", "sb append !;rb append !")], main, log="101, which cannot be held")
def upgrade(t, n, commands):
    with Connection(n.port) as c:
        c.send(message("GET", "/ws", [("Upgrade", "test"), ("x-do", commands)]) + b"early ")
        assert c.file.readline().startswith(b"HTTP/1.1 101"), "no 101"
        head = b""
        while (line := c.file.readline()).strip():
            head += line
        has(head.lower(), b"upgrade: test")
        if "x-out" in commands:
            has(head, b"x-out: 1")
        equal(c.file.read(6), b"EARLY ")
        for i in range(20):
            c.send(b"hello %02d" % i)
            equal(c.file.read(8), b"HELLO %02d" % i)
        time.sleep(0.1)
        c.send(b"z" * 300000)
        equal(len(c.file.read(300000)), 300000)


@case(main)
def upgrade_refused_by_a_plugin(t, n):
    for commands in ("rh local 403 no", "sh local 403 no"):
        with Connection(n.port) as c:
            c.send(message("GET", "/ws", [("Upgrade", "test"), ("x-do", commands)]))
            r = c.read()
            equal((r.status, r.text), (403, "no"))


@each([("none", ""), ("headers", "sh add x-out 1"), ("body", "sb append !"), ("held", "sb hold;sb append !"), ("paused", "sh pause 30;sb pause 30"),
       ("upper", "sb hold;sb upper")], main)
def cache_miss_then_hit(t, n, commands):
    key = re.sub(r"\W", "", commands)
    for target in (f"sized/3000?{key}", f"chunked/1000/3?{key}", f"status/404?{key}"):
        seen = []
        count = t.up.count
        for _ in range(3):
            r = do(n, commands, f"/cached/{target}")
            seen.append((r.get("x-cache"), r.body, r.get("x-out"), r.status, r.complete))
        equal([s[0] for s in seen], ["MISS", "HIT", "HIT"], target)
        equal(len({s[1:] for s in seen}), 1, target)
        equal(t.up.count - count, 1)
        plain = request(n.port, f"/cached/{target}")
        equal(plain.get("x-cache"), "HIT")
        lacks(plain.body, b"!")
        if "append" in commands:
            equal(seen[0][1], plain.body + b"!")


@case(main)
def cache_filled_by_head(t, n):
    r = do(n, "sb hold;sb append !", "/cached/sized/2000?head", method="HEAD")
    equal((r.status, r.get("x-cache")), (200, "MISS"))
    r = do(n, "sb hold;sb append !", "/cached/sized/2000?head")
    equal((r.get("x-cache"), len(r.body)), ("HIT", 2001))


@case(main)
def cache_of_a_replaced_response(t, n):
    """A local response in the response phases is not what is cached, and the cache fills or not, but never with half a body."""
    for kind in ("sh local 403 no", "sb local 403 no"):
        for _ in range(2):
            equal(do(n, kind, f"/cached/sized/5000?{kind[1]}").status, 403)
        r = request(n.port, f"/cached/sized/5000?{kind[1]}")
        equal((r.status, len(r.body)), (200, 5000))


@case(main)
def range_of_a_cached_response(t, n):
    """A plugin that wants the body gets all of it; one that does not leaves ranges alone."""
    request(n.port, "/cached/sized/5000?range")
    r = request(n.port, "/cached/sized/5000?range", [("Range", "bytes=10-19")])
    equal((r.status, len(r.body), r.get("x-cache")), (200, 5000, "HIT"))
    r = request(n.port, "/cachednoop/sized/5000?range", [("Range", "bytes=10-19")])
    equal((r.status, r.body, r.get("x-cache")), (206, b"s" * 10, "MISS"))
    r = request(n.port, "/cachednoop/sized/5000?range", [("Range", "bytes=10-19")])
    equal((r.status, r.body, r.get("x-cache")), (206, b"s" * 10, "HIT"))


@each([("none", ""), ("headers", "sh add x-out 1"), ("request paused", "rh pause 30"), ("headers paused", "sh pause 30"), ("body held", "sb hold"),
       ("body paused", "sb pause 30"), ("body looked at", "sb log x")], main, log="slice")
def slices_stay_in_order(t, n, commands):
    for target in ("/slicednoop/numbers.txt", "/sliced/numbers.txt", "/sliced/numbers.txt", "/slicedraw/numbers.txt"):
        for headers in ((), [("Range", "bytes=500-2499")]):
            r = do(n, commands, target, headers)
            equal(r.status, 206 if headers else 200)
            equal(r.body, NUMBERS[500:2500] if headers else NUMBERS, f"{target} {headers}")
            assert r.complete


@case(main)
def satisfy_any(t, n):
    equal(do(n, "rh pause 20;rh add x-new 1", "/any").status, 200)
    equal(do(n, "rh local 402 x", "/any").status, 402)
    equal(do(n, "rh pause 20", "/anyauth").status, 401)
    equal(do(n, "rh add authorization Basic dTpw", "/anyauth").status, 200)
    equal(do(n, "rh pause 20;rh add authorization Basic dTpw", "/anyauth", body=b"x" * 100).status, 200)
    equal(do(n, "rb hold;rb append !", "/all", body=b"x").status, 401)
    equal(do(n, "rb hold;rb append !;rh add authorization Basic dTpw", "/all", body=b"x").status, 200)
    equal(t.up.last().body, b"x!")


@case(main, log="limiting requests")
def limit_req_delays_and_refuses(t, n):
    with Connection(n.port) as c:
        for i in range(3):
            c.send(message("POST", "/limited", [("x-do", "rh pause 10;rb hold;rb append !")], b"b"))
            r = c.read()
            equal(r.status, 200)
            equal(t.up.last().body, b"b!")
    equal(do(n, "sh add x-out 1", "/limited0").status, 200)
    r = do(n, "sh add x-out 1", "/limited0")
    equal(r.status, 503)


@case(main)
def error_pages_and_named_locations(t, n):
    for commands in ("", "sh pause 20", "sb hold;sb append !", "rh pause 20;rb hold", "sh pause 20;sb pause 20"):
        r = do(n, commands, "/intercepted")
        equal(r.status, 200)
        has(r.text, "GET /echo")
        r = do(n, commands, "/intercepted", body=b"b" * 50)
        equal(r.status, 200)
        r = do(n, commands, "/named")
        equal(r.status, 200)
        has(r.text, "/named")
        equal(do(n, commands, "/rewritten/x").status, 200)
        has(t.up.last().target, "/other/x")


@case(main)
def local_response_is_not_intercepted(t, n):
    r = do(n, "rh local 404 mine", "/intercepted")
    equal((r.status, r.text), (404, "mine"))
    r = do(n, "sh local 503 mine", "/echo")
    equal((r.status, r.text), (503, "mine"))


@case(main)
def filters_behind_us(t, n):
    r = do(n, "sb hold;sb append sss", "/sub/sized/3")
    equal(r.text.count("s"), 0)


@each([("none", "", ""), ("changed", "sb append !", "!"), ("held", "sb hold;sb append !", "!"), ("headers paused", "sh pause 20", ""), ("paused", "sb pause 20", "")], main)
def addition_behind_us(t, n, commands, end):
    r = do(n, commands, "/addition")
    equal(r.text, f"sss{end}ssss")


@case(main)
def large_headers(t, n):
    value = "v" * 30000
    r = do(n, "rh add x-new 1;sh add x-out 1", "/bigheaders/echo", [("x-large", value), ("x-large2", value)])
    equal(r.status, 200)
    equal(t.up.last().get("x-large"), value)
    t.up.script = (200, [("X-Big", "b" * 40000), ("Content-Length", "2")], b"ok")
    try:
        r = do(n, "sh add x-out 1;sh pause 10", "/bigheaders/")
        equal((r.status, len(r.get("x-big")), r.get("x-out")), (200, 40000, "1"))
    finally:
        t.up.script = None
    many = [(f"x-h{i}", str(i)) for i in range(900)]
    equal(do(n, "rh del x-h5;rh add x-new 1", "/bigheaders/echo", many).status, 200)
    equal((t.up.last().get("x-h5"), t.up.last().get("x-h899"), t.up.last().get("x-new")), (None, "899", "1"))


@each([("none", "", 200), ("body held", "rb hold;rb append !", 200), ("paused", "rh pause 50;rb pause 50", 200)], main)
def expect_100_continue(t, n, commands, status):
    for target in ("/echo", "/unbuffered"):
        for chunked in (False, True):
            with Connection(n.port) as c:
                body = b"e" * 500
                head = message("POST", target, [("x-do", commands), ("Expect", "100-continue"),
                                                ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "500")])
                c.send(head)
                equal(c.file.readline(), b"HTTP/1.1 100 Continue\r\n")
                c.file.readline()
                c.send(b"1f4\r\n" + body + b"\r\n0\r\n\r\n" if chunked else body)
                equal(c.read().status, status)
                equal(t.up.last().body, body + (b"!" if "append" in commands else b""))
                c.send(message("GET", "/echo/next"))
                equal(c.read().status, 200)


@case(main)
def expect_100_continue_refused(t, n):
    """The plugin answers before the body: a client that waits for 100 gets the answer, and the connection stays in step or closes."""
    for headers in ([("Content-Length", "500")], [("Transfer-Encoding", "chunked")]):
        with Connection(n.port, timeout=5) as c:
            c.send(message("POST", "/echo", [("x-do", "rh local 403 no"), ("Expect", "100-continue"), *headers]))
            r = c.read()
            equal((r.status, r.text), (403, "no"))


@each([("request headers", "rh local 403 no"), ("request body", "rb local 403 no"), ("response headers", "sh local 403 no"), ("response body", "sb local 403 no"),
       ("trap", "rh trap"), ("trap in the body", "rb trap")], main, log="trap")
def pipelined_after_a_local_response(t, n, commands):
    for first in (message("GET", "/echo", [("x-do", commands.replace("rb ", "rh "))]),
                  message("POST", "/echo", [("x-do", commands)], b"b" * 100),
                  message("POST", "/echo", [("x-do", commands)], b"b" * 100000),
                  message("POST", "/echo", [("x-do", commands)], chunks=[b"b" * 1000] * 3)):
        with Connection(n.port) as c:
            c.send(first + message("GET", "/sized/7") + message("GET", "/sized/8"))
            r = c.read()
            assert r.status in (403, 503), r
            if r.get("connection") == "close":
                equal(c.file.read(), b"")
                continue
            equal(c.read().body, b"s" * 7)
            equal(c.read().body, b"s" * 8)


@case(main)
def conditional_and_head(t, n):
    for target in ("/static/numbers.txt", "/sized/500"):
        for commands in ("", "sb append !", "sh pause 20", "sb hold;sb append !", "sh add x-out 1"):
            r = do(n, commands, target, method="HEAD")
            equal((r.status, r.body), (200, b""))
            equal(do(n, commands, target).status, 200)
    first = request(n.port, "/static/numbers.txt")
    for commands in ("", "sb hold;sb append !", "sh pause 20;sb pause 20", "sb pause 20"):
        for headers in ([("If-None-Match", first.get("etag"))], [("If-Modified-Since", first.get("last-modified"))]):
            r = do(n, commands, "/static/numbers.txt", headers)
            equal((r.status, r.body), (304, b""), commands)
        equal(do(n, commands, "/static/numbers.txt", [("If-Match", '"x"')]).status, 412)
        r = do(n, commands, "/static/numbers.txt", [("Range", "bytes=0-9")])
        assert (r.status, r.body) == (206, b"000000000\n") or (r.status == 200 and len(r.body) >= 3500), (commands, r)
        r = do(n, commands, "/static/numbers.txt", [("Range", "bytes=99999-")])
        assert r.status in (416, 200), (commands, r)


@case(main)
def head_of_a_changed_body_says_no_wrong_length(t, n):
    for target in ("/static/numbers.txt", "/sized/500"):
        r = do(n, "sb hold;sb append !", target, method="HEAD")
        whole = do(n, "sb hold;sb append !", target)
        assert r.get("content-length") in (None, str(len(whole.body))), f"{target}: HEAD says {r.get('content-length')}, GET has {len(whole.body)}"


# ---- large bodies: memory stays flat, whatever their size

MB = 1 << 20


def drain(port, target, *, body_size=0, chunked=False, headers=(), pause=0.0, read=65536):
    """Sends a body of that size, reads the response, both without keeping them: (status line, bytes of the response after the head)."""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        framing = [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", str(body_size))] if body_size else []
        s.sendall(message("POST" if body_size else "GET", target, [*headers, *framing, ("Connection", "close")]))
        piece, left = b"u" * MB, body_size
        while left > 0:
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            left -= len(piece)
        if chunked:
            s.sendall(b"0\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got and (data := s.recv(read)):
            got += data
        head, _, rest = got.partition(b"\r\n\r\n")
        count = len(rest)
        while data := s.recv(read):
            count += len(data)
            time.sleep(pause)
        return head.split(b"\r\n")[0].decode(), count


class Sink:
    """An upstream that counts a body and forgets it, or sends one that nobody holds in memory: /N bytes."""

    def __init__(self):
        self.listener, self.got = socket.create_server(("127.0.0.1", 0)), []
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            threading.Thread(target=self.talk, args=(self.listener.accept()[0],), daemon=True).start()

    def talk(self, s):
        with s, s.makefile("rb") as f:
            target, length, chunked = f.readline().split()[1].decode(), 0, False
            while line := f.readline().strip().lower():
                length = int(line.split(b":")[1]) if line.startswith(b"content-length") else length
                chunked |= line.startswith(b"transfer-encoding")
            count = 0
            if chunked:
                while size := int(f.readline(), 16):
                    count += size
                    while size > 0:
                        size -= len(f.read(min(size, MB)))
                    f.readline()
                f.readline()
            while count < length and (data := f.read(min(MB, length - count))):
                count += len(data)
            self.got.append(count)
            size = int(target.rpartition("/")[2])
            s.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
            piece = b"d" * MB
            try:
                while size > 0:
                    s.sendall(piece[:size])
                    size -= len(piece)
            except OSError:
                pass


@site
def large(t):
    sink = Sink()
    n = t.nginx("weir_plugin s {guests}/script.wasm;", """
      weir s; client_max_body_size 0; proxy_request_buffering on; root {dir}/www;
      location / { proxy_pass http://127.0.0.1:%d; }
      location /stream/ { proxy_request_buffering off; proxy_buffering off; proxy_pass http://127.0.0.1:%d; }
      location /files/ { }
    """ % (sink.port, sink.port))
    n.sink = sink
    n.file("www/files/large.bin", b"")
    with open(n.dir / "www/files/large.bin", "wb") as f:
        f.truncate(100 * MB)
    return n


def flat(n, run, limit_kb=12 * 1024):
    """The answer of run(); the worker's memory is watched meanwhile."""
    pid, peak, going = n.pids()[0], [0], [True]
    drain(n.port, "/1")
    before = rss_kb(pid)

    def watch():
        while going[0]:
            peak[0] = max(peak[0], rss_kb(pid))
            time.sleep(0.01)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = run()
    finally:
        going[0] = False
        watcher.join()
    assert peak[0] - before < limit_kb, f"the worker grew from {before} to {peak[0]} kB"
    return result


@each([("sized", "/1", False, ""), ("chunked", "/1", True, ""), ("sized unbuffered", "/stream/1", False, ""), ("chunked unbuffered", "/stream/1", True, ""),
       ("end changed", "/1", True, "rb append !"), ("end changed unbuffered", "/stream/1", True, "rb append !")], large)
def upload_200_mb(t, n, target, chunked, commands):
    status, _ = flat(n, lambda: drain(n.port, target, body_size=200 * MB, chunked=chunked, headers=[("x-do", commands)] if commands else []))
    has(status, "200")
    equal(n.sink.got[-1], 200 * MB + ("append" in commands))


@each([("buffered", "/1"), ("unbuffered", "/stream/1")], large)
def upload_200_mb_http2(t, n, target):
    path = n.dir / "upload"
    with open(path, "wb") as f:
        f.truncate(200 * MB)
    r = flat(n, lambda: h2(n.h2, target, method="POST", arguments=["-T", str(path)], timeout=60))
    equal(r.status, 200)
    equal(n.sink.got[-1], 200 * MB)


@each([("proxied", f"/{100 * MB}", "", 0), ("unbuffered", f"/stream/{100 * MB}", "", 0), ("file", "/files/large.bin", "", 0), ("end changed", f"/{100 * MB}", "sb append !", 0),
       ("slow client", f"/{20 * MB}", "", 0.002), ("slow client of a file", "/files/large.bin", "sb append !", 0.0005)], large)
def download(t, n, target, commands, pause):
    status, count = flat(n, lambda: drain(n.port, target, headers=[("x-do", commands)] if commands else [], pause=pause, read=262144))
    has(status, "200")
    want = 100 * MB if target.startswith("/files") else int(target.rpartition("/")[2])
    assert want <= count < want * 1.02 + 1000, count


@case(large)
def held_upload_over_the_limit(t, n):
    """A plugin that holds: 413 after a megabyte, however much the client sends."""
    with socket.create_connection(("127.0.0.1", n.port), 20) as s:
        s.sendall(message("POST", "/1", [("x-do", "rb hold"), ("Content-Length", str(50 * MB))]))
        try:
            for _ in range(50):
                s.sendall(b"u" * MB)
        except OSError:
            pass
        has(s.recv(4096).decode(), " 413 ")


# ---- modules that read or send bodies in their own way

@site
def ways(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm;", """
      weir s; client_max_body_size 0; client_body_buffer_size 8k;
      location / { proxy_pass http://up; }
      location /retry { proxy_pass http://broken; proxy_next_upstream error timeout non_idempotent; }
      location /dav/ { root {dir}/www; dav_methods PUT DELETE; }
      location /file { client_body_in_file_only clean; proxy_set_header X-File $request_body_file; proxy_pass http://up; }
      location /single { client_body_in_single_buffer on; client_body_buffer_size 1m; proxy_set_body "<$request_body>"; proxy_pass http://up; }
      location /accel { proxy_pass http://up; }
      location /inside/ { internal; root {dir}/www; }
      location /mirrored { mirror /mirror; proxy_pass http://up; }
      location = /mirror { internal; proxy_pass http://mirrors/m; }
      location /if { if ($arg_x) { set $y 1; } proxy_pass http://up; }
      location /except { limit_except GET { deny all; } proxy_pass http://up; }
    """, http="upstream broken { server 127.0.0.1:1; server {up}; } upstream mirrors { server {up}; }")
    n.file("www/inside/page.txt", "inside page")
    (n.dir / "www/dav").mkdir(parents=True)
    for path in (n.dir / "www", n.dir / "www/dav"):
        path.chmod(0o777)
    return n


BODY_PLUGINS = [("none", "", ""), ("changed at the end", "rb append !", "!"), ("held", "rb hold;rb append !", "!"), ("paused", "rb pause 30", ""), ("headers paused", "rh pause 30;rb append !", "!")]


@each(BODY_PLUGINS, ways, log="Connection refused|connect")
def retried_upstream_gets_the_body_again(t, n, commands, end):
    for size in (10, 5000, 300000):
        for chunked in (False, True):
            for _ in range(3):
                body = os.urandom(size // 2).hex().encode()
                r = do(n, commands, "/retry", body=b"" if chunked else body, chunks=[body] if chunked else None)
                equal(r.status, 200)
                assert t.up.last().body == body + end.encode(), f"{size} {chunked}: {len(t.up.last().body)} bytes"


@each(BODY_PLUGINS, ways)
def dav_put(t, n, commands, end):
    for i, size in enumerate((10, 5000, 300000)):
        body = b"p" * size
        for chunked in (False, True):
            r = do(n, commands, f"/dav/{i}.txt", method="PUT", body=b"" if chunked else body, chunks=[body] if chunked else None)
            assert r.status in (201, 204), r
            equal((n.dir / f"www/dav/{i}.txt").read_bytes(), body + end.encode())
    equal(do(n, commands, "/dav/0.txt", method="DELETE").status, 204)


@each(BODY_PLUGINS, ways)
def body_in_a_file_only(t, n, commands, end):
    for size in (10, 5000, 300000):
        r = do(n, commands, "/file", body=b"p" * size)
        equal(r.status, 200)
        equal(t.up.last().body, b"p" * size + end.encode())
        has(t.up.last().get("x-file") or "", "client_body")


@each(BODY_PLUGINS, ways)
def body_as_a_variable(t, n, commands, end):
    for size in (10, 5000, 100000):
        equal(do(n, commands, "/single", body=b"p" * size).status, 200)
        equal(t.up.last().body, b"<" + b"p" * size + end.encode() + b">")


@each(BODY_PLUGINS, ways)
def mirrored_body(t, n, commands, end):
    equal(do(n, commands, "/mirrored", body=b"p" * 5000).status, 200)
    wait_for(lambda: {r.target: r.body for r in t.up.requests[-2:]} == {"/m": b"p" * 5000 + end.encode(), "/mirrored": b"p" * 5000 + end.encode()}, 3,
             lambda: [(r.target, len(r.body)) for r in t.up.requests[-2:]])


@each([("none", ""), ("headers", "sh add x-out 1"), ("held", "sb hold;sb append !"), ("paused", "sh pause 30;sb pause 30"), ("body", "rb hold;sb append !")], ways)
def x_accel_redirect(t, n, commands):
    t.up.script = (200, [("X-Accel-Redirect", "/inside/page.txt"), ("Content-Length", "2")], b"no")
    try:
        for body in (b"", b"b" * 1000):
            r = do(n, commands, "/accel", body=body, method="GET")
            equal((r.status, r.text), (200, "inside page" + ("!" if "append" in commands else "")))
    finally:
        t.up.script = None


@case(ways)
def blocks_inside_of_locations_inherit(t, n):
    equal(do(n, "sh add x-out 1", "/if?x=1").get("x-out"), "1")
    equal(do(n, "sh add x-out 1", "/except").get("x-out"), "1")
    equal(do(n, "rb hold", "/except", body=b"x").status, 403)


@case(ways)
def http09(t, n):
    with Connection(n.port) as c:
        c.send(b"GET /sized/10\r\n")
        equal(c.file.read(), b"s" * 10)


@each([("headers paused", "sh pause 400"), ("and end changed", "sh pause 200;sb append !")], large)
def large_download_that_waits(t, n, commands):
    """More than nginx's buffers: the rest is in its temporary file, or still at the upstream."""
    for target in (f"/{20 * MB}", f"/stream/{20 * MB}", "/files/large.bin"):
        status, count = flat(n, lambda: drain(n.port, target, headers=[("x-do", commands)], read=262144))
        has(status, "200")
        assert count >= (100 if "files" in target else 20) * MB, count
