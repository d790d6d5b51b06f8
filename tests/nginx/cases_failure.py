"""A trap, a deadline or a memory limit ends one instance: the policy holds for its requests, the next gets a fresh one, the worker lives."""
import threading
import time

from cases import case, each, equal, has, site
from client import Connection, h2, message, request
from harness import wait_for


POLICIES = {"closed": "", "open": "on_error=open"}
COPIES = 20  # of each, so that one case's failures do not use up another's restarts


@site
def main(t):
    plugins, places = [], []
    for policy, argument in POLICIES.items():
        for i in ["", *range(COPIES)]:
            plugins.append(f"weir_plugin {policy}{i} {{guests}}/script.wasm config_inline=trace memory=16m timeout=50ms {argument};")
            places.append(f"location /{policy}{i}/ {{ weir {policy}{i}; proxy_pass http://up/; }}")
    return t.nginx("\n".join(plugins) + """
      weir_plugin other {guests}/script.wasm 'config_inline=header x-other';
      weir_plugin slow {guests}/script.wasm timeout=1s;
    """, "\n".join(places) + """
      location / { proxy_pass http://up; }
      location /mixed/ { weir other open; proxy_pass http://up/; }
      location /slow/ { weir slow; proxy_pass http://up/; }
    """)


DOWN = r"\[crit\].*down after \d+ failures"
KINDS = [("trap", "trap", "unreachable"), ("deadline", "loop", "used its 50 ms of CPU time"), ("memory", "eat", "memory|unreachable"), ("stack", "deep", "stack")]
PHASES = [("request headers", "rh"), ("request body", "rb"), ("response headers", "sh"), ("held response body", "sb hold;sb")]


def calm(n, location):
    """Restarts are limited (ten in a row, then one a second): wait until the plugin serves again."""
    wait_for(lambda: request(n.port, f"{location}/echo", [("x-do", "rh add x-alive 1")]).status == 200 and
             "x-alive" in request(n.port, f"{location}/echo", [("x-do", "rh add x-alive 1")]).text, 6, "plugin serves again")


ROWS = [(f"{kind} in {phase}", f"{prefix} {what}", log) for kind, what, log in KINDS for phase, prefix in PHASES]
NUMBERED = [(*row, i) for i, row in enumerate(ROWS)]


@each(NUMBERED, main)
def closed_is_503(t, n, commands, log, i):
    n.mark()
    r = request(n.port, f"/closed{i}/echo", [("x-do", commands)], b"hello")
    equal(r.status, 503)
    n.wait_log(f"\\[closed{i}\\].*({log})")
    r = request(n.port, f"/closed{i}/echo", [("x-do", "rh add x-alive 1")], b"hello")
    equal((r.status, t.up.last().get("x-alive"), t.up.last().body), (200, "1", b"hello"))


@each(NUMBERED, main)
def open_goes_on_without_it(t, n, commands, log, i):
    n.mark()
    r = request(n.port, f"/open{i}/echo", [("x-do", commands)], b"hello")
    equal((r.status, t.up.last().body, r.complete), (200, b"hello", True))
    has(r.text, "hello")
    n.wait_log(f"\\[open{i}\\].*({log})")
    r = request(n.port, f"/open{i}/echo", [("x-do", "rh add x-alive 1")], b"hello")
    equal((r.status, t.up.last().get("x-alive")), (200, "1"))


@each([("http2 headers", "rh trap", 16), ("http2 body", "rb trap", 17), ("http2 response", "sh trap", 18)], main, log=DOWN)
def closed_over_http2(t, n, commands, i):
    """Where curl loses the answer the request is sent again, and traps again: that may use up the restarts."""
    calm(n, f"/closed{i}")
    equal(h2(n.h2, f"/closed{i}/echo", {"x-do": commands}, b"hello", early=True).status, 503)


@case(main)
def trap_in_a_late_body_breaks_the_message(t, n):
    """Headers are out: closed means that the client sees a broken response, open that it gets the rest."""
    calm(n, "/closed")
    r = request(n.port, "/closed/drip/4/60", [("x-do", "sb passfirst;sb trap")])
    assert r.status == 200 and not r.complete, r
    calm(n, "/open")
    r = request(n.port, "/open/drip/4/60", [("x-do", "sb passfirst;sb trap")])
    equal((r.complete, r.body), (True, b"c0...c1...c2...c3..."))


