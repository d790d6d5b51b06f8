"""gRPC through grpc_pass, with a real client and server (Python's grpcio): every kind of call, trailers, pauses."""
import time
from concurrent import futures

from cases import Skip, case, each, equal, site

try:
    import grpc
except ImportError:
    grpc = None


def plain(value):
    return value


class Service:
    """Bytes in and out, so that no generated code is needed."""

    def __init__(self):
        self.seen = []
        kinds = {"Unary": grpc.unary_unary_rpc_method_handler, "Down": grpc.unary_stream_rpc_method_handler,
                 "Up": grpc.stream_unary_rpc_method_handler, "Both": grpc.stream_stream_rpc_method_handler, "Fail": grpc.unary_unary_rpc_method_handler}
        handlers = {name: kind(getattr(self, name.lower()), request_deserializer=plain, response_serializer=plain) for name, kind in kinds.items()}
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("weir.Test", handlers)])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def unary(self, message, context):
        self.seen.append(dict(context.invocation_metadata()))
        context.set_trailing_metadata([("x-trailer", "t")])
        return b"re:" + message

    def down(self, message, context):
        for i in range(5):
            yield b"%d:" % i + message
            time.sleep(0.02)

    def up(self, messages, context):
        return b"+".join(messages)

    def both(self, messages, context):
        for message in messages:
            yield b"re:" + message

    def fail(self, message, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so")


@site
def main(t):
    if grpc is None:
        raise Skip("no grpcio here: apt-get install python3-grpcio")
    service = Service()
    n = t.nginx("weir_plugin s {guests}/script.wasm;", "location / { weir s; client_max_body_size 0; grpc_pass grpc://127.0.0.1:%d; } location /off { grpc_pass grpc://127.0.0.1:%d; }" % (service.port, service.port))
    n.service = service
    return n


def call(n, kind, argument, commands="", timeout=10):
    """The answer (or list of answers), or the grpc.RpcError."""
    with grpc.insecure_channel(f"127.0.0.1:{n.h2}") as channel:
        make = {"Unary": channel.unary_unary, "Fail": channel.unary_unary, "Down": channel.unary_stream, "Up": channel.stream_unary, "Both": channel.stream_stream}[kind]
        method = make(f"/weir.Test/{kind}", request_serializer=plain, response_deserializer=plain)
        metadata = [("x-do", commands)] if commands else []
        if kind in ("Down", "Both"):
            return list(method(argument, timeout=timeout, metadata=metadata))
        return method.with_call(argument, timeout=timeout, metadata=metadata)


PLUGINS = [("none", ""), ("headers", "rh add x-new 1;sh add x-out 1"), ("request paused", "rh pause 50"), ("headers paused", "sh pause 50"), ("body looked at", "sb log x;rb log x"),
           ("response body paused", "sb pause 50"), ("request body paused", "rb pause 50"), ("everywhere", "rh pause 20;rb pause 20;sh pause 20;sb pause 20")]


@each(PLUGINS, main)
def every_kind_of_call(t, n, commands):
    answer, info = call(n, "Unary", b"hello", commands)
    equal(answer, b"re:hello")
    equal(dict(info.trailing_metadata()).get("x-trailer"), "t")
    equal(info.code(), grpc.StatusCode.OK)
    if "x-new" in commands:
        equal(n.service.seen[-1].get("x-new"), "1")
        equal(dict(info.initial_metadata()).get("x-out"), "1")
    equal(call(n, "Unary", b"L" * 1000000, commands)[0], b"re:" + b"L" * 1000000)
    equal(call(n, "Unary", b"", commands)[0], b"re:")
    equal(call(n, "Down", b"x", commands), [b"%d:x" % i for i in range(5)])
    equal(call(n, "Up", iter([b"a", b"b", b"c"]), commands)[0], b"a+b+c")
    equal(call(n, "Both", iter([b"1", b"2", b"3"]), commands), [b"re:1", b"re:2", b"re:3"])


@each(PLUGINS, main)
def failing_call(t, n, commands):
    try:
        call(n, "Fail", b"x", commands)
    except grpc.RpcError as e:
        equal((e.code(), e.details()), (grpc.StatusCode.FAILED_PRECONDITION, "not so"))
    else:
        raise AssertionError("it did not fail")


@each([("look", "sb log x;rb log x"), ("headers", "rh add x-new 1")], main)
def ping_pong(t, n, commands):
    """Each answer comes before the next question: nothing waits for the end of a body."""
    with grpc.insecure_channel(f"127.0.0.1:{n.h2}") as channel:
        answers = []

        def questions():
            for i in range(10):
                yield b"%d" % i
                end = time.monotonic() + 5
                while len(answers) <= i and time.monotonic() < end:
                    time.sleep(0.002)
        method = channel.stream_stream("/weir.Test/Both", request_serializer=plain, response_deserializer=plain)
        start = time.monotonic()
        for answer in method(questions(), timeout=20, metadata=[("x-do", commands)]):
            answers.append(answer)
        equal(answers, [b"re:%d" % i for i in range(10)])
        assert time.monotonic() - start < 4, "answers waited for the end of the questions"


@each([("request", "rh local 403 no"), ("request body", "rb local 403 no"), ("response", "sh local 403 no")], main)
def refused_by_a_plugin(t, n, commands):
    for _ in range(3):
        try:
            call(n, "Unary", b"x", commands)
        except grpc.RpcError as e:
            equal(e.code(), grpc.StatusCode.PERMISSION_DENIED)
        else:
            raise AssertionError("it was not refused")


@case(main)
def many_calls_on_one_channel(t, n):
    with grpc.insecure_channel(f"127.0.0.1:{n.h2}") as channel:
        method = channel.unary_unary("/weir.Test/Unary", request_serializer=plain, response_deserializer=plain)
        calls = [method.future(b"%d" % i, timeout=20, metadata=[("x-do", "rh pause 20;sh pause 20")]) for i in range(100)]
        equal([c.result() for c in calls], [b"re:%d" % i for i in range(100)])
