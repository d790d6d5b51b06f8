"""Servers that do as the upstreams of conformance cases do (`cluster` lines), and the peers of a TCP connection."""
import contextlib
import select
import socket
import struct
import threading
import time
from concurrent import futures

from cases_grpc import grpc, plain
from harness import free_port
from tcp import server_tls
from upstream import Upstream

SETTLE_S = 0.05  # for what was sent to go through, as a piece of its own


def latin1(text):
    return text.encode("latin-1")


def reset(connection):
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Web(Upstream):
    """Answers everything with that."""

    def __init__(self, cluster):
        super().__init__()
        headers = [(n, v) for n, v in cluster["headers"] if not n.startswith(":")]
        status = int(dict(map(tuple, cluster["headers"]))[":status"])
        body = latin1(cluster["body"])
        if trailers := "".join(f"{n}: {v}\r\n" for n, v in cluster["trailers"]):
            headers.append(("transfer-encoding", "chunked"))
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + latin1(f"0\r\n{trailers}\r\n")
        else:
            headers.append(("content-length", len(body)))
        self.script = (status, headers, body)


class Raw:
    """`serve(connection)` for each, in a thread. Without it: accepted by the system, and never looked at."""

    def __init__(self, serve=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        if serve:
            threading.Thread(target=self.accept, args=(serve,), daemon=True).start()

    def accept(self, serve):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with contextlib.suppress(OSError):
                    serve(connection)

    def stop(self):
        self.listener.close()


class Grpc:
    """Any method, unary or stream: metadata, messages, trailers, status, without waiting for a question."""
    THREADS = None  # of all these servers

    def __init__(self, cluster):
        Grpc.THREADS = Grpc.THREADS or futures.ThreadPoolExecutor(16)
        self.cluster = cluster
        self.server = grpc.server(Grpc.THREADS)
        self.server.add_generic_rpc_handlers([self])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def service(self, _):
        return grpc.stream_stream_rpc_method_handler(self.answer, request_deserializer=plain, response_serializer=plain)

    @staticmethod
    def pairs(pairs):
        return [(n, latin1(v) if n.endswith("-bin") else v) for n, v in pairs]

    def answer(self, _, context):
        if self.cluster.get("metadata"):
            context.send_initial_metadata(self.pairs(self.cluster["metadata"]))
        if self.cluster.get("trailers"):
            context.set_trailing_metadata(self.pairs(self.cluster["trailers"]))
        yield from map(latin1, self.cluster["messages"])
        context.set_code(next(code for code in grpc.StatusCode if code.value[0] == self.cluster["status"]))
        context.set_details(self.cluster["message"])

    def stop(self):
        self.server.stop(0)


def garbage(connection):
    connection.recv(65536)
    connection.sendall(b"this is no HTTP\r\n\r\n")
    connection.close()


def hang_up(connection):
    connection.recv(65536)
    reset(connection)


class Failing:
    """A server, or none, of which a call fails in that way. `more`: arguments of weir_cluster."""

    def __init__(self, kind, folder):
        self.more, self.scheme, self.server = "", "http", None
        if kind == "connect":
            self.port = free_port()
            return
        self.server = {"timeout": Raw, "protocol": lambda: Raw(garbage), "reset": lambda: Raw(hang_up), "tls": lambda: Raw(self.untrusted(folder)),
                       "too_large": lambda: Web({"headers": [(":status", "200")], "body": "x" * 1000, "trailers": []})}[kind]()
        self.port = self.server.port
        if kind == "tls":
            self.scheme = "https"
        if kind == "too_large":
            self.more = "max_answer=100"

    @staticmethod
    def untrusted(folder):
        context = server_tls(folder)
        return lambda connection: context.wrap_socket(connection, server_side=True).close()

    def stop(self):
        if self.server:
            self.server.stop()


def peer(cluster, folder):
    """(the server, its weir_cluster). `folder`: has a certificate that nobody trusts."""
    kind = cluster["kind"]
    server = {"http": lambda: Web(cluster), "silent": Raw, "grpc": lambda: Grpc(cluster), "failure": lambda: Failing(cluster["failure"], folder)}[kind]()
    return server, f"weir_cluster {cluster['name']} {getattr(server, 'scheme', 'http')}://127.0.0.1:{server.port} {getattr(server, 'more', '')};"


def wait(test, seconds=3):
    end = time.monotonic() + seconds
    while not test() and time.monotonic() < end:
        time.sleep(0.01)


class Side:
    """One of the two ends: what it got, and whether its connection is over for it."""

    def __init__(self):
        self.socket, self.got, self.over, self.unsent = None, b"", False, []
        self.closing, self.reader = False, None

    def take(self, connection):
        self.socket = connection
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        for chunk in self.unsent:
            connection.sendall(chunk)

    def read(self):
        with contextlib.suppress(OSError):
            while not self.closing:
                if select.select([self.socket], [], [], 0.02)[0]:
                    if not (chunk := self.socket.recv(65536)):
                        break
                    self.got += chunk
        self.over = True

    def send(self, chunk):
        if self.socket:
            with contextlib.suppress(ConnectionError, BrokenPipeError):  # the other side has closed: expect-… says whether it should
                self.socket.sendall(chunk)
        else:
            self.unsent.append(chunk)

    def end(self):
        wait(lambda: self.socket)
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        """Nobody reads any more when it does: a socket in use would not be closed."""
        if self.reader:
            self.closing = True
            self.reader.join()
            reset(self.socket)


class Connection:
    """Plays the `tcp` lines of one case against the server that listens at `front` and passes to `port`. (On a unix socket nobody could reset.)"""

    def __init__(self):
        self.front = free_port()
        self.client, self.backend = Side(), Side()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.backend.take(connection)

    def do(self, what, data):
        """What is not as it should be, or None."""
        side = self.backend if "backend" in what else self.client
        if what == "connect":
            self.client.close(), self.backend.close()
            self.client, self.backend = Side(), Side()
            self.client.take(socket.create_connection(("127.0.0.1", self.front)))
        elif what in ("client", "backend"):
            side.send(data)
        elif what in ("client-end", "backend-end"):
            side.end()
        elif what in ("client-close", "backend-close"):
            wait(lambda: side.socket)
            side.close()
        elif what in ("expect-client", "expect-backend"):
            wait(lambda: side.got == data)
            return None if side.got == data else f"{what[7:]}: wanted {data!r}, got {side.got!r}"
        elif what == "expect-closed":
            wait(self.closed)
            return None if self.closed() else "the connection is open"
        if what == "expect-open":
            time.sleep(SETTLE_S)
            return "the connection is closed" if self.closed() else None
        time.sleep(SETTLE_S)

    def closed(self):
        """For both: one that has only ended still goes the other way."""
        return self.client.over and (self.backend.over or not self.backend.socket)

    def stop(self):
        self.client.close(), self.backend.close(), self.listener.close()
