"""HTTP/1.1 on a raw socket (so that a case decides every byte), HTTP/2 by curl."""
import re
import socket
import ssl
import subprocess
import tempfile
import time


class Response:
    def __init__(self, status, headers, body, complete=True):
        self.status, self.headers, self.body, self.complete = status, headers, body, complete

    def values(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name):
        values = self.values(name)
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode("latin-1")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}{'' if self.complete else ' INCOMPLETE'}>"


class Connection:
    def __init__(self, port, *, tls=False, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname="weir.test")
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def reset(self):
        """Leaves with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def read(self, *, head=False):
        """One response; 1xx ones are skipped. `complete` is false when the connection ended before the message did."""
        while True:
            line = self.file.readline().decode("latin-1")
            match = re.match(r"HTTP/1\.[01] (\d{3})", line)
            if not match:
                raise ConnectionError(f"no response but {line!r}")
            status, headers = int(match[1]), []
            while (text := self.file.readline().decode("latin-1").rstrip("\r\n")):
                name, _, value = text.partition(":")
                headers.append((name, value.strip()))
            if status >= 200:
                break
        lower = {n.lower(): v for n, v in headers}
        if "transfer-encoding" in lower and "content-length" in lower:
            raise ConnectionError("a response with both Content-Length and Transfer-Encoding")
        if head or status in (204, 304):
            return Response(status, headers, b"")
        if "chunked" in lower.get("transfer-encoding", ""):
            body = b""
            while True:
                line = self.file.readline()
                if not re.match(rb"[0-9a-fA-F]+", line):
                    return Response(status, headers, body, complete=False)
                if not (size := int(line.split(b";")[0], 16)):
                    while (trailer := self.file.readline()).strip():
                        name, _, value = trailer.decode("latin-1").partition(":")
                        headers.append((name, value.strip()))
                    return Response(status, headers, body)
                body += self.file.read(size)
                self.file.readline()
        if "content-length" in lower:
            body = self.file.read(int(lower["content-length"]))
            return Response(status, headers, body, complete=len(body) == int(lower["content-length"]))
        return Response(status, headers, self.file.read())


def message(method, target, headers=(), body=b"", *, chunks=None, host="weir.test", version="1.1"):
    """The bytes of a request. `chunks`: a chunked body of these pieces."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host:
        lines.append(f"Host: {host}")
    lines += [f"{n}: {v}" for n, v in (headers.items() if isinstance(headers, dict) else headers)]
    if chunks is not None:
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks if c) + b"0\r\n\r\n"
    elif body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def request(port, target="/echo", headers=(), body=b"", *, method=None, tls=False, chunks=None, timeout=10, **more):
    method = method or ("POST" if body or chunks is not None else "GET")
    with Connection(port, tls=tls, timeout=timeout) as c:
        c.send(message(method, target, headers, body, chunks=chunks, **more))
        return c.read(head=method == "HEAD")


def curl(url, *arguments, body=None, timeout=10):
    """One request by curl, HTTP/2 where the arguments or the listener say so. status 0: no response."""
    with tempfile.NamedTemporaryFile() as dump:
        done = subprocess.run(["curl", "-sk", "-m", str(timeout), "--path-as-is", "-D", dump.name, *arguments,
                               *(["--data-binary", "@-"] if body is not None else []), url], input=body, capture_output=True)
        head = dump.read().decode("latin-1")
    blocks = [b for b in head.replace("\r\n", "\n").split("\n\n") if b.startswith("HTTP/") and not b.split(" ")[1].startswith("1")]
    if not blocks:
        return Response(0, [], done.stdout, complete=False)
    first, *lines = blocks[0].split("\n")
    headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines)]
    result = Response(int(first.split()[1]), headers, done.stdout, complete=done.returncode == 0)
    result.version = first.split()[0]
    return result


def h2(port, target="/echo", headers=(), body=None, *, method=None, tls=False, timeout=10, arguments=(), early=False):
    """`early`: the answer may come before the body was read. NGINX 1.22 then resets the stream behind its answer, and curl, when the reset overtakes
    its reading, reports a stream without a response: so with `deny all` and no module at all. Such a request is sent again."""
    deadline = time.monotonic() + timeout
    while True:
        result = h2_once(port, target, headers, body, method=method, tls=tls, timeout=timeout, arguments=arguments)
        if result.status or not early or time.monotonic() > deadline:
            return result


def h2_once(port, target, headers, body, *, method, tls, timeout, arguments):
    pairs = headers.items() if isinstance(headers, dict) else headers
    options = [x for n, v in pairs for x in ("-H", f"{n}: {v}")]
    if method == "HEAD":
        options.append("-I")
    elif method:
        options += ["-X", method]
    options.append("--http2" if tls else "--http2-prior-knowledge")
    result = curl(f"{'https' if tls else 'http'}://127.0.0.1:{port}{target}", *options, *arguments, body=body, timeout=timeout)
    if result.status and result.version != "HTTP/2":
        raise ConnectionError(f"wanted HTTP/2, got {result.version}")
    return result