@each([("log", "log trap"), ("done", "done trap")], main)
def trap_after_the_response(t, n, commands):
    calm(n, "/closed")
    equal(request(n.port, "/closed/echo", [("x-do", commands)]).status, 200)
    calm(n, "/closed")


@case(main)
def the_other_plugin_of_the_chain_goes_on(t, n):
    calm(n, "/mixed")
    r = request(n.port, "/mixed/echo", [("x-do", "rh trap"), ("x-other", "rh add x-other-ran 1;sh add x-other-ran 1")])
    equal((r.status, t.up.last().get("x-other-ran"), r.get("x-other-ran")), (200, "1", "1"))


@case(main)
def paused_streams_of_the_dead_instance(t, n):
    """A request that waits in the instance which another request kills gets the policy at once, not a hang."""
    calm(n, "/closed")
    n.mark()
    with Connection(n.port) as waiting, Connection(n.port) as waiting_for_response:
        waiting.send(message("GET", "/closed/echo", [("x-do", "rh stop")]))
        waiting_for_response.send(message("GET", "/closed/echo", [("x-do", "sh stop")]))
        wait_for(lambda: n.new_log().count("trace sh") >= 1 and n.new_log().count("trace rh") >= 2)
        start = time.monotonic()
        equal(request(n.port, "/closed/echo", [("x-do", "rh trap")]).status, 503)
        equal(waiting.read().status, 503)
        equal(waiting_for_response.read().status, 503)
        assert time.monotonic() - start < 3


@case(main)
def paused_streams_of_the_dead_instance_open(t, n):
    calm(n, "/open")
    n.mark()
    with Connection(n.port) as waiting:
        waiting.send(message("GET", "/open/echo", [("x-do", "rh stop")]))
        n.wait_log("trace rh")
        request(n.port, "/open/echo", [("x-do", "rh trap")])
        equal(waiting.read().status, 200)


@case(main, log=DOWN)
def restarts_are_limited(t, n):
    """A plugin that always traps costs about one instance a second after its burst; a good neighbour is not slowed down."""
    calm(n, "/closed")
    n.mark()
    end = time.monotonic() + 3
    tries = 0
    while time.monotonic() < end:
        equal(request(n.port, "/closed/echo", [("x-do", "rh trap")]).status, 503)
        tries += 1
    traps = n.new_log().count("unreachable")
    assert tries > 50 and traps <= 40, f"{tries} requests, {traps} log lines about traps"
    calm(n, "/closed")


@case(main)
def cpu_time_not_wall_time(t, n):
    """A pause costs nothing; only the guest's own time counts."""
    equal(request(n.port, "/closed/echo", [("x-do", "rh pause 300")]).status, 200)


@case(main)
def deadline_is_kept(t, n):
    calm(n, "/closed")
    start = time.monotonic()
    equal(request(n.port, "/closed/echo", [("x-do", "rh loop")]).status, 503)
    assert time.monotonic() - start < 1.5


@case(main, log=DOWN)
def exchange_under_traps(t, n):
    """Concurrent good requests while others trap: each gets 200 or the policy, nothing hangs, nothing mixes."""
    calm(n, "/open")
    problems, lock = [], threading.Lock()

    def good(i):
        for k in range(15):
            r = request(n.port, f"/open/echo/{i}-{k}", [("x-do", "sb append !")], b"b%d-%d" % (i, k))
            if r.status != 200 or f"b{i}-{k}" not in r.text:
                with lock:
                    problems.append(r)

    def bad():
        for k in range(15):
            request(n.port, "/open/echo", [("x-do", ROWS[k % len(ROWS)][1])], b"x")
    threads = [threading.Thread(target=good, args=(i,)) for i in range(4)] + [threading.Thread(target=bad)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    equal(problems, [])


@case(main, log=DOWN)
def worker_memory_after_many_instances(t, n):
    """Dropped instances are given back: 60 of them with 16 MiB each would be a gigabyte."""
    pid = n.pids()[0]

    def rss():
        return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1])
    calm(n, "/slow")
    before = rss()
    for _ in range(12):
        request(n.port, "/closed/echo", [("x-do", "rh eat")])
    calm(n, "/closed")
    assert rss() - before < 100_000, f"{before} -> {rss()} kB"


@case(main)
def worker_survives_unknown_bytes(t, n):
    """Requests that nginx refuses itself."""
    for data in (b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff"):
        with Connection(n.port) as c:
            c.send(data)
            try:
                c.read()
            except (ConnectionError, OSError):
                pass
    equal(request(n.port, "/closed/echo").status, 200)
