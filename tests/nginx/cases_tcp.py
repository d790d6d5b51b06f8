"""TCP plugins in stream{}: order, data changed, pause and resume both ways, who closes, TLS, failures, limits, reload."""
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import select
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from cases import Skip, case, each, equal, has, site
from harness import Settings, certificate, free_port, plugin, wait_for
from tcp import Backend, Client, client_tls, nginx, server_tls

BACKEND = None


def do(name, commands, options="", config="trace"):
    return f"weir_plugin {name} {{guests}}/tcp.wasm 'config_inline=do {commands}\n{config}' {options};\n"


PLUGINS = (
    do("tap", "")
    + do("edit", "dd append !;ud prepend <;ud append >")
    + do("upper", "ud upper")
    + do("lines", "dd line;ud line")
    + do("slow", "dd pause 100")
    + do("slowup", "ud pause 100")
    + do("slownew", "nc pause 100")
    + do("forever", "dd stop")
    + do("foreverup", "ud stop")
    + do("never", "nc stop;dd stop")
    + do("first", "nc stop;dd line;dd if BAD;dd close", "header_pause=headers_only")
    + do("deny", "nc close")
    + do("guard", "dd if DROP;dd close;dd stop")
    + do("bye", "ud if QUIT;ud append  goodbye;ud close")
    + do("later", "nc closelater 100")
    + do("trapopen", "dd if TRAP;dd trap", "on_error=open")
    + do("trap", "dd if TRAP;dd trap")
    + do("loop", "dd if LOOP;dd loop", "timeout=20ms")
    + do("trapnew", "nc trap")
    + do("trapnewopen", "nc trap", "on_error=open")
    + do("release", "dd stop", "on_buffer_full=release")
    + do("props", "nc prop source.address;nc prop source.port;nc prop destination.port;nc prop connection.requested_server_name;nc prop connection.tls_version;"
         "nc prop connection.mtls;nc prop connection.subject_peer_certificate;nc prop connection.subject_local_certificate;nc prop upstream.address;"
         "nc prop request.path;nc prop ngx.protocol;nc setprop my.user ann;ud prop upstream.address;ud prop upstream.port;ud prop upstream.tls_version;"
         "done prop upstream.address;done prop upstream.local_address;log prop my.user")
    + do("custom", "nc prop my.user;nc setprop ngx.mine 7;nc prop ngx.mine;nc setprop ngx.protocol UDP")
    + do("pending", "done pending")
)


def server(port, weir, to="proxy_pass %B;", listen=""):
    return f"server {{ listen 127.0.0.1:@{port} {listen}; weir {weir}; {to} }}\n"


@site
def main(t):
    backend = Backend()
    names = re.findall(r"weir_plugin (\w+) ", PLUGINS)
    servers = "".join(server(name, name) for name in names)
    servers += server("chain", "edit upper") + server("off", "off") + server("half", "tap", "proxy_pass %B; proxy_half_close on;")
    servers += server("halfslow", "slowup", "proxy_pass %B; proxy_half_close on;")
    servers += server("answer", "edit slowup", 'return "from nginx";') + server("refused", "tap", "proxy_pass 127.0.0.1:1;")
    servers += server("full", "forever", "weir_max_data 20k; proxy_pass %B; proxy_buffer_size 4k;")
    servers += server("fullresumed", "slow", "weir_max_data 20k; proxy_pass %B;")
    servers += server("released", "release", "weir_max_data 1k; proxy_pass %B;")
    servers += server("variables", "props custom")
    n = nginx(t, "map $remote_port $mine { volatile; default x; } " + PLUGINS, servers, backend)
    n.backend = backend
    return n


def traces(n, name):
    return re.findall(rf"\[{name}\] trace (.*?)(?:, client|$| while)", n.new_log(), re.M)


@case(main)
def tcp_passes_both_ways(t, n):
    with Client(n.tcp["tap"]) as c:
        equal(c.send(b"hello").read(5), b"hello")
    n.wait_log("trace delete")
    equal(traces(n, "tap"), ["nc", "dd size=5 end=0", "ud size=5 end=0", "dd size=0 end=1", "dc peer=2", "uc peer=1", "done", "log", "delete"])


