"""Large bodies past plugins: worker memory stays flat, whoever is slow, and whether or not the plugin changes what it sees."""
import os
import socket
import time

from big import BLOCK, CountingUpstream, Growth, download, upload
from cases import case, each, equal, site
from client import Connection, h2, message
from harness import wait_for

MB = 1 << 20
SIZE = int(os.environ.get("WEIR_BIG_MB", "64")) * MB  # of each body
FLAT_KB = 6 * 1024  # more than a few buffers, less than a tenth of the least of the bodies


@site
def main(t):
    counting = CountingUpstream()
    n = t.nginx("weir_plugin s {guests}/script.wasm timeout=5s; weir_plugin free {guests}/script.wasm timeout=5s on_buffer_full=release;", """
      weir s; client_max_body_size 0; proxy_pass http://127.0.0.1:%d;
      location / { proxy_pass http://127.0.0.1:%d; }
      location /stream { proxy_request_buffering off; proxy_pass http://127.0.0.1:%d; }
      location /release { weir free; proxy_request_buffering off; proxy_pass http://127.0.0.1:%d; }
      location /unbuffered/ { proxy_buffering off; proxy_pass http://127.0.0.1:%d/; }
      location /nofile/ { proxy_max_temp_file_size 0; proxy_pass http://127.0.0.1:%d/; }
      location /zip/ { gzip on; gzip_types *; proxy_pass http://127.0.0.1:%d/; }
      location /files/ { alias {dir}/www/; }
      location /sendfile/ { sendfile on; alias {dir}/www/; }
      location /threads/ { aio threads; directio 1m; alias {dir}/www/; }
      location /before/ { add_before_body /part; addition_types *; proxy_pass http://127.0.0.1:%d/; }
      location /after/ { add_after_body /part; addition_types *; proxy_pass http://127.0.0.1:%d/; }
      location /around/ { add_before_body /part; add_after_body /part; addition_types *; proxy_pass http://127.0.0.1:%d/; }
      location /part { limit_rate 200k; alias {dir}/www/part.txt; }
      location /limited/ { limit_rate 400m; proxy_pass http://127.0.0.1:%d/; }
    """.replace("weir s; client_max_body_size 0; proxy_pass http://127.0.0.1:%d;", "weir s; client_max_body_size 0;") % ((counting.port,) * 10))
    n.counting = counting
    n.file("www/big.txt", BLOCK * (SIZE // len(BLOCK)))
    n.file("www/part.txt", b"x" * 70000)
    n.start()
    with Connection(n.port) as c:  # warm: what is allocated once
        for target, commands in (("/", ""), ("/stream", "rb shout")):
            upload(c, target, MB, [("x-do", commands)])
        download(c, f"/{MB}", [("x-do", "sb shout")])
    return n


def worker(n):
    pid, = n.pids()
    return pid


LOOKS = [("looks on", ""), ("changes each chunk", "rb shout"), ("changes the end", "rb append !")]


@each([(f"{how} {where} {frame}", target, frame == "chunked", commands) for how, commands in LOOKS
       for where, target in (("buffered", "/"), ("streamed", "/stream")) for frame in ("sized", "chunked")], main)
def upload_past_a_plugin(t, n, target, chunked, commands):
    growth = Growth(worker(n))
    with Connection(n.port, timeout=120) as c:
        r = upload(c, target, SIZE, [("x-do", commands)], chunked=chunked)
    wanted = SIZE + ("append" in commands)
    equal(r.text, f"{wanted} {'chunked' if target == '/stream' else 'sized'}")
    assert (grew := growth.kb()) < FLAT_KB, f"grew by {grew} kB"


@each([("looks on", ""), ("changes each chunk", "rb shout")], main)
def upload_to_a_slow_upstream(t, n, commands):
    """20 MB at 20 MB/s to an upstream that is connected meanwhile: what is not taken is not read."""
    growth = Growth(worker(n))
    n.counting.pace = 20 * MB
    try:
        with Connection(n.port, timeout=60) as c:
            equal(upload(c, "/stream", 20 * MB, [("x-do", commands)]).text, f"{20 * MB} chunked")
    finally:
        n.counting.pace = 0
    assert (grew := growth.kb()) < FLAT_KB, f"grew by {grew} kB"


@each([("looks on", "", 0), ("changes each chunk", "rb shout", 0), ("slow, looks on", "", 20), ("slow, changes each chunk", "rb shout", 20), ("slow, grows at the end", "rb append !", 20)], main)
def upload_over_http2(t, n, commands, pace):
    size = 20 * MB if pace else SIZE
    n.file("upload", BLOCK * (size // len(BLOCK)))
    size = size // len(BLOCK) * len(BLOCK)
    growth = Growth(worker(n))
    n.counting.pace = pace * MB
    try:
        for target in ("/stream", "/") if not pace else ("/stream",):
            r = h2(n.h2, target, {"x-do": commands}, method="POST", arguments=("--data-binary", f"@{n.dir}/upload"), timeout=60)
            equal(r.text, f"{size + ('append' in commands)} {'chunked' if target == '/stream' else 'sized'}")
    finally:
        n.counting.pace = 0
    assert (grew := growth.kb()) < FLAT_KB, f"grew by {grew} kB"


@case(main)
def upload_byte_by_byte(t, n):
    """Each byte is an event of its own, in a request that is streamed, and in one that is read whole."""
    for target, frame in (("/stream", "chunked"), ("/", "sized")):
        for chunked in (False, True):
            with Connection(n.port) as c:
                c.send(message("POST", target, [("x-do", "rb shout;rb append !"), ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "40")]))
                for _ in range(40):
                    c.send(b"1\r\na\r\n" if chunked else b"a")
                    time.sleep(0.002)
                c.send(b"0\r\n\r\n" if chunked else b"")
                equal(c.read().text, f"41 {frame}")


@each([("before", "/before/"), ("after", "/after/"), ("both", "/around/")], main)
def a_subrequest_is_in_the_way(t, n, target):
    """The changed body cannot leave while the part before it is not there yet: it waits, and all of it comes in order."""
    with Connection(n.port) as c:
        for _ in range(2):
            c.send(message("GET", f"{target}{2 * MB}", [("x-do", "sb shout")]))
            r = c.read()
            wanted = (b"x" * 70000 if target != "/after/" else b"") + (BLOCK * 33)[:2 * MB].upper() + (b"x" * 70000 if target != "/before/" else b"")
            assert r.complete and r.body == wanted, (r.complete, len(r.body), len(wanted))


@case(main)
def held_bytes_are_released_and_the_rest_streams(t, n):
    growth = Growth(worker(n))
    with Connection(n.port, timeout=120) as c:
        equal(upload(c, "/release", SIZE, [("x-do", "rb hold")]).text, f"{SIZE} chunked")
    assert (grew := growth.kb()) < FLAT_KB + 4096, f"grew by {grew} kB"


@case(main)
def the_first_bytes_reach_a_connected_upstream_before_the_last_were_sent(t, n):
    with Connection(n.port) as c:
        c.send(message("POST", "/stream", [("x-do", "rb shout"), ("Content-Length", str(2 * MB))]))
        n.counting.got = 0
        c.send(b"a" * MB)
        wait_for(lambda: n.counting.got == MB, 5, lambda: f"the upstream has {n.counting.got}")
        c.send(b"b" * MB)
        equal(c.read().text, f"{2 * MB} chunked")


PLACES = [("sized", "/%d"), ("chunked", "/chunked/%d"), ("unbuffered", "/unbuffered/%d"), ("no temporary file", "/nofile/%d"), ("file", "/files/big.txt"), ("sendfile", "/sendfile/big.txt"),
          ("aio threads, directio", "/threads/big.txt"), ("limit_rate", "/limited/%d")]


@each([(f"{place} {how}", target, commands) for place, target in PLACES for how, commands in (("looks on", ""), ("changes each chunk", "sb shout"))], main)
def download_past_a_plugin(t, n, target, commands):
    size = SIZE // len(BLOCK) * len(BLOCK)
    growth = Growth(worker(n))
    with Connection(n.port, timeout=120) as c:
        equal(download(c, target.replace("%d", str(size)), [("x-do", commands)]), (size, True))
        c.send(message("GET", "/1", [("x-do", commands)]))  # the connection is still in step
        equal(len(c.read().body), 1)
    assert (grew := growth.kb()) < FLAT_KB, f"grew by {grew} kB"


@each([(f"{place} {how}", target, commands) for place, target in PLACES[:-1] for how, commands in (("looks on", ""), ("changes each chunk", "sb shout"), ("grows", "sb hold;sb append !"))
       if how != "grows" or place == "sized"], main)
def download_by_a_client_that_stops_reading(t, n, target, commands):
    """It takes 1 MB, waits, and leaves: nothing of the rest may pile up in the worker."""
    if "append" in commands:
        return slow_held(n)
    size = SIZE // len(BLOCK) * len(BLOCK)
    growth = Growth(worker(n))
    c = Connection(n.port, timeout=60)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    got, whole = download(c, target.replace("%d", str(size)), [("x-do", commands)], stop_at=MB)
    assert not whole and got >= MB
    time.sleep(0.25)
    grew = growth.kb()
    c.reset()
    assert grew < FLAT_KB, f"grew by {grew} kB"


def slow_held(n):
    with Connection(n.port) as c:
        equal(download(c, "/900000", [("x-do", "sb hold;sb append !")], pace=5 * MB), (900001, True))


@case(main)
def compressed_behind_a_plugin_for_a_slow_client(t, n):
    growth = Growth(worker(n))
    with Connection(n.port, timeout=60) as c:
        download(c, f"/zip/{SIZE}", [("x-do", "sb shout"), ("Accept-Encoding", "gzip")])
    assert (grew := growth.kb()) < FLAT_KB, f"grew by {grew} kB"
