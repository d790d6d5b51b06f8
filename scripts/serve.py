#!/usr/bin/env python3
"""What `make run` and `make waf` start: an upstream with a small page, and `weir run` in front of it. Ctrl-C ends both.

usage: serve.py --weir build/bin/weir --port 8080 [--example headers|waf] -- ARGUMENTS OF weir run
"""
import argparse
import ctypes
import http.client
import http.server
import signal
import socket
import subprocess
import sys
import threading
import time

PAGE = b"""<!doctype html>
<title>Weir</title>
<h1>It works</h1>
<p>This page is the upstream's. It came through NGINX and the plugin in front of it.</p>
"""

# What to try, and what it shows. {url} is filled in.
EXAMPLES = {
    "headers": [
        ("curl -i {url}/", "the page: x-plugin is the plugin's, and the upstream's x-powered-by is gone"),
        ("curl {url}/headers", "what the upstream was sent: x-from-plugin is the plugin's"),
        ("curl -H 'x-debug: 1' {url}/headers", "the plugin took x-debug out"),
    ],
    "waf": [
        ("curl -i '{url}/?id=1%27%20OR%20%271%27=%271'", "an attack, SQL injection: the plugin answers 403"),
        ("curl -i --data 'comment=<script>alert(1)</script>' {url}/echo", "an attack in a body, cross-site scripting: 403"),
        ("curl -i '{url}/?id=1'", "an ordinary request: 200 and the page"),
    ],
    "": [
        ("curl -i {url}/", "the page, and the headers that your plugin left"),
        ("curl {url}/headers", "what the upstream was sent"),
        ("curl --data 'some text' {url}/echo", "a body, there and back"),
    ],
}


class Upstream(http.server.BaseHTTPRequestHandler):
    """/: the page. /headers: the request's headers. /echo: the request's body."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        size = self.headers.get("content-length")
        body = self.rfile.read(int(size)) if size and size.isdigit() else b""
        path = self.path.split("?")[0]
        status, kind, text = 200, "text/plain", body
        if path == "/":
            kind, text = "text/html", PAGE
        elif path == "/headers":
            text = "".join(f"{name.lower()}: {value}\n" for name, value in self.headers.items()).encode()
        elif path != "/echo":
            status, text = 404, b"there is /, /headers and /echo\n"
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.send_header("x-powered-by", "the upstream")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def log_message(self, *_):
        pass


def die_with_parent():
    """So that NGINX ends too when this process is killed (PR_SET_PDEATHSIG, 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def wait_for_answer(process, port):
    """An answer, whatever it says: the port alone is open for a moment already when NGINX checks its configuration."""
    start, said = time.monotonic(), 0
    while process.poll() is None:
        waited = int(time.monotonic() - start)
        if waited >= said + 5:  # a large plugin takes NGINX some seconds, the first time
            said = waited
            print(f"  … {waited} s (the first start compiles the plugin; later ones take it from the cache)", flush=True)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("HEAD", "/")
            connection.getresponse()
            return True
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--example", choices=EXAMPLES, default="")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()

    with socket.socket() as taken:  # else the port's other owner would be taken for our NGINX below
        if taken.connect_ex(("127.0.0.1", options.port)) == 0:
            sys.exit(f"port {options.port} of 127.0.0.1 is in use: end what listens there, or choose another, PORT=8081")

    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    upstream.daemon_threads = True
    threading.Thread(target=upstream.serve_forever, daemon=True).start()

    arguments = [a for i, a in enumerate(options.arguments) if (i, a) != (0, "--")]
    command = [options.weir, "run", *arguments, "--listen", f"127.0.0.1:{options.port}",
               "--to", f"http://127.0.0.1:{upstream.server_port}"]
    process = subprocess.Popen(command, preexec_fn=die_with_parent)
    ended = []

    def end(number, _):
        ended.append(number)
        process.terminate()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    if wait_for_answer(process, options.port):
        url = f"http://127.0.0.1:{options.port}"
        print(f"\nServing {url} – NGINX with the plugin, and a small upstream behind it. Try:\n", flush=True)
        for command, shows in EXAMPLES[options.example]:
            print(f"  {command.format(url=url)}\n      {shows}\n", flush=True)
        print("Ctrl-C ends it.", flush=True)
    code = process.wait()
    sys.exit(0 if ended else code)


main()