@case(main)
def tcp_changes_data(t, n):
    with Client(n.tcp["edit"]) as c:
        equal(c.send(b"hello").read(8), b"<hello!>")
        equal(c.send(b"again").read(8), b"<again!>")


@case(main)
def tcp_chain_runs_in_order_and_in_reverse(t, n):
    with Client(n.tcp["chain"]) as c:
        equal(c.send(b"hello").read(8), b"<HELLO!>")


@case(main)
def tcp_off(t, n):
    with Client(n.tcp["off"]) as c:
        equal(c.send(b"hello").read(5), b"hello")


@case(main)
def tcp_lines_are_held_until_they_are_whole(t, n):
    with Client(n.tcp["lines"]) as c:
        c.send(b"one")
        assert c.quiet()
        equal(c.send(b" line\n").read(9), b"one line\n")
        has(n.new_log(), "dd size=9 end=0")


@each([("client data", "slow"), ("upstream data", "slowup"), ("new connection", "slownew")], main)
def tcp_pause_resumed_by_a_tick(t, n, name):
    start = time.monotonic()
    with Client(n.tcp[name]) as c:
        equal(c.send(b"hello").read(5), b"hello")
        assert 0.09 < time.monotonic() - start < 2
        equal(c.send(b"second").read(6), b"second")


@case(main)
def tcp_many_pauses_at_once(t, n):
    results = []

    def one(i):
        with Client(n.tcp[("slow", "slowup", "slownew")[i % 3]]) as c:
            data = b"%d" % i * 1000
            results.append(c.send(data).read(len(data)) == data)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(90)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    equal(results, [True] * 90)


@case(main)
def tcp_first_bytes_decide_before_anything_is_connected(t, n):
    count = len(n.backend.seen)
    with Client(n.tcp["first"]) as c:
        c.send(b"GOOD")
        time.sleep(0.1)
        equal(len(n.backend.seen), count)
        equal(c.send(b" day\n").read(9), b"GOOD day\n")
        equal(c.send(b"more\n").read(5), b"more\n")
    equal(len(n.backend.seen), count + 1)
    with Client(n.tcp["first"]) as c:
        equal(c.send(b"BAD day\n").rest(), b"")
    equal(len(n.backend.seen), count + 1)


@case(main)
def tcp_new_connection_denied(t, n):
    count = len(n.backend.seen)
    with Client(n.tcp["deny"]) as c:
        equal(c.rest(), b"")
    n.wait_log("trace delete")
    equal(len(n.backend.seen), count)
    equal(traces(n, "deny"), ["nc", "dc peer=1", "done", "log", "delete"])


@case(main)
def tcp_plugin_closes_and_drops(t, n):
    with Client(n.tcp["guard"]) as c:
        equal(c.send(b"fine").read(4), b"fine")
        equal(c.send(b"DROP").rest(), b"")
    n.wait_log("trace delete")
    equal(n.backend.seen[-1], b"fine")
    has(n.new_log(), "dc peer=1")
    has(n.new_log(), "uc peer=1")


@case(main)
def tcp_plugin_closes_behind_its_last_words(t, n):
    with Client(n.tcp["bye"]) as c:
        equal(c.send(b"QUIT").rest(), b"QUIT goodbye")


@case(main)
def tcp_plugin_closes_by_a_tick(t, n):
    start = time.monotonic()
    with Client(n.tcp["later"]) as c:
        equal(c.send(b"hello").read(5), b"hello")
        equal(c.rest(), b"")
    assert time.monotonic() - start < 3


@case(main)
def tcp_half_close(t, n):
    """The client ends its side and still gets the answer, also a held one."""
    for name in ("half", "halfslow"):
        with Client(n.tcp[name]) as c:
            equal(c.send(b"question").end().rest(), b"question")
    n.wait_log("trace delete")
    has(n.new_log(), "ud size=0 end=1")


@case(main)
def tcp_upstream_closes_while_its_last_bytes_are_held(t, n):
    def serve(connection):
        connection.sendall(b"last words")
    n.backend.serve = serve
    try:
        with Client(n.tcp["slowup"]) as c:
            equal(c.rest(), b"last words")
        n.wait_log("trace delete")
        has(n.new_log(), "uc peer=2")
        has(n.new_log(), "dc peer=1")
    finally:
        n.backend.serve = n.backend.echo


