#!/usr/bin/env python3
"""Requests that wait for an HTTP call each: bench/calls_bench.py [--count 10000] [--over HTTP/1.1|HTTP/2] [--build DIR]

One worker holds that many requests at once, each by a call to a second NGINX, which holds the calls until all of them are there: over HTTP/1.1 (a
connection each: twice as many descriptors as requests in the worker) and over HTTP/2 (a stream each). Prints what one costs in the worker's memory;
ends with 1 when a request failed, or memory still grows in the fifth round."""
import argparse
import os
import pathlib
import resource
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "nginx"))
import cases  # noqa: E402
import run  # noqa: E402
from big import status  # noqa: E402
from client import Connection, message, request  # noqa: E402

problems = []
PAGE = "root {dir}/www; try_files /page.txt =500;"


def check(good, what):
    if not good:
        problems.append(what)


def nginx(bench, plugins, locations, count):
    n = bench.nginx(plugins, locations, main=f"worker_rlimit_nofile {min(2 * count + 2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])};", log_level="warn")
    n.conf.write_text(n.conf.read_text().replace("worker_connections 1024", f"worker_connections {3 * count + 1000}")
                      .replace(" http2;", f" http2; http2_max_concurrent_streams {count};", 1))
    n.file("www/page.txt", "page")
    return n.start()


def one_round(n, authz, count):
    """Seconds until all are held, memory then, seconds until all are answered, failures."""
    worker, = n.pids()
    start, held = time.monotonic(), []
    for i in range(count):
        c = Connection(n.port, timeout=120)
        c.send(message("GET", f"/{i}"))
        held.append(c)
    time.sleep(2)
    came, full = time.monotonic() - start, status(worker, "VmRSS")
    start = time.monotonic()
    check(request(authz.port, "/open", [("x-open", "1")], timeout=60).status == 200, "the gate did not open")
    failed = 0
    for c in held:
        r = c.read()
        failed += not (r.status == 200 and r.complete and r.body == b"page")
        c.close()
    return came, full, time.monotonic() - start, failed


def paused_by_calls(bench, count, version, arguments):
    authz = nginx(bench, "weir_plugin gate {guests}/gate.wasm timeout=20s;", "location / { weir gate; %s }" % PAGE, count)
    port = authz.h2 if "http2" in arguments else authz.port
    n = nginx(bench, f"weir_cluster authz http://127.0.0.1:{port} max_calls={count + 10} timeout=120s connect_timeout=60s {arguments};"
              " weir_plugin c {guests}/calls.wasm timeout=5s 'config_inline=gate authz 120000';", "location / { weir c; %s }" % PAGE, count)
    worker, = n.pids()
    base = status(worker, "VmRSS")
    came, full, took, failed = one_round(n, authz, count)
    check(not failed, f"{version}: {failed} of {count} requests failed")
    again = [one_round(n, authz, count) for _ in range(4)]
    check(not any(r[3] for r in again), f"{version}: requests failed in a later round")
    second, *_, before, last = (r[1] for r in again)
    check(last - before < before * 0.05, f"{version}: memory of the last round: {before} -> {last} kB")
    problems.extend(n.bad_lines() + authz.bad_lines())
    print(f"| {version} | {count} | {base / 1024:.1f} | {full / 1024:.1f} | {second / 1024:.1f}, {last / 1024:.1f} | {(full - base) / count:.2f} | {came:.1f} | {took:.1f} | {failed} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--over", choices=["HTTP/1.1", "HTTP/2"], help="default: both")
    parser.add_argument("--build")
    options = parser.parse_args()
    options.asan = False
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    print(f"`bench/calls_bench.py {' '.join(sys.argv[1:])}`; {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} at the start\n")
    print("| call over | requests held | worker before, MB | all held | a second and fifth time | for each request, kB | all there after, s | all answered after, s | failed |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="weir-e2e-run-") as folder:
        os.chmod(folder, 0o755)
        run.settings(options, pathlib.Path(folder))
        for version, arguments in (("HTTP/1.1", ""), ("HTTP/2", "http2=on")):
            if options.over not in (None, version):
                continue
            bench = cases.Bench(keep=False)
            bench.up.request_queue_size = 1024
            try:
                paused_by_calls(bench, options.count, version, arguments)
            finally:
                problems.extend(bench.close())
    for problem in problems:
        print(f"FAIL: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
