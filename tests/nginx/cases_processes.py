"""Masters, workers and configurations as operators use them: no master, many workers, binary upgrades, several servers, a plugin that is down."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from cases import Skip, case, equal, lacks
from client import Connection, message, request
from harness import Settings, children, free_port, title, wait_for
from load import Load, mixed


def rss_kb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def do(n, commands, target="/echo", headers=(), **more):
    return request(n.port, target, [("x-do", commands), *headers], **more)


@case()
def without_a_master(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm config_inline=trace;", "weir s; location / { proxy_pass http://up; }", main="master_process off;")
    n.workers = 0
    n.start()
    for commands in ("sh add x-out 1", "rh pause 30;sh add x-out 1"):
        equal(do(n, commands).get("x-out"), "1")
    n.process.send_signal(signal.SIGQUIT)
    equal(n.process.wait(10), 0)
    lacks(n.log(), "[alert]")


@case(workers="change", log="exited on signal 9")
def four_workers_one_killed(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; }", workers=4)
    n.start()
    equal(len(n.pids()), 4)
    for victim in n.pids():
        os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(n.pids()) == 4, 10, "respawned")
    for _ in range(40):
        equal(do(n, "sh add x-out 1").get("x-out"), "1")


@case(workers="change", log="exited on signal 9|down")
def plugin_down_in_the_worker_only(t):
    """The check was good, the worker's own start is not: 503 (or without it), and it comes back by itself."""
    now = time.time()
    window = f"between {int((now + 4) * 1000)} {int((now + 7.5) * 1000)}"
    n = t.started(f"weir_plugin c {{guests}}/script.wasm 'config_inline={window}'; weir_plugin o {{guests}}/script.wasm 'config_inline={window}' on_error=open; weir_plugin good {{guests}}/script.wasm;",
                  "location / { weir c; proxy_pass http://up; } location /open { weir o; proxy_pass http://up; } location /both { weir good c; proxy_pass http://up; } location /none { proxy_pass http://up; }")
    equal(do(n, "sh add x-out 1").get("x-out"), "1")
    time.sleep(max(0, now + 4.2 - time.time()))
    os.kill(n.pids()[0], signal.SIGKILL)
    wait_for(lambda: len(n.pids()) == 1, 5)
    r = do(n, "sh add x-out 1", body=b"b" * 3000)
    equal(r.status, 503)
    equal(do(n, "sh add x-out 1", "/both").status, 503)
    equal(do(n, "sh add x-out 1", "/none").status, 200)
    r = do(n, "sh add x-out 1", "/open")
    equal((r.status, r.get("x-out")), (200, None))
    n.wait_log('plugin "c" is down in this worker')
    for _ in range(200):
        do(n, "", "/open")
    lines = n.log().count('plugin "o" is down: requests')
    assert 1 <= lines < 5, f"{lines} lines for 200 requests"
    wait_for(lambda: do(n, "sh add x-out 1").get("x-out") == "1", 12, "the plugin comes back")
    equal(do(n, "sh add x-out 1", "/open").get("x-out"), "1")
    equal(do(n, "sh add x-out 1", "/both").get("x-out"), "1")


@case(workers="change", log="down")
def log_of_a_plugin_that_is_down_is_limited(t):
    """Requests that find a plugin down do not fill the disk with error lines."""
    n = t.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; }", log_level="error")
    n.start()
    for _ in range(1500):
        assert do(n, "rh trap").status == 503
    size = len(n.log())
    lines = n.log().count("\n")
    assert lines < 400, f"{lines} lines, {size} bytes for 1500 requests; the last: {n.log().splitlines()[-3:]}"


def gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