@each([("new connection", "never", b""), ("new connection with data", "never", b"hello"), ("client data", "forever", b"hello"),
       ("upstream data", "foreverup", b"hello"), ("resumed later", "slow", b"hello")], main)
def tcp_client_leaves_during_a_pause(t, n, name, data):
    n.mark()
    c = Client(n.tcp[name])
    c.send(data)
    n.wait_log("trace nc" if name == "never" else "trace (ud|dd)")
    c.reset()
    n.wait_log("trace delete")
    if not data:  # and the polite way
        n.mark()
        c = Client(n.tcp[name])
        n.wait_log("trace nc")
        c.socket.close()
        n.wait_log("trace delete")


@case(main)
def tcp_upstream_leaves_during_a_pause(t, n):
    """Of client data: what was held cannot be delivered."""
    gone = threading.Event()

    def serve(connection):
        connection.sendall(b"hi")
        gone.wait(5)
    n.backend.serve = serve
    try:
        with Client(n.tcp["forever"]) as c:
            c.send(b"hello")
            n.wait_log("trace dd")
            equal(c.read(2), b"hi")
            gone.set()
            equal(c.rest(), b"")
        n.wait_log("trace delete")
        has(n.new_log(), "uc peer=2")
    finally:
        n.backend.serve = n.backend.echo


@case(main)
def tcp_upstream_refuses(t, n):
    with Client(n.tcp["refused"]) as c:
        equal(c.send(b"hello").rest(), b"")
    n.wait_log("trace delete")
    assert "uc peer" not in n.new_log()


@case(main)
def tcp_return_is_seen_as_upstream_data(t, n):
    with Client(n.tcp["answer"]) as c:
        equal(c.rest(), b"<from nginx>")


@case(main)
def tcp_back_pressure(t, n):
    """A plugin that never resumes: nginx stops reading, and its memory stays what it was."""
    with Client(n.tcp["full"]) as c:
        c.socket.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                sent += c.socket.send(b"x" * 65536)
        assert sent < 32 << 20, sent
        n.wait_log("holds as much as it may: no more is read")
        held = [int(x) for x in re.findall(r"dd size=(\d+)", n.new_log())]
        assert 20480 <= max(held) < 20480 + 16384, max(held)


@case(main)
def tcp_back_pressure_ends_with_the_pause(t, n):
    data = os.urandom(3_000_000)
    with Client(n.tcp["fullresumed"]) as c:
        threading.Thread(target=lambda: c.send(data), daemon=True).start()
        equal(hashlib.sha256(c.read(len(data))).digest(), hashlib.sha256(data).digest())


@case(main)
def tcp_release(t, n):
    with Client(n.tcp["released"]) as c:
        c.send(b"a" * 500)
        assert c.quiet()
        equal(c.send(b"b" * 524).read(1024), b"a" * 500 + b"b" * 524)
        equal(c.send(b"more").read(4), b"more")
    has(n.new_log(), "held as much as it may: it goes on")


@each([("trap", "trap", b"TRAP", "unreachable"), ("deadline", "loop", b"LOOP", "20 ms")], main)
def tcp_failure_closes(t, n, name, data, what):
    with Client(n.tcp[name]) as other, Client(n.tcp[name]) as c:
        equal(other.send(b"fine").read(4), b"fine")
        equal(c.send(data).rest(), b"")
        has(n.new_log(), what)
        has(n.new_log(), "failed: the connection is closed")
        equal(other.rest(), b"")  # its instance is gone too
    with Client(n.tcp[name]) as c:
        equal(c.send(b"again").read(5), b"again")


@case(main)
def tcp_failure_goes_on(t, n):
    with Client(n.tcp["trapopen"]) as c:
        equal(c.send(b"TRAP").read(4), b"TRAP")
        equal(c.send(b"more").read(4), b"more")
    with Client(n.tcp["trapnewopen"]) as c:
        equal(c.send(b"hello").read(5), b"hello")
    with Client(n.tcp["trapnew"]) as c:
        equal(c.rest(), b"")


