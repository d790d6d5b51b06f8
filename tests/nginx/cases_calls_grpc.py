"""gRPC calls of plugins through NGINX, to a real server (Python's grpcio). The guest is tests/guests/calls.c, as in cases_calls.py."""
import re
import time
from concurrent import futures

from cases import Skip, case, each, equal, has, site
from cases_calls import calling, do, one
from cases_grpc import grpc, plain
from client import Connection, message
from harness import wait_for


class Server:
    """Bytes in and out. The service weir.Call; what a method does is its name."""

    def __init__(self, credentials=None):
        self.seen, self.ended = [], []
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        down, up = grpc.unary_stream_rpc_method_handler, grpc.stream_unary_rpc_method_handler
        kinds = {"Echo": unary, "Slow": unary, "Fail": unary, "Large": unary, "Both": stream, "Down": down, "Up": up, "Endless": stream, "Early": stream, "Metadata": stream}
        handlers = {name: kind(getattr(self, name.lower()), request_deserializer=plain, response_serializer=plain) for name, kind in kinds.items()}
        self.server = grpc.server(futures.ThreadPoolExecutor(16))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("weir.Call", handlers)])
        self.port = self.server.add_secure_port("127.0.0.1:0", credentials) if credentials else self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def note(self, context):
        self.seen.append((dict(context.invocation_metadata()), context.time_remaining()))
        context.add_callback(lambda: self.ended.append(time.monotonic()))

    def echo(self, question, context):
        self.note(context)
        context.send_initial_metadata([("x-first", "1"), ("x-first-bin", b"\0\xff")])
        context.set_trailing_metadata([("x-trailer", "t"), ("x-trailer-bin", b"a\0b")])
        return b"re:" + question

    def slow(self, question, context):
        self.note(context)
        end = time.monotonic() + 2
        while context.is_active() and time.monotonic() < end:
            time.sleep(0.01)
        return b"late"

    def fail(self, question, context):
        context.set_trailing_metadata([("x-trailer", "f")])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so: ä 100%")

    def large(self, question, context):
        return b"L" * int(question)

    def both(self, questions, context):
        self.note(context)
        for question in questions:
            yield b"re:" + question

    def down(self, question, context):
        for i in range(3):
            yield b"%d:" % i + question

    def up(self, questions, context):
        return b"+".join(questions)

    def endless(self, questions, context):
        self.note(context)
        while context.is_active():
            yield b"more"
            time.sleep(0.005)

    def early(self, questions, context):
        context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
        context.set_details("enough")
        return
        yield

    def metadata(self, questions, context):
        self.note(context)
        context.send_initial_metadata([("x-first", "1"), ("x-first-bin", b"\0\xff")])
        context.set_trailing_metadata([("x-trailer", "t"), ("x-trailer-bin", b"a\0b")])
        for question in questions:
            yield b"re:" + question

    def stop(self):
        self.server.stop(0)

    def sanitizer_reports(self):
        return []

    def bad_lines(self, expected=None):
        return []

    def remove(self):
        pass


@site
def main(t):
    if grpc is None:
        raise Skip("no grpcio here: scripts/setup.sh installs it")
    n = calling(t, "weir_cluster gone http://127.0.0.1:1; weir_cluster grpc http://127.0.0.1:{grpc} timeout=5s max_answer=1000; "
                   "weir_cluster tls https://127.0.0.1:{grpcs} ca={cert} host=weir.test; weir_cluster tls_system https://127.0.0.1:{grpcs};", workers=2)
    n.server = Server()
    n.secure = Server(grpc.ssl_server_credentials([((n.dir / "key.pem").read_bytes(), (n.dir / "cert.pem").read_bytes())]))
    t.made += [n.server, n.secure]
    n.conf.write_text(n.conf.read_text().replace("{grpc}", str(n.server.port)).replace("{grpcs}", str(n.secure.port)))
    return n


@case(main)
def unary(t, n):
    line = one(n, "rh grpc grpc weir.Call Echo 2000 hello")
    equal(line, "grpc grpc <re:hello>")
    metadata, left = n.server.seen[-1]
    equal((metadata.get("x-from"), metadata.get("x-bytes-bin")), ("calls", b"\0\1\xff"))
    assert 1 < left <= 2, left
    equal(one(n, "rh grpc grpc weir.Call Echo 2000 "), "grpc grpc <re:>")
    has(one(n, "sh grpc grpc weir.Call Echo 2000 x"), "<re:x>")


@case(main)
def over_tls(t, n):
    has(one(n, "rh grpc tls weir.Call Echo 2000 hello"), "<re:hello>")
    line = one(n, "rh grpc tls_system weir.Call Echo 2000 hello")
    assert re.match(r"grpc tls_system status=14 \S+", line), line


