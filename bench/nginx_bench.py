#!/usr/bin/env python3
"""What Weir costs in NGINX: bench/nginx_bench.py [--rounds 6] [--seconds 3] [--build DIR] [--no-waf] [--only REGEX]

CPU per request of one worker (user and system time of the process, helper threads included, from /proc), with wrk on 32 kept connections and a
second NGINX as upstream. Cases alternate in each round, so that what else runs on the machine meets all of them; the figure is the median of the rounds,
a difference is the median of the differences to the bare one in the same round. Prints a Markdown table."""
import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "nginx"))
import cases  # noqa: E402
import client  # noqa: E402
import run  # noqa: E402
from harness import NGINX, Settings, children, free_port, plugin, title, wait_for  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = sorted(os.sched_getaffinity(0))


class Server:
    """One NGINX with one worker on the first CPU."""

    def __init__(self, folder, name, http="", server="", main=""):
        self.port, self.dir = free_port(), folder / name
        self.dir.mkdir()
        self.dir.chmod(0o755)
        temp = " ".join(f"{n}_temp_path {self.dir}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        mask = format(1 << (CPUS[-1] if name == "upstream" else CPUS[0]), "b")
        (self.dir / "nginx.conf").write_text(f"""{main}
{"user www-data;" if os.geteuid() == 0 else ""}
worker_processes 1; worker_cpu_affinity {mask}; daemon off; pid {self.dir}/pid; error_log {self.dir}/error.log error;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; {temp} {http}
  server {{ listen 127.0.0.1:{self.port}; {server} }} }}
""")

    def start(self):
        self.process = subprocess.Popen([NGINX, "-p", self.dir, "-c", self.dir / "nginx.conf", "-e", self.dir / "error.log"], stderr=subprocess.DEVNULL)
        wait_for(lambda: self.process.poll() is None and self.workers(), 120, f"{self.dir.name} starts")
        wait_for(lambda: client_ok(self.port), 120)
        return self

    def workers(self):
        return [p for p in children(self.process.pid) if "worker process" in title(p)]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        (self.dir / "weir.trace").unlink(missing_ok=True)


def client_ok(port):
    try:
        return client.request(port, "/", timeout=5).status < 500
    except OSError:
        return False


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def load(port, seconds):
    out = subprocess.run(["taskset", "-c", str(CPUS[-1]), "wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{port}/"],
                         capture_output=True, text=True, check=True).stdout
    if re.search(r"Non-2xx|Socket errors", out):
        sys.exit(f"wrk saw failed requests:\n{out}")
    return int(re.search(r"(\d+) requests in", out)[1])


def measure(server, seconds):
    server.start()
    try:
        load(server.port, 1)
        worker, = server.workers()
        before = cpu_ticks(worker)
        count = load(server.port, seconds)
        if count == 0:
            sys.exit(f"{server.dir.name}: no request was answered in {seconds} s")
        return (cpu_ticks(worker) - before) / TICKS / count * 1e6
    finally:
        server.stop()


def per_request(folder, rounds, seconds, only):
    upstream = Server(folder, "upstream", server='location / { default_type text/plain; return 200 "hello from upstream, 64 bytes of body, as a small reply has: xx\\n"; }').start()
    proxy = f"upstream up {{ server 127.0.0.1:{upstream.port}; keepalive 64; keepalive_requests 1000000000; }}"
    location = 'location / { %s proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    module, guests = f"load_module {Settings.module};", Settings.guests
    cache = f"weir_cache {Settings.cache};"
    rust = {name: plugin(f"rust-{name}.wasm") for name in ("noop", "headers")}

    def weir(name, *files, more="", beside=""):
        lines = "".join(f"weir_plugin p{i} {file}; " for i, file in enumerate(files))
        names = " ".join(f"p{i}" for i in range(len(files)))
        return Server(folder, name, f"{cache} {lines} {proxy}", location % f"weir {names}; {more}" + beside, module)

    def recorded(name, sample, *files):
        return weir(name, *files, more=f"weir_record {folder}/{name}/weir.trace sample={sample} max=100g;")

    rows = {"NGINX alone": Server(folder, "bare", proxy, location % ""), "module loaded, not used": Server(folder, "idle", f"{cache} {proxy}", location % "", module),
            "no-op plugin (C)": weir("noop", guests / "noop.wasm"), "10 no-op plugins (C)": weir("noop10", *[guests / "noop.wasm"] * 10),
            "headers plugin (C)": weir("headers", guests / "headers.wasm"), "10 headers plugins (C)": weir("headers10", *[guests / "headers.wasm"] * 10)}
    if rust["noop"]:
        rows["no-op plugin (Rust)"] = weir("rust-noop", rust["noop"])
    if rust["headers"]:
        configured = f"{rust['headers']} config={ROOT}/plugins/rust/headers/headers.json"
        rows["headers plugin (Rust): two headers set, two removed"] = weir("rust-headers", configured)
        rows["the same, `weir_record` in another location"] = weir("rust-elsewhere", configured,
                                                                      beside=f"location /x {{ weir p0; weir_record {folder}/rust-elsewhere/weir.trace; }}")
        rows["the same, `weir_record … sample=0`: for traps"] = recorded("rust-record-0", "0", configured)
        rows["the same, `weir_record … sample=1%`"] = recorded("rust-record-1", "1%", configured)
        rows["the same, `weir_record … sample=1% traps=off`"] = recorded("rust-record-1-off", "1% traps=off", configured)
        rows["the same, `weir_record …`: every request"] = recorded("rust-record-all", "100%", configured)
    rows = {name: server for name, server in rows.items() if name == "NGINX alone" or re.search(only, name)}
    figures = {name: [] for name in rows}
    try:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for name, server in rows.items():
                figures[name].append(measure(server, seconds))
    finally:
        upstream.stop()
    bare = figures["NGINX alone"]
    print("| NGINX with | CPU per request, µs: median (least) | more than NGINX alone, µs | for each plugin of the chain, µs |\n|---|---|---|---|")
    for name, values in figures.items():
        more = statistics.median(v - b for v, b in zip(values, bare))
        each = f"{more / 10:.2f}" if name.startswith("10 ") else ""
        print(f"| {name} | {statistics.median(values):.2f} ({min(values):.2f}) | {'' if values is bare else f'{more:+.2f}'} | {each} |")


def first_answer(server, limit=300):
    """Seconds from the start of NGINX to the first 200."""
    start = time.monotonic()
    server.process = subprocess.Popen([NGINX, "-p", server.dir, "-c", server.dir / "nginx.conf", "-e", server.dir / "error.log"])
    while time.monotonic() - start < limit:
        try:
            if client.request(server.port, "/", [("User-Agent", "Mozilla/5.0"), ("Accept", "*/*")], timeout=20).status == 200:
                break
        except OSError:
            time.sleep(0.01)
    else:
        sys.exit("Coraza never answered")
    seconds = time.monotonic() - start
    server.stop()
    return seconds


def waf(folder, rounds):
    found = plugin("coraza*.wasm")
    if not found:
        print("\n(the Coraza plugin is not built: its start was not measured)")
        return
    cache = folder / "waf-cache"
    cache.mkdir(mode=0o700)
    server = Server(folder, "waf", f"weir_cache {cache}; weir_plugin waf {found} config={ROOT}/plugins/coraza/coraza.json memory=512m timeout=2s;",
                    'location / { weir waf; root /usr/share/nginx/html; try_files /index.html =404; }', f"load_module {Settings.module};")
    cold = first_answer(server)
    warm = [first_answer(server) for _ in range(rounds)]
    print(f"\n| Coraza with its core rule set, start of NGINX to the first 200 | s |\n|---|---|\n| cold (nothing compiled yet) | {cold:.2f} |\n"
          f"| from the cache: median (least) | {statistics.median(warm):.2f} ({min(warm):.2f}) |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--build")
    parser.add_argument("--no-waf", action="store_true")
    parser.add_argument("--only-waf", action="store_true")
    parser.add_argument("--only", default="", help="rows whose name fits, and NGINX alone")
    options = parser.parse_args()
    options.asan = False
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        run.settings(options, folder)
        print(f"`bench/nginx_bench.py --rounds {options.rounds} --seconds {options.seconds}`; {len(CPUS)} CPUs, load average {os.getloadavg()[0]:.1f} at the start\n")
        if not options.only_waf:
            per_request(folder, options.rounds, options.seconds, options.only)
        if not options.no_waf:
            waf(folder, min(options.rounds, 5))


if __name__ == "__main__":
    main()
