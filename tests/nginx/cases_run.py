"""`weir run`: NGINX in front of an upstream by one command."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from cases import Skip, case, each, equal, has
from client import curl, h2, request
from harness import Settings, certificate, children, free_port, title, wait_for


class Run:
    """One `weir run`; its output goes to a file."""

    def __init__(self, *arguments, environment=None, folder=None):
        if not Settings.weir.exists():
            raise Skip(f"{Settings.weir} is not built")
        self.dir = pathlib.Path(folder or tempfile.mkdtemp(prefix="weir-run-"))
        self.dir.chmod(0o755)
        self.arguments = [str(Settings.weir), *map(str, arguments)]
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.dir), "XDG_CACHE_HOME": str(self.dir / "cache"), "WEIR_MODULES": str(Settings.module.parent),
                            **(environment or {})}
        self.environment.pop("NGINX", None)
        if Settings.preload:
            self.environment |= {"LD_PRELOAD": Settings.preload, "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0"}
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, port, seconds=30):
        self.output = open(self.dir / "output", "wb")
        self.process = subprocess.Popen(self.arguments, stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment, cwd=self.dir)

        def ready():
            assert self.process.poll() is None, f"weir run ended with {self.process.returncode}: {self.text()}"
            # Not the port alone: `nginx -t` opens it too, and then goes away.
            if not any("nginx: worker process" in title(p) for p in descendants(self.process.pid)):
                return False
            with contextlib.suppress(OSError):
                return not socket.create_connection(("127.0.0.1", port), 0.2).close()
        wait_for(ready, seconds, "weir run answers")
        return self

    def once(self, seconds=60):
        done = subprocess.run(self.arguments, capture_output=True, text=True, env=self.environment, timeout=seconds, cwd=self.dir)
        return done.returncode, done.stdout + done.stderr

    def text(self):
        return (self.dir / "output").read_text(errors="replace")


def descendants(pid):
    below = children(pid)
    return below + [p for child in below for p in descendants(child)]


def guest(name):
    return Settings.guests / name


def to(t):
    return f"http://127.0.0.1:{t.up.port}"


def listen(port):
    return f"127.0.0.1:{port}"


@case()
def one_plugin(t):
    port = free_port()
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port), "--to", to(t)) as run:
        run.start(port)
        r = request(port, "/echo", [("x-do", "rh add x-new 1;sh add x-out 2")])
        equal((r.status, t.up.last().get("x-new"), r.get("x-out")), (200, "1", "2"))


@case()
def plugins_with_configuration_in_order(t):
    port = free_port()
    with Run("run") as run:
        (run.dir / "a.conf").write_text("do rh add x-order a")
        (run.dir / "b.conf").write_text("do rh add x-order b")
        run.arguments += ["--plugin", str(guest("script.wasm")), "--config", "a.conf", "--plugin", str(guest("script.wasm")), "--config", "b.conf",
                          "--plugin", str(guest("script.wasm")), "--config-inline", "do rh add x-order 'c\"$;", "--listen", listen(port), "--to", to(t)]
        run.start(port)
        equal(request(port).status, 200)
        equal(t.up.last().values("x-order"), ["a", "b", "'c\"$"])


@case()
def without_an_upstream_there_is_a_page(t):
    port = free_port()
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port)) as run:
        run.start(port)
        r = request(port, "/", [("x-do", "sh add x-out 1")])
        equal((r.status, r.get("x-out")), (200, "1"))
        assert r.body


@each([("TERM", signal.SIGTERM), ("INT", signal.SIGINT), ("QUIT", signal.SIGQUIT)])
def signals_end_it_with_0(t, which):
    port = free_port()
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port), "--to", to(t)) as run:
        run.start(port)
        run.process.send_signal(which)
        equal(run.process.wait(10), 0)
        with contextlib.suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            raise AssertionError("the port is still served")


@case()
def it_becomes_nginx(t):
    """Without --watch the process is NGINX's master itself: signals and exit code are NGINX's own."""
    port = free_port()
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port), "--to", to(t)) as run:
        run.start(port)
        equal(os.path.basename(os.readlink(f"/proc/{run.process.pid}/exe")), "nginx")
        run.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        equal(request(port).status, 200)


@case()
def print_config_is_one_nginx_takes(t):
    port = free_port()
    with Run("run", "--print-config", "--plugin", guest("script.wasm"), "--listen", listen(port), "--to", to(t)) as run:
        code, text = run.once()
        equal(code, 0)
        has(text, "weir_plugin")
        has(text, "load_module")


YAML = """
workers: 2
plugins:
  first: {guests}/script.wasm
  second:
    file: {guests}/script.wasm
    config_inline: "do sh add x-order second"
    memory: 32m
    timeout: 100ms
    on_error: open
