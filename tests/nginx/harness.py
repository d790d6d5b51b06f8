"""Stock NGINX in a private folder on free ports of 127.0.0.1, with a generated configuration."""
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

NGINX = os.environ.get("WEIR_NGINX", "/usr/sbin/nginx")
LEVELS = re.compile(r"\[(alert|crit|emerg)\]")


class Settings:
    """What run.py was told; the same for all cases."""
    module = None        # ngx_http_weir_module.so
    weir = None          # build/bin/weir
    guests = None        # folder of built guests
    plugins = []         # folders of example and real plugins
    cache = None         # code cache of the run
    preload = ""         # sanitizer libraries


def plugin(name):
    """The path of a real plugin, by file name, or None."""
    for folder in Settings.plugins:
        for found in sorted(pathlib.Path(folder).rglob(name)):
            return found
    return None


HANDED_OUT = set()


def free_port():
    while True:
        port = random.randrange(20000, 32000)  # below the range of outgoing connections
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                if port not in HANDED_OUT:
                    HANDED_OUT.add(port)
                    return port


def wait_for(test, seconds=5, what=""):
    seconds *= 4 if Settings.preload else 1  # a sanitizer is slow
    end = time.monotonic() + seconds
    while True:
        if value := test():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what or test}")
        time.sleep(0.02)


def children(pid):
    with contextlib.suppress(OSError):
        return sorted(int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return []


def title(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def certificate(folder):
    key, cert = folder / "key.pem", folder / "cert.pem"
    if not cert.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=weir.test", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return key, cert


class Nginx:
    """`plugins`: lines of the http block (weir_plugin …). `locations`: of the server. {up} {dir} {guests} {cert} {key} are filled in."""

    def __init__(self, plugins="", locations="", *, upstream=None, http="", main="", workers=1, cache=True, module=True, log_level="info"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-e2e-"))
        self.dir.chmod(0o755)
        self.upstream, self.workers, self.module, self.log_level = upstream, workers, module, log_level
        self.port, self.h2, self.tls, self.http3 = free_port(), free_port(), free_port(), None
        self.process, self.log_seen = None, 0
        self.cache = Settings.cache if cache is True else cache
        self.environment = {k: v for k, v in os.environ.items() if k not in ("NGINX", "LD_PRELOAD")}
        if Settings.preload:
            self.environment |= {"LD_PRELOAD": Settings.preload, "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={self.dir}/sanitizer",
                                 "ASAN_OPTIONS": f"detect_leaks=0:log_path={self.dir}/sanitizer:detect_odr_violation=0"}
        self.write(plugins, locations, http=http, main=main)

    def write(self, plugins="", locations="", *, http="", main=""):
        key, cert = certificate(self.dir)
        cache = "" if not self.module or self.cache is None else f"weir_cache {self.cache};"
        temp = " ".join(f"{n}_temp_path {self.dir}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        up = f"127.0.0.1:{self.upstream.port}" if self.upstream else "127.0.0.1:1"
        body = f"""
{f"load_module {Settings.module};" if self.module else ""}
{"user www-data;" if os.geteuid() == 0 else ""}
worker_processes {self.workers};
daemon off;
pid {self.dir}/nginx.pid;
error_log {self.dir}/error.log {self.log_level};
{"env LD_PRELOAD; env ASAN_OPTIONS; env UBSAN_OPTIONS;" if Settings.preload else ""}
{main}
events {{ worker_connections 1024; }}
http {{
  access_log off; {temp}
  types {{ text/plain txt; text/html html; }} default_type text/plain;
  {cache}
  {plugins}
  {http}
  upstream up {{ server {up}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{self.port}; listen 127.0.0.1:{self.h2} http2; listen 127.0.0.1:{self.tls} ssl http2;
    ssl_certificate {cert}; ssl_certificate_key {key};
    proxy_http_version 1.1; proxy_set_header Connection "";
    {locations or "location / { proxy_pass http://up; }"}
  }}
}}
"""
        for name, value in {"dir": self.dir, "guests": Settings.guests, "up": up, "key": key, "cert": cert}.items():
            body = body.replace("{" + name + "}", str(value))
        self.conf = self.dir / "nginx.conf"
        fresh = self.dir / "nginx.conf.new"
        fresh.write_text(body)
        fresh.replace(self.conf)  # a reload may be reading it

    def file(self, name, content):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o644)
        return path

    def command(self, *more):
        return [NGINX, "-p", str(self.dir), "-c", str(self.conf), "-e", str(self.dir / "error.log"), *more]

    def check(self, timeout=60):
        """`nginx -t`: (exit code, what it printed)."""
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, timeout=timeout, env=self.environment)
        return done.returncode, done.stdout + done.stderr

    def start(self, seconds=60):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=open(self.dir / "stderr", "wb"), env=self.environment)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"nginx ended with {self.process.returncode}:\n{(self.dir / 'stderr').read_text()}\n{self.log()}")
            with contextlib.suppress(OSError):
                return len(self.pids()) >= self.workers and not socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        wait_for(ready, seconds, "nginx answers")
        return self

    def pids(self):
        return [p for p in children(self.process.pid) if "worker process" in title(p) and "shutting down" not in title(p)]

    def all_pids(self):
        return children(self.process.pid)

    def reload(self, *, wait=True, seconds=30):
        before = self.pids()
        self.process.send_signal(signal.SIGHUP)
        if wait:
            wait_for(lambda: len(self.pids()) >= self.workers and not set(self.pids()) & set(before), seconds, "new workers")

    def log(self):
        with contextlib.suppress(OSError):
            return (self.dir / "error.log").read_text(errors="replace")
        return ""

    def mark(self):
        self.log_seen = len(self.log())

    def new_log(self):
        return self.log()[self.log_seen:]

    def wait_log(self, pattern, seconds=5):
        return wait_for(lambda: re.search(pattern, self.new_log()), seconds,
                        lambda: f"/{pattern}/ in the log; it has:\n{self.new_log()[-3000:]}")

    def bad_lines(self, expected=None):
        return [line for line in self.new_log().splitlines()
                if LEVELS.search(line) and not (expected and re.search(expected, line))]

    def sanitizer_reports(self):
        return [p.read_text(errors="replace") for p in self.dir.glob("sanitizer*")]

    def stop(self):
        code = None
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(15)
            except subprocess.TimeoutExpired:
                for pid in self.all_pids():
                    os.kill(pid, signal.SIGKILL)
                self.process.kill()
                code = self.process.wait()
                raise AssertionError("nginx did not end within 15 s of SIGTERM")
        return code

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
