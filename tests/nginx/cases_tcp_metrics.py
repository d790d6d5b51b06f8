"""weir_metrics of TCP plugins: their zone is another one than that of http{}, and one location shows both."""
import os
import re
import signal
import threading
import time

from cases import case, equal, has, site
from cases_tcp import do, server
from cases_zones import ROOT, metrics, value
from client import request
from harness import wait_for
from tcp import STREAM, Backend, Client, module, nginx

METRICS = "location = /metrics { weir_metrics; } location /on { weir h; proxy_pass http://up; } location / { proxy_pass http://up; }"
TAP = do("tap", "nc count connections;dd if TRAP;dd trap", config="")
SERVERS = server("tap", "tap") + server("forever", "forever", "weir_max_data 2k; proxy_pass %B;")


def both(t, http_plugins="", tap=TAP, workers=2, **more):
    """TCP plugins, and weir_metrics in http{}; the HTTP module may have no plugin at all."""
    backend = Backend()
    n = nginx(t, tap + do("forever", "dd stop", config=""), SERVERS, backend, both=True, http_plugins=http_plugins,
              locations=METRICS if http_plugins else METRICS.replace("weir h; ", ""), workers=workers, **more)
    n.backend = backend
    return n


@site
def only_tcp(t):
    return both(t)


def say(n, name="tap", data=b"hello"):
    with Client(n.tcp[name]) as c:
        return c.send(data).read(len(data))


def count(n, name, **labels):
    return value(n, name, **labels, block="stream") or 0


@case(only_tcp)
def tcp_plugins_are_shown_without_http_plugins(t, n):
    before = count(n, "connections_total")
    for _ in range(6):
        equal(say(n), b"hello")
    found = metrics(n)
    equal(count(n, "connections_total"), before + 6)
    equal(count(n, "weir_plugin_streams_total", plugin="tap"), before + 6)
    equal(count(n, "weir_callbacks_total", plugin="tap", callback="proxy_on_new_connection"), before + 6)
    assert count(n, "weir_callback_duration_seconds_count", plugin="tap", callback="proxy_on_downstream_data") >= 1
    assert count(n, "weir_plugin_memory_bytes", plugin="tap") >= 65536
    equal((count(n, "weir_plugin_up", plugin="tap"), count(n, "weir_workers"), count(n, "weir_plugin_instances_total", plugin="tap")), (2, 2, 2))
    for name, rows in found.items():  # nothing of http{}
        for labels in rows:
            equal(dict(labels).get("block"), "stream", name)


@case(only_tcp)
def tcp_streams_come_back_to_zero(t, n):
    wait_for(lambda: count(n, "weir_streams") == 0, 5, "no connection")
    open_ones = [Client(n.tcp["tap"]) for _ in range(5)]
    for c in open_ones:
        equal(c.send(b"hello").read(5), b"hello")
    equal(count(n, "weir_streams"), 5)
    open_ones.pop().reset()
    wait_for(lambda: count(n, "weir_streams") == 4, 5, "four connections")
    for c in open_ones:
        c.socket.close()
    wait_for(lambda: count(n, "weir_streams") == 0, 5, "no connection")
    created, deleted = (count(n, "weir_callbacks_total", plugin="tap", callback=f"proxy_on_{what}") for what in ("new_connection", "delete"))
    equal(deleted, created)


@case(only_tcp, log="trap")
def tcp_failures_and_notes_are_counted(t, n):
    before = count(n, "weir_plugin_failures_total", plugin="tap", reason="trap")
    with Client(n.tcp["tap"]) as c:
        equal(c.send(b"TRAP").rest(), b"")
    with Client(n.tcp["forever"]) as c:
        c.send(b"x" * 4000)
        wait_for(lambda: count(n, "weir_stream_notes_total", plugin="forever", note="data_held") >= 1, 5, "the note")
    equal(count(n, "weir_plugin_failures_total", plugin="tap", reason="trap"), before + 1)
    equal(count(n, "weir_stream_notes_total", plugin="tap", note="failed_closed"), before + 1)


