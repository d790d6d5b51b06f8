"""An HTTP/1.1 upstream on a raw socket: records what it received, and answers as the path says.

  /echo… (and anything else)  200, a body that shows the request line, headers and body as received
  /sized/N   N bytes with Content-Length        /chunked/N/COUNT  COUNT chunks of N bytes      /close/N  N bytes, ended by closing
  /slow/MS   "slow" after MS milliseconds       /drip/N/MS        N chunks, MS apart           /gzip     compressed by itself
  /status/CODE  that status, a small body (none for 204 and 304)                               /reset    closes without an answer
  /cut/N     promises N bytes, sends half, closes                /rst      resets the connection
  /hold      waits until `release` is set, or the client left (counted in `left`)
  /trailers  a chunked body with the trailer x-trailer
  /auth      200 and x-user for x-token "good", 403 for another, 401 without
"""
import gzip
import select
import socket
import socketserver
import threading
import time


class Received:
    def __init__(self, line, headers, body):
        self.line, self.headers, self.body = line, headers, body
        self.method, self.target = line.split(" ")[:2]

    def values(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name):
        values = self.values(name)
        return values[0] if values else None


def read_request(f):
    line = f.readline().decode("latin-1").rstrip("\r\n")
    if not line:
        return None
    headers = []
    while (text := f.readline().decode("latin-1").rstrip("\r\n")):
        name, _, value = text.partition(":")
        headers.append((name, value.strip()))
    lower = {n.lower(): v for n, v in headers}
    body = b""
    if "chunked" in lower.get("transfer-encoding", ""):
        while size := int(f.readline().split(b";")[0] or b"0", 16):
            body += f.read(size)
            f.readline()
        while f.readline().strip():
            pass
    else:
        want = int(lower.get("content-length", 0))
        body = f.read(want)
        if len(body) < want:
            return None
    return Received(line, headers, body)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.server.lock:
            self.server.connections += 1
        try:
            while request := read_request(self.rfile):
                with self.server.lock:
                    self.server.requests.append(request)
                    del self.server.requests[:-self.server.keep]
                    self.server.count += 1
                if not self.answer(request):
                    return
        except (ConnectionError, ValueError):
            pass

    def send(self, status, headers, body, *, head=False):
        if self.closing and ("Connection", "close") not in headers:
            headers = [*headers, ("Connection", "close")]
        text = f"HTTP/1.1 {status} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n"
        self.wfile.write(text.encode() + (b"" if head else body))

    def answer(self, request):
        self.closing = request.get("Connection") == "close"
        if self.server.script:
            status, headers, body = self.server.script
            self.wfile.write((f"HTTP/1.1 {status} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n").encode())
            self.wfile.write(b"" if request.method == "HEAD" or status in (204, 304) else body)
            return not self.closing
        head = request.method == "HEAD"
        parts = request.target.split("?")[0].strip("/").split("/")
        numbers = [int(p) for p in parts[1:] if p.isdigit()]
        plain = [("Content-Type", "text/plain"), ("X-Upstream", "1")]
        kind = parts[0]
        if kind == "sized":
            body = b"s" * numbers[0]
            self.send(200, [*plain, ("Content-Length", len(body))], body, head=head)
        elif kind in ("chunked", "drip"):
            size, count, pause = (numbers[0], numbers[1], 0) if kind == "chunked" else (5, numbers[0], numbers[1] / 1000)
            self.send(200, [*plain, ("Transfer-Encoding", "chunked")], b"", head=True)
            for i in range(0 if head else count):
                self.wfile.write(b"%x\r\n%s\r\n" % (size, (b"c%d" % (i % 10)).ljust(size, b".")))
                time.sleep(pause)
            if not head:
                self.wfile.write(b"0\r\n\r\n")
        elif kind == "close":
            self.send(200, [*plain, ("Connection", "close")], b"k" * numbers[0], head=head)
            return False
        elif kind == "slow":
            time.sleep(numbers[0] / 1000)
            self.send(200, [*plain, ("Content-Length", 4)], b"slow", head=head)
        elif kind == "gzip":
            body = gzip.compress(b"compressed by the upstream\n")
            self.send(200, [*plain, ("Content-Encoding", "gzip"), ("Content-Length", len(body))], body, head=head)
        elif kind == "status":
            body = b"" if numbers[0] in (204, 304) else b"status %d\n" % numbers[0]
            length = [] if numbers[0] == 204 else [("Content-Length", 99 if numbers[0] == 304 else len(body))]
            self.send(numbers[0], [*plain, ("ETag", '"v1"'), *length], body, head=head)
        elif kind == "reset":
            return False
        elif kind == "rst":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.rfile.close()
            self.wfile.close()
            self.request.close()
            return False
        elif kind == "hold":
            while not self.server.release.wait(0.01):
                if select.select([self.request], [], [], 0)[0]:
                    with self.server.lock:
                        self.server.left += 1
                    return False
            self.send(200, [*plain, ("Content-Length", 4)], b"held", head=head)
        elif kind == "trailers":
            self.send(200, [*plain, ("Transfer-Encoding", "chunked"), ("Trailer", "x-trailer")], b"", head=True)
            self.wfile.write(b"4\r\nbody\r\n0\r\nX-Trailer: t\r\n\r\n")
        elif kind == "auth":
            token = request.get("X-Token")
            status, headers, body = (200, [("X-User", "alice")], b"") if token == "good" else (403, [], b"no\n") if token else (401, [], b"who?\n")
            self.send(status, [*plain, *headers, ("Content-Length", len(body))], body, head=head)
        elif kind == "cut":
            self.send(200, [*plain, ("Content-Length", numbers[0])], b"h" * (numbers[0] // 2), head=head)
            return False
        else:
            shown = "\n".join([request.line, *(f"{n}: {v}" for n, v in request.headers), "--", ""])
            body = shown.encode("latin-1") + request.body
            self.send(200, [*plain, ("Content-Length", len(body)), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], body, head=head)
        return not self.closing


class Upstream(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.lock, self.requests, self.count, self.keep = threading.Lock(), [], 0, 1000
        self.connections, self.left, self.release = 0, 0, threading.Event()
        self.script = None  # (status, headers, bytes of the body): answers everything with it, whatever the path says
        threading.Thread(target=self.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def handle_error(self, request, client_address):
        pass  # a client that left

    def last(self):
        return self.requests[-1]

    def stop(self):
        self.shutdown()
        self.server_close()