@case()
def binary_upgrade_with_another_plugin_configuration(t):
    """USR2: only an NGINX in the background takes it."""
    conf = "weir_plugin s {guests}/script.wasm 'config_inline=do sh add x-v %d';", "weir s; location / { proxy_pass http://up; }"

    def write(version):
        n.write(conf[0] % version, conf[1])
        n.conf.write_text(n.conf.read_text().replace("daemon off;", "daemon on;"))
    n = t.nginx()
    write(1)
    subprocess.run(n.command(), check=True, env=n.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pid():
        """0: not written yet. NGINX renames and writes the file while we look."""
        try:
            return int((n.dir / "nginx.pid").read_text() or 0)
        except FileNotFoundError:
            return 0
    old, masters = wait_for(pid, 5), []
    masters.append(old)
    try:
        wait_for(lambda: request(n.port).get("x-v") == "1", 5)
        write(2)
        with Load(n.port, lambda i: (message("GET", "/echo", [("Connection", "close")]), lambda r: r.get("x-v") in ("1", "2")), threads=3) as load:
            os.kill(old, signal.SIGUSR2)
            new = wait_for(lambda: (now := pid()) != old and now, 10, "a new master")
            masters.append(new)
            wait_for(lambda: any("worker process" in title(p) for p in children(new)), 10, "its worker")
            os.kill(old, signal.SIGQUIT)
            wait_for(lambda: gone(old), 10, "the old master leaves")
        assert load.count > 10 and not load.failures, load.failures[:3]
        equal(request(n.port).get("x-v"), "2")
        held = [os.readlink(f"/proc/{new}/fd/{d}") for d in os.listdir(f"/proc/{new}/fd")]
        equal(sum("cache/" in d or "memfd" in d for d in held), 1, f"compiled code open in the new master: {held}")
    finally:
        for master in masters:
            if not gone(master):
                os.kill(master, signal.SIGTERM)
                wait_for(lambda: gone(master), 10)


@case()
def check_as_an_ordinary_user(t):
    if os.geteuid() != 0:
        raise Skip("the other cases already run as an ordinary user")
    with tempfile.TemporaryDirectory(prefix="weir-user-", dir="/tmp") as home:
        modules = pathlib.Path(home) / "modules"
        modules.mkdir()
        for source in Settings.module.parent.glob("*.so*"):
            shutil.copy(source, modules / source.name)
        old, Settings.module = Settings.module, modules / Settings.module.name
        try:
            n = t.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; }", cache=None)
        finally:
            Settings.module = old
        for path in [pathlib.Path(home), *pathlib.Path(home).rglob("*"), n.dir, *n.dir.rglob("*")]:
            shutil.chown(path, "nobody")
        environment = {**n.environment, "HOME": home}
        environment.pop("XDG_CACHE_HOME", None)
        done = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *n.command("-t")], capture_output=True, text=True, env=environment)
        equal(done.returncode, 0, done.stderr)
        assert any(pathlib.Path(home).rglob("*.cwasm*")) or any(p.is_file() for p in (pathlib.Path(home) / ".cache").rglob("*")), list(pathlib.Path(home).rglob("*"))


@case()
def relative_paths_and_several_servers(t):
    one, two, three = free_port(), free_port(), free_port()
    n = t.nginx("weir_plugin a plugins/script.wasm config=conf/a; weir_plugin b ./plugins/script.wasm 'config_inline=do sh add x-v b';", "location / { proxy_pass http://up; }", http="""
      weir a;
      server { listen 127.0.0.1:%d; location / { proxy_pass http://up; } location /b { weir b; proxy_pass http://up; } location /off { weir off; proxy_pass http://up; } }
      server { listen 127.0.0.1:%d; weir b a; location / { proxy_pass http://up; } }
      server { listen 127.0.0.1:%d; weir off; location / { proxy_pass http://up; } location /on { weir a b; location /on/off { weir off; proxy_pass http://up; } proxy_pass http://up; } }
      server { listen 127.0.0.1:%d; server_name other.test; weir b; location / { proxy_pass http://up; } }
    """ % (one, two, three, one))
    n.file("plugins/script.wasm", (Settings.guests / "script.wasm").read_bytes())
    n.file("conf/a", "do sh add x-v a")
    n.start()
    for port, target, host, wanted in ((n.port, "/", "x", ["a"]), (one, "/", "x", ["a"]), (one, "/b", "x", ["b"]), (one, "/off", "x", []), (two, "/", "x", ["a", "b"]), (three, "/", "x", []),
                                       (three, "/on", "x", ["b", "a"]), (three, "/on/off", "x", []), (one, "/", "other.test", ["b"])):
        equal(request(port, target, host=host).values("x-v"), wanted, f"{port} {target} {host}")