upstreams:
  app: http://127.0.0.1:{up}
listeners:
  - listen: 127.0.0.1:{port}
    plugins: [first]
    to: app
    routes:
      - {{path: /both/, plugins: [first, second], to: app}}
      - {{path: /files/, root: ./public, plugins: [second]}}
      - {{path: "= /health", respond: {{status: 200, body: fine}}, plugins: []}}
  - listen: 127.0.0.1:{tls}
    tls: {{certificate: cert.pem, key: key.pem}}
    http2: true
    plugins: [second]
    to: app
"""


@case()
def yaml_file(t):
    port, tls = free_port(), free_port()
    with Run("run", "--file", "weir.yaml") as run:
        (run.dir / "weir.yaml").write_text(YAML.format(guests=Settings.guests, up=t.up.port, port=port, tls=tls))
        (run.dir / "public").mkdir()
        (run.dir / "public/a.txt").write_text("a file")
        [p.chmod(0o644) for p in certificate(run.dir)]
        run.start(port)
        r = request(port, "/both/x", [("x-do", "rh add x-first 1")])
        equal((r.status, r.get("x-order"), t.up.last().get("x-first")), (200, "second", "1"))
        r = request(port, "/echo")
        equal((r.status, r.get("x-order")), (200, None))
        r = request(port, "/files/a.txt")
        equal((r.status, r.body, r.get("x-order")), (200, b"a file", "second"))
        equal(request(port, "/health").body, b"fine")
        r = h2(tls, "/echo", tls=True)
        equal((r.status, r.get("x-order")), (200, "second"))


@case()
def fifty_requests_with_bodies(t):
    port = free_port()
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port), "--to", to(t)) as run:
        run.start(port)
        for i in range(50):
            r = request(port, "/echo", [("x-do", "rb hold;rb append !;sb hold;sb append ?")], b"%d" % i)
            equal((r.status, r.body[-2:]), (200, b"!?"))


# ---- bad input ----------------------------------------------------------------------------------------------------
def refused(run, code, *patterns):
    got, text = run.once()
    assert got == code, f"exit code {got}: {text}"
    for p in patterns:
        assert re.search(p, text), f"/{p}/ not in: {text}"
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) <= 12, f"one message, not {len(lines)} lines: {text}"


@case()
def missing_plugin_file(t):
    with Run("run", "--plugin", "none.wasm") as run:
        refused(run, 1, "none.wasm", "(?i)no such file")


@case()
def plugin_that_refuses_its_configuration(t):
    with Run("run", "--plugin", guest("script.wasm"), "--config-inline", "start false") as run:
        refused(run, 1, "on_configure", "script")


@case()
def plugin_with_an_unknown_import(t):
    with Run("run", "--plugin", guest("bad/unknown_import.wasm")) as run:
        refused(run, 1, "proxy_get_header_map_valu", "unknown_import")


@case()
def unknown_flag(t):
    with Run("run", "--plugn", "x.wasm") as run:
        refused(run, 2, "--plugn", "--plugin")


@case()
def port_in_use(t):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port)) as run:
            refused(run, 1, str(port), "(?i)in use")


@case()
def wrong_nginx_version(t):
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(free_port())) as run:
        fake = run.dir / "nginx"
        fake.write_text("#!/bin/sh\n"
                        'if [ "$1" = -v ]; then echo "nginx version: nginx/1.31.5" >&2; exit 0; fi\n'
                        f'for a; do case $a in *nginx.conf*) echo "nginx: [emerg] module \\"{Settings.module}\\" version 1022001 instead of 1031005 in $a:1" >&2;; esac; done\n'
                        "exit 1\n")
        fake.chmod(0o755)
        run.environment["WEIR_NGINX"] = str(fake)
        refused(run, 1, r"1\.31\.5", r"(?i)build|module")


@case()
def not_nginx_at_all(t):
    with Run("run", "--plugin", guest("script.wasm")) as run:
        run.environment["WEIR_NGINX"] = "/bin/true"
        refused(run, 1, "/bin/true", "(?i)not nginx")


@case()
def no_module(t):
    with Run("run", "--plugin", guest("script.wasm"), environment={"WEIR_MODULES": "/nowhere"}) as run:
        refused(run, 1, "/nowhere", "(?i)make build|WEIR_MODULES")


YAML_FAULTS = [("unknown key", "plugns: {}\n", "plugns.*plugins"), ("not yaml", "plugins: [\n", r"weir\.yaml:\d+"), ("undeclared plugin", "listeners: [{listen: 127.0.0.1:1, plugins: [nobody]}]\n", "nobody"),
               ("bad port", "listeners: [{listen: 127.0.0.1:99999}]\n", "99999"), ("empty", "", "weir.yaml")]


@each(YAML_FAULTS)
def yaml_fault(t, text, pattern):
    with Run("run", "--file", "weir.yaml") as run:
        (run.dir / "weir.yaml").write_text(text)
        code, out = run.once()
        if text == "" and code == 0:
            return
        assert code in (1, 2) and re.search(pattern, out), (code, out)


@case()
def environment_variable_nginx_is_not_taken(t):
    port = free_port()
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port), "--to", to(t)) as run:
        run.environment["NGINX"] = "99;"
        run.start(port)
        equal(request(port).status, 200)


# ---- watch --------------------------------------------------------------------------------------------------------
@case()
def watch_takes_the_new_and_keeps_the_old(t):
    port = free_port()
    with Run("run", "--watch", "--plugin", "p.wasm", "--config", "p.conf", "--listen", listen(port), "--to", to(t)) as run:
        plugin, config = run.dir / "p.wasm", run.dir / "p.conf"
        plugin.write_bytes(guest("script.wasm").read_bytes())
        config.write_text("do sh add x-v 1")
        run.start(port)
        equal(request(port).get("x-v"), "1")
        config.write_text("do sh add x-v 2")
        wait_for(lambda: request(port).get("x-v") == "2", 10, f"the new configuration: {run.text()}")
        plugin.write_bytes(b"\0asm broken")
        wait_for(lambda: "not reloaded" in run.text(), 10, f"a message: {run.text()}")
        equal(request(port).get("x-v"), "2")
        config.write_text("start false")
        plugin.write_bytes(guest("script.wasm").read_bytes())
        wait_for(lambda: "on_configure" in run.text(), 10, f"a message: {run.text()}")
        equal(request(port).get("x-v"), "2")
        config.write_text("do sh add x-v 3")
        wait_for(lambda: request(port).get("x-v") == "3", 10, f"the repaired one: {run.text()}")
        run.process.terminate()
        equal(run.process.wait(10), 0)


@case()
def as_an_ordinary_user(t):
    """No /var, no root: everything in its private folder."""
    if os.geteuid() != 0:
        raise Skip("the other cases already run as an ordinary user")
    port = free_port()
    with Run("run", "--plugin", guest("script.wasm"), "--listen", listen(port), "--to", to(t)) as run:
        with tempfile.TemporaryDirectory(prefix="weir-user-", dir="/tmp") as home:
            build = pathlib.Path(home) / "build"
            for source in (Settings.weir, *Settings.module.parent.glob("*.so*")):
                target = build / source.parent.name / source.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
            shutil.chown(home, "nobody")
            run.arguments[0] = str(build / Settings.weir.parent.name / "weir")
            run.environment |= {"HOME": home, "XDG_RUNTIME_DIR": home, "XDG_CACHE_HOME": f"{home}/cache", "WEIR_MODULES": str(build / Settings.module.parent.name)}
            run.arguments = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *run.arguments]
            run.start(port)
            equal(request(port, "/echo", [("x-do", "sh add x-out 1")]).get("x-out"), "1")
            run.process.terminate()
            equal(run.process.wait(10), 0)