@case(main)
def tcp_properties(t, n):
    with Client(n.tcp["variables"]) as c:
        mine = c.socket.getsockname()
        equal(c.send(b"hello").read(5), b"hello")
    n.wait_log("trace delete")
    log = n.new_log()
    has(log, f"prop source.address=0:127.0.0.1:{mine[1]}")
    has(log, f"prop source.port=0:{mine[1].to_bytes(8, 'little').hex()}")
    has(log, "prop connection.mtls=0:00")
    has(log, "prop connection.tls_version=1:")
    has(log, "prop request.path=1:")
    has(log, "prop ngx.protocol=0:TCP")
    has(log, f"prop upstream.address=0:127.0.0.1:{n.backend.port}")
    equal(len(re.findall(r"prop upstream.address=1:", log)), 1)  # not before the upstream is there
    equal(len(re.findall(r"prop upstream.address=0:", log)), 2)
    has(log, "prop upstream.local_address=0:127.0.0.1:")
    has(log, "[custom] prop my.user=0:ann")
    has(log, "[props] prop my.user=0:ann")


@case(main)
def tcp_done_may_wait(t, n):
    with Client(n.tcp["pending"]) as c:
        equal(c.send(b"hello").read(5), b"hello")
    n.wait_log("trace delete")


def flat(n, run):
    """Bytes by which the worker grew while `run` did its work."""
    def rss():
        return int(pathlib.Path(f"/proc/{n.pids()[0]}/statm").read_text().split()[1]) * 4096
    run(1)
    before = rss()
    run(100)
    return rss() - before


@each([("untouched", "tap"), ("changed", "upper"), ("line by line", "lines")], main)
def tcp_large_streams_cost_no_memory(t, n, name):
    block = bytes(range(32, 92)) * 17 + b"\n\n\n\n"  # 1024, no small letters

    def run(megabytes):
        with Client(n.tcp[name]) as c:
            def send():
                for _ in range(megabytes * 4):
                    c.send(block * 256)
            threading.Thread(target=send, daemon=True).start()
            sizes, got = 0, hashlib.sha256()
            while sizes < megabytes << 20:
                chunk = c.socket.recv(1 << 20)
                assert chunk, sizes
                sizes += len(chunk)
                got.update(chunk)
            wanted = hashlib.sha256()
            for _ in range(megabytes):
                wanted.update(block * 1024)
            equal(got.hexdigest(), wanted.hexdigest())
    n.backend.serve = lambda connection: [connection.sendall(x) for x in iter(lambda: connection.recv(1 << 20), b"")]
    try:
        grown = flat(n, run)
        assert Settings.preload or grown < 4 << 20, grown  # a sanitizer keeps freed memory for a while
    finally:
        n.backend.serve = n.backend.echo


# ---- TLS

@site
def encrypted(t):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-tls-"))
    backend = Backend(tls=server_tls(folder))
    plain = Backend()
    certs = "ssl_certificate {cert}; ssl_certificate_key {key};"
    to_plain = f"proxy_pass 127.0.0.1:{plain.port};"
    servers = server("terminated", "edit props", f"{certs} {to_plain}", "ssl")
    servers += server("mtls", "props", f"{certs} ssl_client_certificate {{cert}}; ssl_verify_client on; {to_plain}", "ssl")
    servers += server("outward", "edit props", "proxy_pass %B; proxy_ssl on;")
    servers += server("both", "edit slowup slownew", f"{certs} proxy_pass %B; proxy_ssl on;", "ssl")
    servers += server("passed", "props", "ssl_preread on; proxy_pass %B;")
    servers += server("denied", "sni", "ssl_preread on; proxy_pass %B;")
    servers += server("early", "first", f"{certs} {to_plain}", "ssl")
    n = nginx(t, PLUGINS + do("sni", "nc prop connection.requested_server_name;nc close"), servers, backend)
    n.backend, n.plain, n.folder = backend, plain, folder
    return n