@case()
def tcp_notes_are_documented(t):
    text = (ROOT / "docs" / "metrics.md").read_text()
    names = re.findall(r'^ +\{"([a-z_]+)", "', (ROOT / "src/tcp/tcp_slot.cc").read_text(), re.M)
    assert len(names) >= 9
    for name in names:
        has(text, f"`{name}`")


@case()
def one_name_in_both_blocks_is_two_plugins(t):
    """`tap` in http{} and in stream{}: their numbers stay apart, and so does what both define."""
    n = both(t, "weir_plugin h {guests}/shared.wasm 'config_inline=define 0 connections'; weir_plugin tap {guests}/noop.wasm;").start()
    equal(say(n), b"hello")
    request(n.port, "/on", [("x-do", "inc 0 connections 40")])
    equal((value(n, "connections_total"), count(n, "connections_total")), (42, 1))  # one for each worker's definition
    equal((value(n, "weir_plugin_up", plugin="tap"), count(n, "weir_plugin_up", plugin="tap")), (2, 2))
    equal((value(n, "weir_plugin_streams_total", plugin="h"), count(n, "weir_plugin_streams_total", plugin="tap")), (1, 1))
    equal((value(n, "weir_plugin_streams_total", plugin="tap"), count(n, "weir_plugin_streams_total", plugin="h")), (0, 0))
    equal((value(n, "weir_workers"), count(n, "weir_workers")), (2, 2))


@case(workers="change")
def tcp_counters_survive_reloads(t):
    n = both(t).start()
    equal([say(n) for _ in range(3)], [b"hello"] * 3)
    held = Client(n.tcp["tap"])
    equal(held.send(b"held").read(4), b"held")
    for _ in range(3):
        n.reload()
    equal(say(n), b"hello")
    equal((count(n, "connections_total"), count(n, "weir_streams")), (5, 1))
    held.socket.close()
    wait_for(lambda: len(n.all_pids()) == 2, 5, "the old worker ends")
    equal((count(n, "weir_streams"), count(n, "weir_workers"), count(n, "connections_total")), (0, 2, 5))
    # No stream{} any more: nothing of it is left
    n.write("", METRICS.replace("weir h; ", ""), main=f"load_module {STREAM}; load_module {module()};")
    n.reload()
    wait_for(lambda: len(n.all_pids()) == 2, 5, "the old workers end")
    equal(request(n.port, "/metrics").text, "# no plugins\n")


@case(workers="change", log="exited on signal 9")
def tcp_worker_killed_under_load(t):
    """kill -9 again and again: the zone is put in order, the numbers go on, and what was open is not counted for ever."""
    n = both(t).start()
    stop, served = threading.Event(), []

    def client():
        while not stop.is_set():
            try:
                with Client(n.tcp["tap"], timeout=5) as c:
                    if c.send(b"hello").read(5) == b"hello":
                        served.append(1)
            except OSError:  # its worker was killed
                continue
    threads = [threading.Thread(target=client) for _ in range(4)]
    [one.start() for one in threads]
    for i in range(8):
        time.sleep(0.15)
        pids = n.pids()
        os.kill(pids[i % len(pids)], signal.SIGKILL)
    time.sleep(0.2)
    stop.set()
    [one.join(15) for one in threads]
    assert not any(one.is_alive() for one in threads), "a client waits for ever"
    wait_for(lambda: len(n.pids()) == 2, 5, "two workers")
    wait_for(lambda: count(n, "weir_streams") == 0, 5, "no connection")
    wait_for(lambda: count(n, "weir_workers") == 2, 5, "two workers in the zone")
    total = count(n, "connections_total")
    assert len(served) <= total <= len(served) + 8 * 6, (len(served), total)
    equal(count(n, "weir_plugin_up", plugin="tap"), 2)
