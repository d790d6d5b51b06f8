#!/usr/bin/env python3
"""Weir in NGINX under much of everything: bench/load_bench.py [paused] [upload] [download] [reloads] [--build DIR] [options]

  paused     --count 10000       that many requests at once, held by a plugin; the worker's memory for each
  upload     --gigabytes 5       one body past plugins, with and without proxy_request_buffering; how much the worker grew
  download   --megabytes 1000    the same the other way
  reloads    --reloads 50        GET, POST, paused, answered by the plugin, HTTP/1.1 and HTTP/2, while NGINX reloads

Without names: all of them. Ends with 1 when a request failed, memory or descriptors grew, or a worker stayed. Prints Markdown."""
import argparse
import os
import pathlib
import resource
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "nginx"))
import cases  # noqa: E402
import run  # noqa: E402
from big import CountingUpstream, Growth, download, status, upload  # noqa: E402
from client import Connection, h2, message, request  # noqa: E402
from harness import wait_for  # noqa: E402
from load import Load, mixed  # noqa: E402

MB, GB = 1 << 20, 1 << 30
problems = []


def check(good, what):
    if not good:
        problems.append(what)


def hold(port, count):
    """`count` connections, each with a request that nobody has answered yet."""
    held = []
    for i in range(count):
        c = Connection(port, timeout=120)
        c.send(message("GET", f"/held/{i}"))
        held.append(c)
    return held


def paused_requests(bench, count):
    n = bench.nginx("weir_plugin gate {guests}/gate.wasm;", "location / { weir gate; root {dir}/www; try_files /page.txt =404; }",
                    main=f"worker_rlimit_nofile {min(2 * count + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])};")
    n.conf.write_text(n.conf.read_text().replace("worker_connections 1024", f"worker_connections {2 * count + 500}"))
    n.file("www/page.txt", "page")
    n.start()
    worker, = n.pids()
    for c in hold(n.port, 50):
        c.close()
    time.sleep(0.5)
    base = status(worker, "VmRSS")
    idle = [Connection(n.port, timeout=120) for _ in range(count)]
    time.sleep(1)
    connected = status(worker, "VmRSS")
    for c in idle:
        c.close()
    time.sleep(1)
    start = time.monotonic()
    held = hold(n.port, count)
    time.sleep(1)
    full = status(worker, "VmRSS")
    took = time.monotonic() - start
    start = time.monotonic()
    answer = request(n.port, "/open", [("x-open", "1")], timeout=60).status
    check(answer == 200, f"the request that opens the gate: {answer}")
    failed = 0
    for c in held:
        r = c.read()
        failed += not (r.status == 200 and r.body == b"page")
        c.close()
    released = time.monotonic() - start
    check(not failed, f"{failed} of {count} held requests failed")
    time.sleep(1)
    after = status(worker, "VmRSS")
    again = hold(n.port, count)
    time.sleep(1)
    for c in again:
        c.reset()
    time.sleep(2)
    second = status(worker, "VmRSS")
    check(second - after < 4096, f"memory after a second round: {after} -> {second} kB")
    problems.extend(n.bad_lines())
    print(f"| held requests | worker before, MB | with that many idle connections | all held | for each request, kB | all answered after | failed |\n|---|---|---|---|---|---|---|\n"
          f"| {count} | {base / 1024:.1f} | {connected / 1024:.1f} | {full / 1024:.1f} | {(full - base) / count:.2f} | {released:.1f} s (came in {took:.1f} s) | {failed} |\n")


def site(bench, counting):
    n = bench.nginx("weir_plugin s {guests}/script.wasm timeout=5s;", """
      weir s; client_max_body_size 0; proxy_max_temp_file_size 0;
      location / { proxy_pass http://127.0.0.1:%d; }
      location /stream { proxy_request_buffering off; proxy_pass http://127.0.0.1:%d; }
      location /off { weir off; proxy_pass http://127.0.0.1:%d; }
    """ % ((counting.port,) * 3))
    n.start()
    return n


def rows(bench, run_one, table):
    print(f"| {table} | how the plugin sees it | worker grew, kB | s |\n|---|---|---|---|")
    for where, how, arguments in run_one["rows"]:
        worker, = run_one["n"].pids()
        growth, start = Growth(worker), time.monotonic()
        good = run_one["do"](*arguments)
        grew, took = growth.kb(), time.monotonic() - start
        check(good, f"{table}, {where}, {how}: not all of it arrived")
        check(grew < 8192, f"{table}, {where}, {how}: the worker grew by {grew} kB")
        print(f"| {where} | {how} | {grew} | {took:.1f} |", flush=True)
    print()