@case(encrypted)
def tcp_tls_terminated(t, n):
    with Client(n.tcp["terminated"], client_tls()) as c:
        equal(c.send(b"hello").read(8), b"<hello!>")
    n.wait_log("trace delete")
    has(n.new_log(), "prop connection.tls_version=0:TLSv1.")
    has(n.new_log(), "prop connection.requested_server_name=0:weir.test")
    has(n.new_log(), "prop connection.subject_local_certificate=0:CN=weir.test")
    equal(n.plain.seen[-1][:6], b"hello!")


@case(encrypted)
def tcp_tls_client_certificate(t, n):
    with Client(n.tcp["mtls"], client_tls(certificate(n.dir))) as c:
        equal(c.send(b"hello").read(5), b"hello")
    n.wait_log("prop connection.mtls=0:01")
    has(n.new_log(), "prop connection.subject_peer_certificate=0:CN=weir.test")


@case(encrypted)
def tcp_tls_to_the_upstream(t, n):
    with Client(n.tcp["outward"]) as c:
        equal(c.send(b"hello").read(8), b"<hello!>")
    n.wait_log("prop upstream.tls_version=0:TLSv1.")


@case(encrypted)
def tcp_tls_both_ways_with_pauses(t, n):
    data = os.urandom(200_000)
    left, got = memoryview(data), b""
    with Client(n.tcp["both"], client_tls()) as c:  # in one thread: Python's TLS sockets are not for two
        c.socket.setblocking(False)
        while len(got) < len(data):
            select.select([c.socket], [c.socket] if left else [], [], 0.05)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if left:
                    left = left[c.socket.send(left[:65536]):]
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                chunk = c.socket.recv(65536)
                if not chunk:
                    break
                got += chunk
    assert got[:1] == b"<" and len(got) >= len(data), len(got)


@case(encrypted)
def tcp_tls_passes_through(t, n):
    with Client(n.tcp["passed"], client_tls(), name="chosen.test") as c:
        equal(c.send(b"hello").read(5), b"hello")
    n.wait_log("prop connection.requested_server_name=0:chosen.test")
    has(n.new_log(), "prop connection.tls_version=1:")
    with contextlib.suppress(OSError):
        Client(n.tcp["denied"], client_tls(), name="bad.test")
    n.wait_log(r"\[sni\] prop connection.requested_server_name=0:bad.test")


@case(encrypted)
def tcp_tls_first_bytes_decide(t, n):
    with Client(n.tcp["early"], client_tls()) as c:
        c.send(b"GOOD")
        time.sleep(0.05)
        equal(c.send(b" day\n").read(9), b"GOOD day\n")


# ---- a real server behind a plugin

REDIS = (do("log", "dd if GET;dd data") + do("guard", "dd if FLUSHALL;dd close;dd stop"))


class Redis:
    def __init__(self):
        binary = shutil.which("redis-server")
        if not binary:
            raise AssertionError("no redis-server: apt-get install redis-server")
        self.port, self.dir = free_port(), tempfile.mkdtemp(prefix="weir-redis-")
        self.process = subprocess.Popen([binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.dir],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.ask(self.port, "PING") == "PONG", 10, "redis answers")

    @staticmethod
    def ask(port, *words, stdin=None, timeout=20):
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(port), *words], input=stdin, capture_output=True, text=True, timeout=timeout)
        return done.stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)


@case()
def tcp_redis(t):
    """Commands and answers of a real Redis through two plugins: read, changed, paused, refused; and its own benchmark."""
    redis = Redis()
    try:
        n = nginx(t, REDIS + do("slow", "dd pause 50"), server("db", "log guard") + server("slow", "slow log guard"), redis, workers=2)
        n.start()
        port = n.tcp["db"]
        equal(redis.ask(port, "SET", "name", "weir"), "OK")
        equal(redis.ask(port, "GET", "name"), "weir")
        n.wait_log(r"\[log\] data dd")
        equal(redis.ask(n.tcp["slow"], "GET", "name"), "weir")
        equal(redis.ask(port, "INCR", "hits"), "1")
        big = "v" * 2_000_000
        equal(redis.ask(port, "-x", "SET", "big", stdin=big), "OK")
        equal(len(redis.ask(port, "GET", "big")), 2_000_000)
        assert redis.ask(port, "FLUSHALL") != "OK"
        equal(redis.ask(redis.port, "GET", "name"), "weir")  # it is still there
        bench = subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-n", "20000", "-c", "20", "-P", "8", "-t", "set,get", "-q"],
                               capture_output=True, text=True, timeout=60)
        equal(bench.returncode, 0)
        equal(bench.stdout.count("requests per second"), 2)
    finally:
        redis.stop()