@case(main)
def errors_of_the_server(t, n):
    equal(one(n, "rh grpc grpc weir.Call Fail 2000 x").encode("latin-1").decode(), "grpc grpc status=9 not so: ä 100%")
    assert " status=12 " in one(n, "rh grpc grpc weir.Call NoSuch 2000 x")
    assert " status=12 " in one(n, "rh grpc grpc no.Such Echo 2000 x")


@each([("refused", "gone weir.Call Echo 2000 x", 14), ("HTTP, not gRPC", "authz weir.Call Echo 2000 x", None)], main)
def errors_of_the_way(t, n, call, status):
    line = one(n, f"rh grpc {call}")
    found = re.search(r" status=(\d+) \S+", line)
    assert found and int(found[1]) == status if status else found and int(found[1]) > 0, line


@case(main)
def deadline(t, n):
    start = time.monotonic()
    line = one(n, "rh grpc grpc weir.Call Slow 200 x")
    assert " status=4" in line and 0.15 < time.monotonic() - start < 1, line
    wait_for(lambda: n.server.ended and n.server.ended[-1] > start, 1, "the server sees the end")


@case(main)
def unknown_upstream(t, n):
    assert re.fullmatch(r"grpc nosuch=[1-9]\d*", one(n, "rh grpc nosuch weir.Call Echo 200 x"))
    assert re.fullmatch(r"stream nosuch=[1-9]\d*", one(n, "rh stream nosuch weir.Call Both a,b"))


@case(main)
def message_over_the_limit(t, n):
    has(one(n, "rh grpc grpc weir.Call Large 2000 1000"), f"<{'L' * 32}>1000")
    line = one(n, "rh grpc grpc weir.Call Large 2000 1001")
    assert re.search(r" status=8 \S+", line) and "<" not in line, line


@each([("both ways", "Both a,b,c", "<re:a> <re:b> <re:c>"), ("server", "Down x", "<0:x> <1:x> <2:x>"), ("client", "Up a,b,c", "<a+b+c>"), ("nothing sent", "Both -", "")], main)
def streams(t, n, call, wanted):
    line = one(n, f"rh stream grpc weir.Call {call}")
    has(line, wanted)
    assert line.endswith(" status=0"), line


@case(main)
def metadata_of_streams(t, n):
    line = one(n, "rh stream grpc weir.Call Metadata a")
    equal(line, "stream grpc [initial x-first=1 x-first-bin=..] <re:a> [trailing x-trailer=t x-trailer-bin=a.b] status=0")
    equal(n.server.seen[-1][0].get("x-bytes-bin"), b"\0\1\xff")


@case(main)
def stream_that_the_server_ends(t, n):
    line = one(n, "rh stream grpc weir.Call Early a,b!")
    assert line.endswith(" status=8 enough"), line


@case(main)
def cancelled_stream(t, n):
    before = len(n.server.ended)
    line = one(n, "rh stream grpc weir.Call Endless a?")
    equal(line, "stream grpc [initial] <more> cancelled")
    wait_for(lambda: len(n.server.ended) > before, 2, "the server sees the cancel")


@case(main)
def client_that_leaves(t, n):
    before, seen = len(n.server.ended), len(n.server.seen)
    c = Connection(n.port)
    c.send(message("GET", "/echo", [("x-do", "rh stream grpc weir.Call Endless a!;rh grpc grpc weir.Call Slow 5000 x")]))
    wait_for(lambda: len(n.server.seen) >= seen + 2, 2, "the calls are there")
    c.reset()
    wait_for(lambda: len(n.server.ended) >= before + 2, 1, "the server sees both go")


@case(main)
def in_parallel(t, n):
    r, lines = do(n, ";".join(["rh grpc grpc weir.Call Echo 2000 a", "rh stream grpc weir.Call Both a,b", "rh http authz GET /sized/1 1000"] * 4))
    equal((r.status, len(lines), sum("status=0" in line or " 200 " in line or line == "grpc grpc <re:a>" for line in lines)), (200, 12, 12), lines)


@case()
def streams_live_through_a_reload(t):
    n = main(t).start()
    old = n.pids()
    c = Connection(n.port)
    c.send(message("GET", "/echo", [("x-do", "rh grpc grpc weir.Call Slow 1000 x")]))
    wait_for(lambda: n.server.seen, 3, "the call is there")
    n.reload()
    r = c.read()
    equal(r.status, 200)
    has(r.text, "status=4")
    wait_for(lambda: set(old).isdisjoint(n.all_pids()), 5, "old workers leave")
