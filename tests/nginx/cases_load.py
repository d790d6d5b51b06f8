"""Short forms of bench/load_bench.py: many held requests, everything at once while NGINX reloads."""
import os
import threading
import time

from big import status
from cases import case, equal, site
from client import Connection, h2, message, request
from harness import Settings, wait_for
from load import Load, mixed


@site
def gate(t):
    n = t.nginx("weir_plugin gate {guests}/gate.wasm;", "location / { weir gate; root {dir}/www; try_files /page.txt =404; }", main="worker_rlimit_nofile 4096;")
    n.file("www/page.txt", "page")
    n.conf.write_text(n.conf.read_text().replace("worker_connections 1024", "worker_connections 2048"))
    return n.start()


@case(gate)
def held_requests_cost_little_and_are_all_answered(t, n):
    worker, = n.pids()
    kb = []
    for turn in range(2):
        held = [Connection(n.port, timeout=30) for _ in range(800)]
        before = status(worker, "VmRSS")
        for c in held:
            c.send(message("GET", "/held"))
        time.sleep(0.3)
        kb.append((status(worker, "VmRSS") - before) / len(held))
        if turn == 0:
            for c in held[::4]:
                c.reset()
            time.sleep(0.2)
        equal(request(n.port, "/open", [("x-open", "1")]).body, b"page")
        for i, c in enumerate(held):
            if turn == 1 or i % 4:
                equal(c.read().body, b"page")
                c.close()
    assert Settings.preload or max(kb) < 24, f"kB for each: {kb}"


@case(gate)
def held_requests_of_http2(t, n):
    results = []
    threads = [threading.Thread(target=lambda i=i: results.append(h2(n.h2, f"/held/{i}", timeout=20).body)) for i in range(20)]
    [x.start() for x in threads]
    time.sleep(0.7)
    equal(results, [])
    request(n.port, "/open", [("x-open", "1")])
    wait_for(lambda: len(results) == 20 or request(n.port, "/open", [("x-open", "1")]) and False, 10, lambda: results)
    equal(results, [b"page"] * 20)
    [x.join() for x in threads]


@case(workers="change")
def everything_at_once_under_five_reloads(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; } location /static/ { alias {dir}/www/; }", workers=2, log_level="notice")
    n.file("www/page.txt", "page")
    n.start()
    master, over_h2, stop = n.process.pid, [], threading.Event()

    def http2():
        i = 0
        while not stop.is_set():
            i += 1
            commands = ["", "rh pause 20;sh pause 20", "rb hold;rb append !", "sb hold;sb append !", "sb trailer x-t 1", "rh local 403 no"][i % 6]
            r = h2(n.h2, f"/echo/{i}", {"x-do": commands}, b"b" * (i * 997 % 30000 + 1), early=True)
            over_h2.append(r if r.status not in (200, 403) or not r.complete else None)

    def sample():
        return status(master, "VmRSS"), len(os.listdir(f"/proc/{master}/fd")), len(os.listdir(f"/proc/{master}/task"))
    thread, samples = threading.Thread(target=http2), []
    with Load(n.port, mixed, threads=4) as load:
        thread.start()
        for _ in range(5):
            n.reload(wait=False)
            time.sleep(0.7)
            samples.append(sample())
        wait_for(lambda: load.count > 100 and len(over_h2) > 10, 30, lambda: f"{load.count} requests, {len(over_h2)} of HTTP/2")
        stop.set()
        thread.join()
    wait_for(lambda: len(n.all_pids()) == 2, 20, "old workers leave")
    equal((load.failures[:3], [r for r in over_h2 if r]), ([], []))
    last = sample()
    assert (Settings.preload or last[0] - samples[1][0] < 2048) and last[1:] == samples[1][1:], f"the master: {samples} -> {last}"