@case()
def tcp_redis_behind_a_filter_of_the_rust_sdk(t):
    """Commands cut into single bytes, values larger than may be held, several commands at once; a denied one closes."""
    wasm = plugin("rust-redisguard.wasm")
    if not wasm:
        raise Skip("no rust-redisguard.wasm: plugins/build.sh rust")
    redis = Redis()
    try:
        n = nginx(t, f"weir_plugin guard {wasm} 'config_inline=flushall CONFIG';", server("db", "guard", "weir_max_data 64k; proxy_pass %B;"), redis)
        n.start()
        port = n.tcp["db"]
        equal(redis.ask(port, "SET", "name", "weir"), "OK")
        with Client(port) as c:
            for byte in b"*2\r\n$3\r\nGET\r\n$4\r\nname\r\nGET name\r\n":
                c.send(bytes([byte]))
                time.sleep(0.002)
            equal(c.read(20), b"$4\r\nweir\r\n" * 2)
            equal(c.send(b"INCR a\r\nINCR a\r\n").read(8), b":1\r\n:2\r\n")
            equal(c.send(b"FLUSHALL\r\nINCR a\r\n").rest(), b"")
        n.wait_log("FLUSHALL is denied after 4 commands")
        n.wait_log("4 commands, closed by the proxy")
        equal(redis.ask(port, "-x", "SET", "big", stdin="v" * 2_000_000), "OK")
        equal(len(redis.ask(port, "GET", "big")), 2_000_000)
        equal(redis.ask(redis.port, "GET", "a"), "2")
        assert redis.ask(port, "CONFIG", "GET", "port") == ""
    finally:
        redis.stop()


@case()
def tcp_weir_run(t):
    """`weir run --to tcp://…` makes the same of one command line."""
    if not Settings.weir.exists():
        raise Skip("no build/bin/weir")
    backend, port = Backend(), free_port()
    n = nginx(t, "", server("a", "off"), backend)  # for its folder
    command = [Settings.weir, "run", "--plugin", Settings.guests / "tcp.wasm", "--config-inline", "do dd append !;ud prepend <", "--listen", f"127.0.0.1:{port}",
               "--to", f"tcp://127.0.0.1:{backend.port}"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**n.environment, "XDG_RUNTIME_DIR": str(n.dir), "XDG_CACHE_HOME": str(n.dir)})
    try:
        def ready():
            assert run.poll() is None, run.stdout.read()
            with contextlib.suppress(OSError):
                return not socket.create_connection(("127.0.0.1", port), 0.2).close()
        wait_for(ready, 30, "weir run serves")
        with Client(port) as c:
            equal(c.send(b"hello").read(7), b"<hello!")
        bad = subprocess.run([Settings.weir, "run", "--plugin", Settings.guests / "tcp.wasm", "--to", "tcp://nowhere"], capture_output=True, text=True)
        assert bad.returncode == 2 and "is not tcp://HOST:PORT" in bad.stderr, (bad.returncode, bad.stderr)
    finally:
        run.terminate()
        run.wait(10)


# ---- configuration