def uploads(bench, size):
    counting = CountingUpstream()
    n = site(bench, counting)

    def one(target, commands, chunked):
        with Connection(n.port, timeout=900) as c:
            return upload(c, target, size, [("x-do", commands)], chunked=chunked).text.startswith(f"{size} ")
    rows(bench, {"n": n, "do": one, "rows": [
        ("buffered (to a file)", "looks on", ("/", "", False)), ("proxy_request_buffering off", "looks on", ("/stream", "", False)),
        ("proxy_request_buffering off, chunked", "looks on", ("/stream", "", True)), ("proxy_request_buffering off", "changes each chunk", ("/stream", "rb shout", False))]},
         f"upload of {size / GB:g} GB")
    problems.extend(n.bad_lines())


def downloads(bench, size):
    counting = CountingUpstream()
    n = site(bench, counting)

    def one(commands, pace):
        with Connection(n.port, timeout=900) as c:
            return download(c, f"/{size}", [("x-do", commands)], pace=pace) == (size, True)
    rows(bench, {"n": n, "do": one, "rows": [("a fast client", "looks on", ("", 0)), ("a fast client", "changes each chunk", ("sb shout", 0)),
                                            ("a client that takes 100 MB/s", "changes each chunk", ("sb shout", 100 * MB))]}, f"download of {size / MB:g} MB")
    problems.extend(n.bad_lines())


def reloads(bench, count, seconds):
    n = bench.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; } location /static/ { alias {dir}/www/; }", workers=2, log_level="notice")
    n.file("www/page.txt", "page")
    n.start()
    master = n.process.pid

    def sample():
        return status(master, "VmRSS"), len(os.listdir(f"/proc/{master}/fd")), len(os.listdir(f"/proc/{master}/task"))
    over_h2, stop = {"count": 0, "failed": []}, threading.Event()

    def http2():
        i = 0
        while not stop.is_set():
            i += 1
            commands = ["", "rh pause 20;sh pause 20", "rb hold;rb append !", "sb hold;sb append !", "rh local 403 no"][i % 5]
            r = h2(n.h2, f"/echo/{i}", {"x-do": commands}, b"b" * (i * 997 % 30000 + 1), early=True)
            over_h2["count"] += 1
            if r.status not in (200, 403) or not r.complete:
                over_h2["failed"].append(repr(r))
    thread = threading.Thread(target=http2)
    samples = []
    with Load(n.port, mixed, threads=6) as load:
        thread.start()
        for _ in range(count):
            n.reload(wait=False)
            time.sleep(seconds / count)
            samples.append(sample())
        stop.set()
        thread.join()
    try:
        wait_for(lambda: len(n.all_pids()) == 2, 20, "old workers leave")
        stayed = 0
    except AssertionError:
        stayed = len(n.all_pids()) - 2
    check(not stayed, f"{stayed} old workers stayed")
    last, early = sample(), samples[min(5, len(samples) - 1)]
    check(not load.failures, f"{len(load.failures)} failed: {load.failures[:3]}")
    check(not over_h2["failed"], f"HTTP/2: {over_h2['failed'][:3]}")
    check(last[0] - early[0] < 2048, f"the master's memory grew: {early[0]} -> {last[0]} kB")
    check(last[1] <= early[1] and last[2] == early[2], f"the master's descriptors and threads: {early[1:]} -> {last[1:]}")
    problems.extend(n.bad_lines())
    print(f"| reloads | requests, HTTP/1.1 and HTTP/2 | failed | master's memory after the first few, at the end | its descriptors | old workers that stayed |\n|---|---|---|---|---|---|\n"
          f"| {count} in {seconds} s | {load.count} and {over_h2['count']} | {len(load.failures) + len(over_h2['failed'])} | {early[0]} kB, {last[0]} kB | {early[1]}, {last[1]} | {stayed} |\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], "paused", "upload", "download", "reloads"])
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=35, help="of the reloads")
    parser.add_argument("--build")
    options = parser.parse_args()
    options.asan = False
    parts = options.parts or ["paused", "upload", "download", "reloads"]
    wanted = 2 * options.count + 1000
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, limit[1]) if limit[1] > 0 else wanted, limit[1]))
    print(f"`bench/load_bench.py {' '.join(sys.argv[1:])}`; {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory(prefix="weir-e2e-run-") as folder:
        os.chmod(folder, 0o755)
        run.settings(options, pathlib.Path(folder))
        for part in parts:
            bench = cases.Bench(keep=False)
            try:
                if part == "paused":
                    paused_requests(bench, options.count)
                elif part == "upload":
                    uploads(bench, int(options.gigabytes * GB))
                elif part == "download":
                    downloads(bench, options.megabytes * MB)
                else:
                    reloads(bench, options.reloads, options.seconds)
            finally:
                problems.extend(bench.close())
    for problem in problems[:20]:
        print(f"FAIL: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
