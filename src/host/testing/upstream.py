#!/usr/bin/env python3
"""Servers for the tests of calls: HTTP/1.1 (plain, TLS with good and bad certificates, Unix socket), HTTP/2 (h2c, TLS) and gRPC.

Prints one line "NAME=VALUE …" of ports and files, serves until its standard input ends. Made for tests: what a path does is its name.
"""
import argparse
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

DIRECTORY = tempfile.TemporaryDirectory(prefix="weir-calls-")
CONNECTIONS = 0
LOCK = threading.Lock()


def file(name):
    return os.path.join(DIRECTORY.name, name)


# ---- HTTP/1.1, byte by byte, so that it can be wrong.

def read_request(stream):
    """(head as bytes, body, trailers as bytes) or None."""
    head = b""
    while True:
        line = stream.readline(70000)
        if not line:
            return None
        head += line
        if line == b"\r\n":
            break
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        body = b""
        while True:
            size = int(stream.readline().strip() or b"0", 16)
            if size == 0:
                break
            body += stream.read(size)
            stream.readline()
        trailers = b""
        while (line := stream.readline()) not in (b"\r\n", b""):
            trailers += line
        return head, body, trailers
    length = 0
    for line in lower.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    return head, stream.read(length) if length else b"", b""


def answer(body, status=b"200 OK", more=b""):
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + more + b"\r\n" + body


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def chunked(pieces, trailers=b""):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"


def serve_one(connection, number, head, body, trailers):
    """False: the connection is over."""
    method, target = head.split(b" ", 2)[:2]
    word, _, rest = target.lstrip(b"/").partition(b"/")
    argument = int(rest) if rest.isdigit() else 0
    send = connection.sendall
    if word == b"echo":
        send(answer(head + body + (b"--trailers--\r\n" + trailers if trailers else b"")))
    elif word == b"conn":
        send(answer(b"%d" % number))
    elif word == b"size":
        send(answer(b"x" * argument))
    elif word == b"unframed":
        send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * argument)
        return False
    elif word == b"chunked":
        send(chunked([b"x" * 1000] * (argument // 1000)))
    elif word == b"trailers":
        send(chunked([b"one", b"two"], b"X-One: 1\r\nX-Two: \r\nHTTP/x: y\r\n"))
    elif word == b"fat-trailers":
        send(chunked([b"one"], b"X-One: " + b"t" * argument + b"\r\n"))
    elif word == b"delay":
        time.sleep(argument / 1000)
        send(answer(b"late"))
    elif word == b"slow-body":
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        time.sleep(argument / 1000)
        send(b"second")
    elif word == b"reset":
        reset(connection)
        return False
    elif word == b"close":
        return False
    elif word == b"half":
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        return False
    elif word == b"half-head":
        send(b"HTTP/1.1 200 OK\r\nContent-Le")
        return False
    elif word == b"header":
        send(answer(b"ok", more=b"X-Big: " + b"h" * argument + b"\r\n"))
    elif word == b"interim":
        send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(b"final"))
    elif word == b"switch":
        send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw")
        return False
    elif word == b"garbage":
        send(b"\x00\x01\x02 no http here\r\n\r\n")
        return False
    elif word == b"bad-chunk":
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        return False
    elif word == b"status":
        send(b"HTTP/1.1 %d Status\r\n%sX-Twice: a\r\nx-twice:  b \r\nSet-Cookie: s=1\r\nLocation: /echo\r\n\r\n" % (
            argument, b"" if argument in (204, 304) else b"Content-Length: 0\r\n"))
    elif word == b"gzip":
        send(answer(b"\x1f\x8b not unpacked", more=b"Content-Encoding: gzip\r\n"))
    elif word == b"head-length":
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        return method == b"HEAD"
    elif word == b"once":  # closes after the answer without saying so
        send(answer(b"%d" % number))
        return False
    else:
        send(answer(b"no such path", b"404 Not Found"))
    return True


def serve_connection(connection, context):
    global CONNECTIONS
    with LOCK:
        CONNECTIONS += 1
        number = CONNECTIONS
    try:
        if context:
            connection = context.wrap_socket(connection, server_side=True)
            if connection.selected_alpn_protocol() == "h2":
                return serve_http2(connection, number)
        elif connection.recv(1, socket.MSG_PEEK) == b"\x16":  # TLS where there is none
            return connection.sendall(answer(b"", b"400 Bad Request"))
        stream = connection.makefile("rb")
        while (request := read_request(stream)) and serve_one(connection, number, *request):
            pass
        stream.close()
    except (OSError, ValueError):
        pass
    finally:
        connection.close()


def serve(listener, context=None, handler=serve_connection):
    def loop():
        while True:
            connection, _ = listener.accept()
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=handler, args=(connection, context), daemon=True).start()
    listener.listen(512)
    threading.Thread(target=loop, daemon=True).start()
    return listener.getsockname()[1]


def tcp():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    return listener


# ---- TLS

def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=DIRECTORY.name)


