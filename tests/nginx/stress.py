#!/usr/bin/env python3
"""Mixed load with reloads and a killed worker: tests/nginx/stress.py [--seconds 20] [--build DIR] [--asan]

No request may fail, memory and descriptors of the master stay flat, no alert may appear."""
import argparse
import os
import pathlib
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cases  # noqa: E402
import run  # noqa: E402
from client import request  # noqa: E402
from harness import wait_for  # noqa: E402
from load import Load, mixed  # noqa: E402


def rss_kb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def stress(seconds):
    bench = cases.Bench(keep=False)
    n = bench.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; } location /static/ { alias {dir}/www/; }",
                    workers=2, log_level="notice")
    n.file("www/page.txt", "page")
    n.start()
    master, problems = n.process.pid, []
    time.sleep(1)
    samples, reloads = [], 0
    with Load(n.port, mixed, threads=8) as load:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            n.reload(wait=False)
            reloads += 1
            time.sleep(0.7)
            samples.append((rss_kb(master), len(os.listdir(f"/proc/{master}/fd"))))
    wait_for(lambda: len(n.all_pids()) == 2, 10, "old workers leave")
    first, last = samples[min(3, len(samples) - 1)], samples[-1]
    print(f"{load.count} requests, {len(load.failures)} failed, {reloads} reloads; master {first[0]} -> {last[0]} kB, {first[1]} -> {last[1]} descriptors")
    problems += load.failures[:5]
    if last[0] > first[0] + 2048 + reloads * 20:
        problems.append(f"the master's memory grew from {first[0]} to {last[0]} kB")
    if last[1] > first[1] + 2:
        problems.append(f"the master's descriptors grew from {first[1]} to {last[1]}")
    problems += n.bad_lines()
    n.mark()
    old = n.pids()
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: len(n.pids()) == 2 and old[0] not in n.pids(), 5, "respawned")
    for _ in range(20):
        if request(n.port, "/echo", [("x-do", "sh add x-out 1")]).get("x-out") != "1":
            problems.append("no plugin after a killed worker")
    worker = max(map(rss_kb, n.pids()))
    with Load(n.port, mixed, threads=8) as load:
        time.sleep(max(3, seconds / 4))
        middle = max(map(rss_kb, n.pids()))
        time.sleep(max(3, seconds / 4))
    print(f"{load.count} requests without reloads, {len(load.failures)} failed; a worker {worker} -> {middle} -> {max(map(rss_kb, n.pids()))} kB")
    problems += load.failures[:5]
    if max(map(rss_kb, n.pids())) > middle + 8192:
        problems.append("a worker's memory grows")
    problems += n.bad_lines("exited on signal 9")
    return problems + bench.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--build")
    parser.add_argument("--asan", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-e2e-run-") as folder:
        os.chmod(folder, 0o755)
        run.settings(options, pathlib.Path(folder))
        problems = stress(options.seconds)
    for problem in problems:
        print(problem)
    print(f"stress: {'FAIL' if problems else 'ok'}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
