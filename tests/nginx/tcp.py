"""TCP backends, clients and nginx with a stream{} block, for cases_tcp.py."""
import contextlib
import os
import pathlib
import re
import socket
import ssl
import struct
import threading

from harness import Settings, certificate, free_port, wait_for

STREAM = pathlib.Path(os.environ.get("WEIR_NGINX_STREAM", "/usr/lib/nginx/modules/ngx_stream_module.so"))


class Backend:
    """`serve(socket)` for each connection, in a thread; `seen`: what echo() and the like received, one bytearray a connection."""

    def __init__(self, serve=None, tls=None):
        self.port, self.serve, self.tls, self.seen, self.ended = free_port(), serve or self.echo, tls, [], 0
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        with contextlib.suppress(OSError), connection:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.serve(connection)
        self.ended += 1

    def receive(self, connection, size=65536):
        """Chunks until the peer ends."""
        got = bytearray()
        self.seen.append(got)
        while chunk := connection.recv(size):
            got += chunk
            yield chunk

    def echo(self, connection):
        for chunk in self.receive(connection):
            connection.sendall(chunk)

    def sink(self, connection):
        for _ in self.receive(connection):
            pass

    def close(self):
        self.listener.close()


class Client:
    def __init__(self, port, tls=None, timeout=10, name="weir.test"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, size):
        """Exactly that many bytes, or fewer when the connection ends."""
        got = b""
        while len(got) < size and (chunk := self.socket.recv(size - len(got))):
            got += chunk
        return got

    def quiet(self, seconds=0.15):
        """Nothing comes for that long."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)

    def rest(self):
        got = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while chunk := self.socket.recv(65536):
                got += chunk
        return got


def client_tls(certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate[1], certificate[0])
    return context


def server_tls(folder):
    key, cert = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def module():
    found = Settings.module.with_name("ngx_stream_weir_module.so")
    assert found.exists(), f"no {found}: build it (make build)"
    assert STREAM.exists(), f"no {STREAM}: apt-get install libnginx-mod-stream, or set WEIR_NGINX_STREAM"
    return found


def stream_block(body, cache=True):
    return f"""load_module {STREAM}; load_module {module()};
stream {{ {f"weir_cache {Settings.cache};" if cache else ""} {body} }}"""


def nginx(t, plugins, servers, backend=None, *, both=False, http_plugins="", locations="", cache=True, **more):
    """nginx with a stream{} block. `@NAME` in `servers` is a free port, the same each time; n.tcp[NAME] has it. `%B`: the backend."""
    ports = {}

    def port(match):
        return str(ports.setdefault(match[1], free_port()))

    def block():
        body = re.sub(r"@(\w+)", port, servers).replace("%B", f"127.0.0.1:{backend.port if backend else 1}")
        return stream_block(f"{plugins} {body}", cache)
    n = t.nginx(http_plugins, locations, main=block(), module=both, **more)
    n.tcp, n.again = ports, block
    return n


def unused_port():
    return free_port()


__all__ = ["Backend", "Client", "client_tls", "nginx", "server_tls", "wait_for", "unused_port"]