def make_certificates():
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
            "-subj", "/CN=Test CA")
    for name, names, days in (("good", "DNS:localhost,IP:127.0.0.1", "30"), ("wrong", "DNS:elsewhere.example", "30"), ("expired", "DNS:localhost,IP:127.0.0.1", "-1")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        with open(file("ext"), "w") as out:
            out.write("subjectAltName=" + names)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", name + ".pem", "-days", days, "-extfile", "ext")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "other.key", "-out", "other.pem", "-days", "30",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")


def tls(name, alpn=None, client_ca=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file(name + ".pem"), file(name + ".key"))
    if alpn:
        context.set_alpn_protocols(alpn)
    if client_ca:
        context.load_verify_locations(file("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# ---- HTTP/2

class Http2:
    """One connection; each complete request is answered by its path."""

    def __init__(self, connection, number):
        import h2.config
        import h2.connection
        self.socket, self.number = connection, number
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests, self.open, self.refused, self.events = {}, True, False, []

    def run(self):
        import h2.events as events
        self.h2.initiate_connection()
        self.flush()
        while self.open and self.receive():
            while self.events:
                event = self.events.pop(0)
                if isinstance(event, events.RequestReceived):
                    self.requests[event.stream_id] = [event.headers, b"", None]
                    self.early(event.stream_id, dict(event.headers)[":path"])
                elif isinstance(event, events.DataReceived):
                    self.requests[event.stream_id][1] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, events.TrailersReceived):
                    self.requests[event.stream_id][2] = event.headers
                elif isinstance(event, events.StreamEnded):
                    self.answer(event.stream_id, *self.requests.pop(event.stream_id, ([], b"", None)))
            self.flush()

    def receive(self):
        data = self.socket.recv(65536)
        self.events += self.h2.receive_data(data) if data else []
        return data

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def early(self, stream, path):
        """What is answered before the request ends."""
        grpc = [(":status", "200"), ("content-type", "application/grpc")]
        if path == "/raw/EndWithoutTrailers":
            self.h2.send_headers(stream, grpc)
            self.h2.send_data(stream, b"\0\0\0\0\1x", end_stream=True)
        elif path == "/raw/NotGrpc":
            self.h2.send_headers(stream, [(":status", "200"), ("content-type", "text/html")])
            self.h2.send_data(stream, b"<p>", end_stream=True)
        elif path == "/raw/Status503":
            self.h2.send_headers(stream, [(":status", "503"), ("content-type", "text/plain")])
            self.h2.send_data(stream, b"away", end_stream=True)
        elif path == "/raw/Compressed":
            self.h2.send_headers(stream, grpc + [("grpc-encoding", "gzip")])
            self.h2.send_data(stream, b"\1\0\0\0\1x")
        elif path == "/raw/CompressedUnsaid":
            self.h2.send_headers(stream, grpc)
            self.h2.send_data(stream, b"\1\0\0\0\1x")
        elif path == "/raw/BadFlag":
            self.h2.send_headers(stream, grpc)
            self.h2.send_data(stream, b"\7\0\0\0\1x")
        elif path == "/raw/Truncated":
            self.h2.send_headers(stream, grpc)
            self.h2.send_data(stream, b"\0\0\0\0\5ab")
            self.h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
        elif path.startswith("/raw/Reset"):
            self.h2.reset_stream(stream, int(path[10:]))
        elif path == "/raw/RefuseFirst":  # each connection's first: the client is to send it again
            if self.refused:
                self.h2.send_headers(stream, grpc + [("grpc-status", "5")], end_stream=True)
            else:
                self.refused = True
                self.h2.reset_stream(stream, 7)
        elif path == "/raw/GoAway":
            self.h2.close_connection(last_stream_id=0)
            self.flush()
            self.open = False
        elif path == "/raw/Gone":
            self.open = False
        self.flush()

    def answer(self, stream, headers, body, trailers):
        path = dict(headers).get(":path", "")
        if path.startswith("/raw/") or not headers:
            return
        word, _, rest = path.partition("?")[0].lstrip("/").partition("/")
        more, end = [], True
        if word == "echo":
            data = "".join(f"{k}: {v}\n" for k, v in headers).encode() + body
            data += b"--trailers--\n" + "".join(f"{k}: {v}\n" for k, v in trailers).encode() if trailers else b""
        elif word == "head":
            self.h2.send_headers(stream, [(":status", "200"), ("content-length", "99999999")], end_stream=True)
            return
        elif word == "status":
            self.h2.send_headers(stream, [(":status", rest)], end_stream=True)
            return
        elif word == "early":  # informational, the answer, and a reset that says the rest of the request is not needed
            self.h2.send_headers(stream, [(":status", "103"), ("link", "</a.css>")])
            data = b"early"
        elif word == "short":
            self.h2.send_headers(stream, [(":status", "200"), ("content-length", "10")])
            self.h2.send_data(stream, b"123", end_stream=False)
            self.h2.reset_stream(stream, int(rest))
            return
        elif word == "conn":
            data = b"%d" % self.number
        elif word == "size":
            data = b"x" * int(rest)
        elif word == "length":
            data = b"%d" % len(body)
        elif word == "trailers":
            data, more = b"one", [("x-one", "1")]
        else:
            data = b"?"
        self.h2.send_headers(stream, [(":status", "200"), ("x-proto", "h2")])
        self.send(stream, data, end=not more)
        if more:
            self.h2.send_headers(stream, more, end_stream=True)

    def send(self, stream, data, end):
        import h2.exceptions
        try:
            while data:
                step = min(len(data), self.h2.max_outbound_frame_size, self.h2.local_flow_control_window(stream))
                if step == 0:  # the peer has not opened its window yet
                    if not self.receive():
                        return
                    self.flush()
                    continue
                self.h2.send_data(stream, data[:step])
                data = data[step:]
                self.flush()
            if end:
                self.h2.end_stream(stream)
        except h2.exceptions.StreamClosedError:
            pass  # it was reset meanwhile


def serve_http2(connection, number):
    try:
        Http2(connection, number).run()
    except OSError:
        pass


def serve_h2c(connection, _):
    global CONNECTIONS
    with LOCK:
        CONNECTIONS += 1
        number = CONNECTIONS
    try:
        serve_http2(connection, number)
    finally:
        connection.close()


# ---- gRPC, by Google's own server. Messages are bytes: no generated code is needed.

class Service:
    def __init__(self):
        import grpc
        from concurrent import futures
        self.grpc, self.cancelled, self.alive = grpc, threading.Event(), 0
        kinds = {"Unary": grpc.unary_unary_rpc_method_handler, "Down": grpc.unary_stream_rpc_method_handler,
                 "Up": grpc.stream_unary_rpc_method_handler, "Both": grpc.stream_stream_rpc_method_handler,
                 "Fail": grpc.unary_unary_rpc_method_handler, "FailBoth": grpc.stream_stream_rpc_method_handler,
                 "Slow": grpc.unary_unary_rpc_method_handler, "Metadata": grpc.unary_unary_rpc_method_handler,
                 "Big": grpc.unary_stream_rpc_method_handler, "WaitCancel": grpc.unary_stream_rpc_method_handler,
                 "WasCancelled": grpc.unary_unary_rpc_method_handler, "Deadline": grpc.unary_unary_rpc_method_handler,
                 "Count": grpc.stream_unary_rpc_method_handler}
        handlers = {name: kind(getattr(self, name), request_deserializer=bytes, response_serializer=bytes) for name, kind in kinds.items()}
        options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)]
        self.server = grpc.server(futures.ThreadPoolExecutor(16), options=options)
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("weir.Test", handlers)])

    def Unary(self, message, context):
        return b"re:" + message

    def Down(self, message, context):
        for i in range(5):
            yield b"%d:" % i + message

    def Up(self, messages, context):
        return b"+".join(messages)

    def Count(self, messages, context):
        return b"%d" % sum(len(m) for m in messages)

    def Both(self, messages, context):
        for message in messages:
            if message == b"stop":
                return
            yield b"re:" + message

    def Fail(self, message, context):
        context.set_trailing_metadata([("x-why", "so"), ("x-why-bin", b"\0\xff")])
        context.abort(self.grpc.StatusCode.FAILED_PRECONDITION, "not so: 100 % \u00fc")

    def FailBoth(self, messages, context):
        next(messages)
        context.abort(self.grpc.StatusCode.PERMISSION_DENIED, "no")
        yield b""

    def Slow(self, message, context):
        time.sleep(int(message) / 1000)
        return b"slow"

    def Deadline(self, message, context):
        return b"%d" % round(context.time_remaining() * 1000)

    def Metadata(self, message, context):
        seen = [(k, v) for k, v in context.invocation_metadata() if k.startswith("x-")]
        context.send_initial_metadata([("x-initial", "i"), ("x-initial-bin", b"\1\2\3")])
        context.set_trailing_metadata([("x-trailing", "t"), ("x-trailing-bin", b"\0\xfe\xff")])
        return repr(seen).encode()

    def Big(self, message, context):
        size, count = (int(n) for n in message.split())
        for _ in range(count):
            yield b"b" * size

    def WaitCancel(self, message, context):
        self.cancelled.clear()
        context.add_callback(self.cancelled.set)
        yield b"waiting"
        while context.is_active():
            time.sleep(0.005)

    def WasCancelled(self, message, context):
        return b"yes" if self.cancelled.wait(int(message) / 1000) else b"no"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--grpc", action="store_true")
    options = parser.parse_args()
    ports = {"http": serve(tcp()), "h2c": serve(tcp(), handler=serve_h2c)}
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(file("http.sock"))
    serve(unix)
    ports["unix"] = file("http.sock")
    if options.tls:
        make_certificates()
        for name in ("good", "wrong", "expired", "other"):
            ports["tls_" + name] = serve(tcp(), tls(name))
        ports["tls_h2"] = serve(tcp(), tls("good", ["h2", "http/1.1"]))
        ports["tls_client"] = serve(tcp(), tls("good", client_ca=True))
        ports["certificates"] = DIRECTORY.name
    if options.grpc:
        service = Service()
        ports["grpc"] = service.server.add_insecure_port("127.0.0.1:0")
        if options.tls:
            with open(file("good.key"), "rb") as key, open(file("good.pem"), "rb") as pem:
                ports["grpc_tls"] = service.server.add_secure_port("127.0.0.1:0", service.grpc.ssl_server_credentials([(key.read(), pem.read())]))
        service.server.start()
    print(" ".join(f"{name}={value}" for name, value in ports.items()), flush=True)
    sys.stdin.read()
    DIRECTORY.cleanup()
    os._exit(0)


main()