BAD = [
    ("unknown name", "weir_plugin tap {guests}/tcp.wasm;", server("a", "tpa"), r'no plugin "tpa" is declared; did you mean "tap"\?'),
    ("twice", "weir_plugin tap {guests}/tcp.wasm; weir_plugin tap {guests}/tcp.wasm;", server("a", "tap"), "is declared twice"),
    ("no file", "weir_plugin tap /nowhere.wasm;", server("a", "tap"), r'plugin "tap" \(/nowhere.wasm\): No such file'),
    ("argument", "weir_plugin tap {guests}/tcp.wasm memroy=1m;", server("a", "tap"), r'did you mean "memory="\?'),
    ("refused", "weir_plugin tap {guests}/tcp.wasm config_inline=refuse;", server("a", "tap"), "proxy_on_configure returned false"),
    ("hang", "weir_plugin tap {guests}/bad/loop_in_start.wasm start_timeout=100ms;", server("a", "tap"), 'plugin "tap"'),
    ("udp", "weir_plugin tap {guests}/tcp.wasm;", server("a", "tap", listen="udp"), r'listens to UDP \(127.0.0.1:\d+\); write "weir off;"'),
    ("udp, inherited", "weir_plugin tap {guests}/tcp.wasm; weir tap;", "server { listen 127.0.0.1:@a udp; proxy_pass %B; }", "listens to UDP"),
    ("nothing may be held", "weir_plugin tap {guests}/tcp.wasm; weir_max_data 0;", server("a", "tap"), "give at least 1"),
    ("two lines", "weir_plugin tap {guests}/tcp.wasm;", "server { listen 127.0.0.1:@a; weir tap; weir tap; proxy_pass %B; }", 'a second "weir" in one block'),
]


@each(BAD, log=r"\[emerg\]")
def tcp_bad_configuration(t, plugins, servers, message):
    code, text = nginx(t, plugins, servers, Backend()).check()
    assert code == 1 and re.search(message, text), (code, text[-1500:])


@case(log=r"dlopen")
def tcp_without_the_stream_module(t):
    """The stream module is not needed for HTTP, and says what it wants."""
    n = nginx(t, "", server("a", "off"), Backend())
    text = n.conf.read_text()
    n.conf.write_text(re.sub(r"load_module [^;]*/ngx_stream_module.so;", "", text))
    code, message = n.check()
    assert code == 1 and "ngx_stream" in message, message


@case()
def tcp_inherited_and_with_http(t):
    """Both modules in one process, each with its own plugins; a chain that servers inherit."""
    backend = Backend()
    n = nginx(t, do("edit", "dd append !;ud prepend <;ud append >") + "weir edit;", "server { listen 127.0.0.1:@in; proxy_pass %B; }" + server("off", "off"),
              backend, both=True, http_plugins="weir_plugin s {guests}/script.wasm; weir_plugin edit {guests}/script.wasm; weir s;", workers=2)
    n.start()
    from client import request
    for _ in range(5):
        with Client(n.tcp["in"]) as c:
            equal(c.send(b"hello").read(8), b"<hello!>")
        r = request(n.port, "/echo", [("x-do", "sh add x-seen 1")])
        equal((r.status, r.get("x-seen")), (200, "1"))
    with Client(n.tcp["off"]) as c:
        equal(c.send(b"hello").read(5), b"hello")


@case(log="proxy_on_configure returned false")
def tcp_reload(t):
    """Connections live on in the old worker with the old plugins, also paused ones; new ones get the new; a bad one changes nothing."""
    backend = Backend()
    old = do("edit", "dd append !") + do("slow", "nc pause 600") + do("slowdata", "dd pause 600")
    servers = server("edit", "edit") + server("slow", "slow") + server("slowdata", "slowdata")
    n = nginx(t, old, servers, backend)
    n.start()
    open_one, paused, data = Client(n.tcp["edit"]), Client(n.tcp["slow"]), Client(n.tcp["slowdata"])
    equal(open_one.send(b"old").read(4), b"old!")
    paused.send(b"paused")
    data.send(b"data")
    time.sleep(0.1)
    text = n.conf.read_text()
    n.conf.write_text(text.replace("dd append !", "dd append ?"))
    n.reload()
    with Client(n.tcp["edit"]) as c:
        equal(c.send(b"new").read(4), b"new?")
    equal(open_one.send(b"still").read(6), b"still!")
    equal(paused.read(6), b"paused")
    equal(data.read(4), b"data")
    equal(len(n.all_pids()), 2)
    for c in (open_one, paused, data):
        c.socket.close()
    wait_for(lambda: len(n.all_pids()) == 1, 5, "the old worker ends")
    n.conf.write_text(text.replace("dd append !", "dd append !\nrefuse"))
    n.reload(wait=False)
    n.wait_log("proxy_on_configure returned false")
    with Client(n.tcp["edit"]) as c:
        equal(c.send(b"kept").read(5), b"kept?")
    n.mark()