@case()
def thousand_paused_requests(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; }", main="worker_rlimit_nofile 8192;")
    n.conf.write_text(n.conf.read_text().replace("worker_connections 1024", "worker_connections 4096"))
    n.start()
    do(n, "rh pause 10")
    base = rss_kb(n.pids()[0])
    connections = [Connection(n.port, timeout=30) for _ in range(1000)]
    for c in connections:
        c.send(message("GET", "/echo", [("x-do", "rh pause 1500;sh add x-out 1")]))
    time.sleep(0.3)
    start = time.monotonic()
    equal(do(n, "sh add x-out 1").status, 200)
    assert time.monotonic() - start < 1, "a free request waits for the paused ones"
    grown = rss_kb(n.pids()[0]) - base
    assert grown < 40 * 1024, f"{grown} kB for 1000 paused requests"
    for c in connections[::3]:
        c.close()
    for i, c in enumerate(connections):
        if i % 3:
            r = c.read()
            equal((r.status, r.get("x-out")), (200, "1"))
            c.close()
    connections = [Connection(n.port, timeout=30) for _ in range(1000)]
    for c in connections:
        c.send(message("POST", "/echo", [("x-do", "rh stop")], b"b" * 100))
    time.sleep(0.2)
    for c in connections:
        c.reset()
    time.sleep(0.3)
    equal(do(n, "sh add x-out 1").get("x-out"), "1")


@case(log="trap")
def answer_of_a_plugin_that_failed(t):
    """The access log has what the client got: an empty 503, a plugin's own answer, a path that a plugin changed."""
    n = t.started("weir_plugin s {guests}/script.wasm; weir_plugin l {guests}/script.wasm;", """
      weir s; access_log {dir}/access.log check;
      location / { proxy_pass http://up; }
      location /page { error_page 503 /sorry.txt; proxy_pass http://up; }
      location = /sorry.txt { weir off; root {dir}/www; }
    """, http="""log_format check '$status|$body_bytes_sent|$upstream_status|$sent_http_x_out|$request_length|$request_method|$uri|$request_time';""")
    n.file("www/sorry.txt", "sorry")
    r = do(n, "rh trap")
    equal((r.status, r.get("content-length"), r.body), (503, "0", b""))
    do(n, "sh add x-out one")
    do(n, "rh local 429 slow down")
    do(n, "rh set :path /new?x=1")
    do(n, "sh local 451 gone")
    r = do(n, "rh trap", "/page")
    lines = wait_for(lambda: (rows := (n.dir / "access.log").read_text().splitlines()) and len(rows) == 6 and rows, 3)
    rows = [line.split("|") for line in lines]
    equal([row[0] for row in rows], ["503", "200", "429", "200", "451", "503"])
    equal(rows[1][3], "one")
    equal(rows[2][1], str(len("9\r\nslow down\r\n0\r\n\r\n")))  # in chunks: the plugin wants the body of its own answer too
    equal(rows[4][1], str(len("4\r\ngone\r\n0\r\n\r\n")))
    equal([row[2] for row in rows[:4]], ["-", "200", "-", "200"])
    equal(rows[3][6], "/new")


