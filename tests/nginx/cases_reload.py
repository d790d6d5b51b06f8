"""Reload: nothing lost, old requests end in their old worker, a bad new configuration leaves all as it was."""
import os
import signal
import threading
import time

from cases import case, each, equal, has
from client import Connection, message, request
from harness import wait_for
from load import Load, mixed

PLUGINS = "weir_plugin s {guests}/script.wasm 'config_inline=%s';"
PLACES = "weir s; location / { proxy_pass http://up; } location /static/ { alias {dir}/www/; }"


def server(t, config="trace", **more):
    n = t.nginx(PLUGINS % config, PLACES, **more)
    n.file("www/page.txt", "page")
    return n.start()


@each([("1 worker", 1), ("2 workers", 2)])
def load_loses_nothing(t, workers):
    n = server(t, "", workers=workers, log_level="notice")
    with Load(n.port, mixed) as load:
        for i in range(8):
            time.sleep(0.4)
            n.write(PLUGINS % f"do sh add x-generation {i}", PLACES)
            n.reload(wait=False)
        wait_for(lambda: load.count > 100, 30, lambda: f"{load.count} requests")
    equal(load.failures[:3], [], f"{len(load.failures)} of {load.count}")
    wait_for(lambda: len(n.all_pids()) == workers, 10, f"old workers leave; there are {n.all_pids()}")
    wait_for(lambda: request(n.port).get("x-generation") == "7", 5)


@case()
def paused_request_lives_through(t):
    n = server(t)
    old = n.pids()
    with Connection(n.port) as c:
        c.send(message("POST", "/echo", [("x-do", "rh pause 600;sh pause 600;sb pause 300;sb append !")], b"hello"))
        n.wait_log("trace rh")
        n.reload()
        assert n.pids() != old
        r = c.read()
        equal((r.status, r.body[-6:], r.complete), (200, b"hello!", True))
    wait_for(lambda: set(old).isdisjoint(n.all_pids()), 5, "old worker leaves")


@case()
def changed_configuration_and_module_take_effect(t):
    n = t.nginx("weir_plugin s {dir}/p.wasm 'config_inline=do sh add x-v 1';", PLACES)
    from harness import Settings
    n.file("p.wasm", (Settings.guests / "script.wasm").read_bytes())
    n.start()
    equal(request(n.port).get("x-v"), "1")
    n.write("weir_plugin s {dir}/p.wasm 'config_inline=do sh add x-v 2';", PLACES)
    n.reload()
    equal(request(n.port).get("x-v"), "2")
    n.file("p.wasm", (Settings.guests / "noop.wasm").read_bytes())
    equal(request(n.port).get("x-v"), "2")
    n.reload()
    equal(request(n.port).get("x-v"), None)


@case()
def module_file_gone_after_start(t):
    """A worker that is respawned gets what was validated, whatever happened to the file."""
    n = t.nginx("weir_plugin s {dir}/p.wasm 'config_inline=do sh add x-v 1';", PLACES)
    from harness import Settings
    path = n.file("p.wasm", (Settings.guests / "script.wasm").read_bytes())
    n.start()
    path.unlink()
    old = n.pids()
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: n.pids() and n.pids() != old, 5, "respawned")
    wait_for(lambda: request(n.port).get("x-v") == "1", 5)
    n.mark()  # the alert about signal 9 was ours


BAD = [("missing file", "weir_plugin s {dir}/none.wasm;", "none.wasm"), ("configure false", PLUGINS % "start false", "\"?s\"?"),
       ("trap", PLUGINS % "start trap", "unreachable"), ("loop", "weir_plugin s {guests}/script.wasm 'config_inline=start loop' start_timeout=1s;", "s"),
       ("memory", "weir_plugin s {guests}/script.wasm 'config_inline=start eat' memory=16m;", "s"), ("not wasm", "weir_plugin s {conf};", "nginx.conf"),
       ("unknown import", "weir_plugin s {guests}/bad/unknown_import.wasm;", "proxy_get_header_map_valu")]


@each(BAD, log=r"\[(emerg|crit|alert)\].*(weir|plugin|canary|exited)|configuration file")
def bad_configuration_keeps_the_old_workers(t, plugins, named):
    n = server(t, "do sh add x-v 1")
    old = n.pids()
    n.write(plugins.replace("{conf}", str(n.conf)), PLACES)
    code, text = n.check()
    assert code != 0, text
    import re
    assert re.search(named, text), text
    n.mark()
    n.process.send_signal(signal.SIGHUP)
    n.wait_log(r"\[emerg\]", 40)
    time.sleep(0.3)
    equal(n.pids(), old)
    equal(request(n.port).get("x-v"), "1")
    n.write(PLUGINS % "do sh add x-v 2", PLACES)
    n.reload()
    equal(request(n.port).get("x-v"), "2")


@case()
def plugin_added_and_removed(t):
    n = t.started("", "location / { proxy_pass http://up; }")
    n.write(PLUGINS % "do sh add x-v 1", PLACES)
    n.reload()
    equal(request(n.port).get("x-v"), "1")
    n.write("", "location / { proxy_pass http://up; }")
    n.reload()
    equal(request(n.port).get("x-v"), None)


@case()
def quit_ends_paused_requests_well(t):
    n = server(t)
    with Connection(n.port) as c:
        c.send(message("GET", "/echo", [("x-do", "rh pause 500")]))
        n.wait_log("trace rh")
        n.process.send_signal(signal.SIGQUIT)
        equal(c.read().status, 200)
    equal(n.process.wait(10), 0)
    n.process = None


@case()
def ticks_run_and_stop_with_the_worker(t):
    n = server(t, "trace\ntick 20")
    n.wait_log("trace tick")
    old = n.pids()
    n.reload()
    wait_for(lambda: set(old).isdisjoint(n.all_pids()), 5, "a ticking worker leaves after a reload")


@case()
def terminated_while_paused(t):
    n = server(t)
    with Connection(n.port) as c, Connection(n.port) as d:
        c.send(message("GET", "/echo", [("x-do", "rh stop")]))
        d.send(message("GET", "/echo", [("x-do", "sh stop")]))
        n.wait_log("trace sh")
        equal(n.stop(), 0)
    n.process = None
