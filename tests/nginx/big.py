"""Large bodies without large processes: an upstream that only counts, a client that only counts, and how much memory a process has had."""
import pathlib
import socket
import socketserver
import threading
import time

from harness import Settings

BLOCK = bytes(range(97, 123)) * 2521 + b"\n"  # about 64 KiB


class Counting(socketserver.StreamRequestHandler):
    """POST: counts the body and says how much and how it was framed. GET /N: N bytes with their length; GET /chunked/N: in chunks."""

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while line := self.rfile.readline():
                headers = {}
                while (text := self.rfile.readline().strip()):
                    name, _, value = text.decode("latin-1").lower().partition(":")
                    headers[name] = value.strip()
                self.answer(line.decode("latin-1").split(), headers)
        except (ConnectionError, ValueError, TimeoutError):
            pass

    def count(self, size):
        done = 0
        while done < size:
            got = len(self.rfile.read1(min(size - done, 1 << 20)))
            if not got:
                raise ConnectionError
            done += got
            self.server.got += got
            if self.server.pace:
                time.sleep(got / self.server.pace)
        return done

    def answer(self, line, headers):
        if line[0] == "GET":
            size, chunked = int(line[1].rsplit("/", 1)[1]), line[1].startswith("/chunked")
            self.wfile.write(b"HTTP/1.1 200 X\r\n" + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size) + b"\r\n\r\n")
            while size:
                part = BLOCK[:size]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                size -= len(part)
                self.server.sent += len(part)
            return self.wfile.write(b"0\r\n\r\n" if chunked else b"")
        self.server.got, how = 0, "chunked" if "chunked" in headers.get("transfer-encoding", "") else "sized"
        if how == "sized":
            done = self.count(int(headers.get("content-length", 0)))
        else:
            done = 0
            while size := int(self.rfile.readline().split(b";")[0], 16):
                done += self.count(size)
                self.rfile.readline()
            self.rfile.readline()
        body = b"%d %s" % (done, how.encode())
        self.wfile.write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


class CountingUpstream(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Counting)
        self.port = self.server_address[1]
        self.got = self.sent = 0
        self.pace = 0  # bytes a second that it reads; 0: all that comes
        threading.Thread(target=self.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def handle_error(self, request, client_address):
        pass


def upload(connection, target, size, headers=(), *, chunked=False, pause=0.0):
    """Sends a body of `size` bytes and reads the answer."""
    lines = [f"POST {target} HTTP/1.1", "Host: weir.test", *(f"{n}: {v}" for n, v in headers)]
    lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}")
    connection.send("\r\n".join([*lines, "", ""]).encode())
    left = size
    while left:
        part = BLOCK[:left]
        connection.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        left -= len(part)
        if pause:
            time.sleep(pause)
    if chunked:
        connection.send(b"0\r\n\r\n")
    return connection.read()


def download(connection, target, headers=(), *, pace=0, stop_at=None):
    """(bytes of the body, whether all of them came). `pace`: bytes a second; `stop_at`: leaves after so many."""
    lines = [f"GET {target} HTTP/1.1", "Host: weir.test", *(f"{n}: {v}" for n, v in headers), "", ""]
    connection.send("\r\n".join(lines).encode())
    f, total, length, chunked = connection.file, 0, None, False
    status = f.readline()
    while (text := f.readline().strip().lower()):
        if text.startswith(b"content-length:"):
            length = int(text.split(b":")[1])
        chunked = chunked or text.startswith(b"transfer-encoding: chunked")

    def take(size):
        nonlocal total
        while size:
            part = f.read1(min(size, 1 << 18))
            if not part:
                return False
            size -= len(part)
            total += len(part)
            if pace:
                time.sleep(len(part) / pace)
            if stop_at and total >= stop_at:
                return False
        return True
    if b" 200 " not in status:
        raise ConnectionError(status)
    if not chunked:
        return total, take(length) and total == length or total == length
    while size := int(f.readline() or b"0", 16):
        if not take(size):
            return total, False
        f.readline()
    return total, f.readline() == b"\r\n"


def status(pid, row):
    return next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(row + ":"))


class Growth:
    """How much more memory a process has at most, in kB, than when this began."""

    def __init__(self, pid):
        self.pid, self.before = pid, status(pid, "VmRSS")
        self.highest, self.stopping = self.before, False
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.stopping:
            self.highest = max(self.highest, status(self.pid, "VmRSS"))
            time.sleep(0.01)

    def kb(self):
        """0 where a sanitizer keeps what was freed: then it says nothing."""
        self.stopping = True
        self.thread.join()
        return 0 if Settings.preload else max(self.highest, status(self.pid, "VmRSS")) - self.before