@case(workers="change")
def hundred_reloads_under_load(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm; weir_plugin u {guests}/noop.wasm;",
                "weir s u; location / { proxy_pass http://up; } location /static/ { alias {dir}/www/; }", workers=1, log_level="notice")
    n.file("www/page.txt", "page")
    n.start()
    master = n.process.pid

    def sample():
        return rss_kb(master), len(os.listdir(f"/proc/{master}/fd")), len(os.listdir(f"/proc/{master}/task"))
    idle = sample()
    with Load(n.port, mixed, threads=3) as load:
        samples = []
        for i in range(100):
            if i % 10 == 9:  # a changed configuration now and then: checked in a child again
                n.write(f"weir_plugin s {{guests}}/script.wasm 'config_inline=tick {5 + i % 7}'; weir_plugin u {{guests}}/noop.wasm;",
                        "weir s u; location / { proxy_pass http://up; } location /static/ { alias {dir}/www/; }")
            n.reload(wait=False)
            time.sleep(0.12)
            samples.append(sample())
    wait_for(lambda: len(n.all_pids()) == 1, 20, "old workers leave")
    last = sample()
    assert not load.failures, f"{len(load.failures)} of {load.count}: {load.failures[:3]}"
    assert last[1] <= idle[1] and last[2] == idle[2], f"descriptors and threads of the master: {idle[1:]} -> {last[1:]}"
    if not Settings.preload:  # which keeps freed memory for a while
        assert last[0] - samples[10][0] < 2048, f"memory of the master: {samples[10][0]} -> {last[0]} kB"


@case(workers="change", log="open socket|graceful")
def shutdown_timeout_ends_what_waits_for_ever(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm;", "weir s; location / { proxy_pass http://up; }", main="worker_shutdown_timeout 1s;")
    n.start()
    for commands in ("rh stop", "sh stop", "sb stop"):
        old = n.pids()
        with Connection(n.port) as c:
            c.send(message("GET", "/sized/10", [("x-do", commands)]))
            time.sleep(0.2)
            n.reload()
            wait_for(lambda: not set(n.all_pids()) & set(old), 6, f"the old worker goes: {commands}")
            equal(c.file.read(), b"")
        equal(do(n, "sh add x-out 1").get("x-out"), "1")


@case()
def stale_cache_is_refreshed_behind_a_plugin(t):
    n = t.nginx("weir_plugin s {guests}/script.wasm;", """
      weir s;
      location / { proxy_cache c; proxy_cache_key $uri; proxy_cache_valid 200 1s; proxy_cache_use_stale updating; proxy_cache_background_update on; proxy_cache_lock on; proxy_ignore_headers Set-Cookie;
                   add_header x-cache $upstream_cache_status always; proxy_pass http://up; }
    """, http="proxy_cache_path {dir}/cache keys_zone=c:1m;")
    n.start()
    for commands in ("sb hold;sb append !", "rh pause 20;sh pause 20;sb pause 20", "rh add x-new 1;sh add x-out 1"):
        target = f"/sized/{2000 + len(commands)}"
        end = 1 if "append" in commands else 0
        r = do(n, commands, target)
        equal((r.get("x-cache"), len(r.body)), ("MISS", 2000 + len(commands) + end))
        time.sleep(2.1)
        r = do(n, commands, target)
        equal((r.get("x-cache"), len(r.body)), ("STALE", 2000 + len(commands) + end))
        wait_for(lambda: do(n, commands, target).get("x-cache") == "HIT", 3)
        equal(len(request(n.port, target).body), 2000 + len(commands))


@case()
def addresses_behind_a_proxy(t):
    """PROXY protocol and realip: plugins see the client that NGINX sees."""
    port = free_port()
    n = t.nginx("weir_plugin p {guests}/properties.wasm 'config_inline=source.address\nsource.port\ndestination.address';", "location / { proxy_pass http://up; }", http="""
      weir p; set_real_ip_from 127.0.0.1;
      server { listen 127.0.0.1:%d proxy_protocol; real_ip_header proxy_protocol; location / { proxy_pass http://up; } }
      server { listen unix:{dir}/sock; location / { proxy_pass http://up; } }
    """ % port)
    n.start()
    with Connection(port) as c:
        c.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n" + message("GET", "/echo"))
        equal(c.read().status, 200)
    n.wait_log(f"prop rh source.address 0 =192.0.2.7:4711")
    n.mark()
    done = subprocess.run(["curl", "-s", "--unix-socket", str(n.dir / "sock"), "http://weir.test/echo"], capture_output=True, text=True)
    assert "GET /echo" in done.stdout, done
    n.wait_log(f"prop rh source.address 0 =unix:")
    n.wait_log("prop rh source.port 1 ")
