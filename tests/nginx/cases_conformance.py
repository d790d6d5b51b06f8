"""tests/conformance through NGINX: the guests and transcripts that `weir conformance --export` writes, in two NGINXes, one with
statuses=lenient and one with strict. Each case has plugins and a server of its own there, on a unix socket; each runs with the newest
version of the ABI that it is of. Cases that say `nginx no (…)` are counted, and left out. WEIR_CASES=NAME plays only those with that name."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from cases import case
from cases_grpc import grpc
from cases_scenarios import Exchange, Message, check
from client import Connection, request
from conformance_peers import Connection as Tcp
from conformance_peers import peer
from harness import Settings, wait_for
from tcp import stream_block
from upstream import Upstream

SAID = re.compile(r"^\S+ \S+ \[\w+\] (\d+)#\d+: (?:\*\d+ )?weir: \[(\w+)\] (.*)$")
MARKED = re.compile(r"case: .*?;(?=$|, client: |, server: |, request: |, upstream: | while )")
WORKER_WAIT_S = 3  # for lines that come after the response: ticks, on_log


class Unix(Connection):
    def __init__(self, path, timeout):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")


def runs(statuses):
    """One run a case: the newest ABI. The export's folder, which holds the guests, comes first."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-conformance-"))
    folder.chmod(0o755)
    subprocess.run([Settings.weir, "conformance", "--filter", os.environ.get("WEIR_CASES", ""), "--export", folder], check=True, capture_output=True)
    chosen = {}
    for run in json.loads((folder / "cases.json").read_text()):
        if run["statuses"] == statuses:
            chosen[run["name"]] = run  # versions come in order
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder, list(chosen.values())


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def plugin_lines(n, folder, run, prefix):
    lines = []
    for p in run["plugins"]:
        name = prefix + p["name"]
        options = [f"statuses={run['statuses']}", f"on_error={p['on_error']}", f"header_pause={p['header_pause']}", f"on_buffer_full={p['on_buffer_full']}"]
        if p["configuration"]:
            options.append(f"config={n.file(f'{name}.conf', p['configuration'].encode('latin-1'))}")
        options += [f"env={e}" for e in p["environment"]]
        options += [f"{key}={p[field]}{unit}" for key, field, unit in
                    (("allow", "allow", ""), ("vm_config", "vm_configuration", ""), ("root_id", "root_id", ""), ("vm_id", "vm_id", ""), ("memory", "memory_bytes", ""),
                     ("timeout", "callback_ms", "ms")) if p[field]]
        lines.append(f"weir_plugin {name} {folder / p['wasm']} {' '.join(quoted(o) for o in options)};")
    return lines


def message(line, source):
    m = Message(*line)
    m.headers, m.absent = [tuple(h) for h in source.get("headers", [])], source.get("no_headers", [])
    body = source.get("body")
    m.body = None if body is None else [b.encode("latin-1") for b in (body if isinstance(body, list) else [body])]
    return m


def exchange(source):
    request = source["request"]
    one = Exchange(message((request["method"], request["target"]), request))
    one.request.body = one.request.body or None
    one.upstream = message((source["upstream"]["status"],), source["upstream"])
    client = source["expect_client"]
    one.expect_client = message((client["status"],), client)
    one.expect_client.headers += [tuple(t) for t in client["trailers"]]  # a Connection has both in one list
    if upstream := source.get("expect_upstream"):
        one.expect_upstream = Message("nothing") if upstream == "nothing" else message((upstream["method"], upstream["target"]), upstream)
    return one


def fits(wanted, said):
    return len(wanted) == len(said) and re.fullmatch("\n".join(line["pattern"] for line in wanted), "\n".join(said))


class Site:
    """One NGINX with all the cases of a mode."""
    THREADS = 8  # that play cases, each with an upstream of its own: most of their time is waiting

    def __init__(self, t, folder, runs, body_bytes):
        self.t, self.folder, self.runs, self.failures, self.peers = t, folder, runs, [], []
        self.upstreams = [Upstream() for _ in range(min(self.THREADS, len(runs)))]
        self.marks = {}  # case -> the line of the log at which each of its exchanges began
        self.build(body_bytes)

    def chain(self, i):
        return " ".join(f"c{i}_{p['name']}" for p in self.runs[i]["plugins"])

    def clusters(self, run):
        lines = []
        for cluster in run["clusters"]:
            server, line = peer(cluster, self.n.dir)
            self.peers.append(server)
            lines.append(line)
        return lines

    def build(self, body_bytes):
        self.n = self.t.nginx()
        plugins, servers, clusters = [], [], []
        for i, run in enumerate(self.runs):
            plugins += plugin_lines(self.n, self.folder, run, f"c{i}_")
            chain = self.chain(i)
            clusters += self.clusters(run)
            servers.append(f"server {{ listen unix:{self.n.dir}/c{i}; location / {{ weir {chain}; proxy_pass http://127.0.0.1:{self.upstream(i).port}; "
                           f"proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection \"\"; }} }}")
        most = f"weir_max_body {body_bytes};" if body_bytes else ""
        self.n.write("\n".join(plugins), "location = /weir-metrics { weir_metrics; }", http="\n".join([most, "client_max_body_size 100m;", *clusters, *servers]))

    def lines(self):
        """(plugin, text) of what plugins of the worker said; the canary's lines are the master's."""
        rows = []
        for line in self.n.log().splitlines():
            if (match := SAID.match(line)) and int(match[1]) in self.workers:
                rows.append((match[2], match[3]))
        return rows

    def said(self, i, rows):
        return [match[0] for name, text in rows if name.startswith(f"c{i}_") and (match := MARKED.match(text))]

    def upstream(self, i):
        return self.upstreams[i % len(self.upstreams)]

    def play(self):
        def some(first):
            for i in range(first, len(self.runs), len(self.upstreams)):
                self.play_one(i)
        with ThreadPoolExecutor(self.THREADS) as pool:
            list(pool.map(some, range(len(self.upstreams))))

    def play_one(self, i):
        run = self.runs[i]
        events = run["events"]
        for at, event in enumerate(events):
            if "wait_ms" in event:  # the last one is waited for with all the others'
                if at + 1 < len(events):
                    time.sleep(event["wait_ms"] / 1000)
                continue
            try:
                self.event(i, event)
            except (AssertionError, OSError) as e:
                self.failures.append(f"{run['name']} ({run['statuses']}): {self.place(run, event)}: {e}")

    @staticmethod
    def place(run, event):
        return f"request of line {run['exchanges'][event['exchange']]['line']}" if "exchange" in event else " ".join(f"{k} {v}" for k, v in event.items())

    def metric(self, i, line):
        """In the metrics of all workers, where the plugin has this case's name."""
        wanted = re.sub(r'plugin="(\w+)"', rf'plugin="c{i}_\1"', line)
        text = ""

        def there():
            nonlocal text
            text = request(self.n.port, "/weir-metrics").text
            return wanted in text.splitlines()
        series = wanted.rsplit(" ", 1)[0] + " "
        wait_for(there, 2, lambda: f"{wanted}; got {[l for l in text.splitlines() if l.startswith(series)]}")

    def event(self, i, event):
        run = self.runs[i]
        if "metric" in event:
            return self.metric(i, event["metric"])
        source = run["exchanges"][event["exchange"]]
        self.marks.setdefault(i, []).append(len(self.lines()) if len(run["exchanges"]) > 1 else 0)
        check(SimpleNamespace(up=self.upstream(i)), lambda timeout: Unix(f"{self.n.dir}/c{i}", timeout), exchange(source))

    def judge(self, unloaded):
        """Compares the transcripts; `unloaded`: of those that go on after the plugin's end."""
        todo = [(i, r) for i, r in enumerate(self.runs) if any(l["unload"] for l in r["transcript"]) == unloaded]
        end = time.monotonic() + WORKER_WAIT_S
        while True:
            rows = self.lines()
            short = [i for i, r in todo if len(self.said(i, rows)) < len(r["transcript"])]
            if not short or time.monotonic() > end:
                break
            time.sleep(0.1)
        time.sleep(0.2)  # a line too many would come now
        rows = self.lines()
        for i, run in todo:
            self.judge_one(i, run, rows)

    def judge_one(self, i, run, rows):
        said, wanted = self.said(i, rows), run["transcript"]
        if not fits(wanted, said):
            at = next((k for k in range(len(wanted)) if not fits(wanted[:k + 1], said[:k + 1])), len(wanted))
            expected = f"line {wanted[at]['line']}: {wanted[at]['text']}" if at < len(wanted) else "nothing more"
            self.failures.append(f"{run['name']} ({run['statuses']}): expected {expected}; got {said[at] if at < len(said) else 'nothing more'}")
        for at, source in enumerate(run["exchanges"]):
            begin = self.marks[i][at] if at else 0  # the first one's: also those of the start. What must come may be late, or, by the clock, early
            end = self.marks[i][at + 1] if at + 1 < len(run["exchanges"]) else len(rows)
            for key, there in (("logs", True), ("no_logs", False)):
                for name, text in source[key]:
                    if any(n == f"c{i}_{name}" and text in line for n, line in (rows if there else rows[begin:end])) != there:
                        self.failures.append(f"{run['name']} ({run['statuses']}): {'no' if there else 'a'} line of the log with {text!r}")

    def run(self):
        self.n.start()
        self.workers = set(self.n.pids())
        self.play()
        self.judge(unloaded=False)
        self.n.stop()
        self.n.process = None
        self.judge(unloaded=True)
        for server in self.peers + self.upstreams:
            server.stop()
        return self.failures


class TcpSite(Site):
    """The same in stream{}."""

    def build(self, body_bytes):
        self.connections = []
        self.n = self.t.nginx(module=False)
        plugins, servers = [], []
        for i, run in enumerate(self.runs):
            plugins += plugin_lines(self.n, self.folder, run, f"c{i}_") + self.clusters(run)
            self.connections.append(Tcp())
            most = run["plugins"][0]["body_bytes"]
            servers.append(f"server {{ listen 127.0.0.1:{self.connections[i].front}; weir {self.chain(i)}; proxy_pass 127.0.0.1:{self.connections[i].port}; "
                           f"proxy_half_close on; {f'weir_max_data {most};' if most else ''} }}")
        self.peers += self.connections
        self.n.write(main=stream_block("\n".join(plugins + servers)))

    def play_one(self, i):
        super().play_one(i)
        self.connections[i].stop()

    def event(self, i, event):
        problem = self.connections[i].do(event["tcp"], event["bytes"].encode("latin-1"))
        assert not problem, problem


def refuse(t, folder, i, run):
    """A plugin that does not load: `nginx -t` fails and says why."""
    n = t.nginx()
    chain = " ".join(f"r{i}_{p['name']}" for p in run["plugins"])
    n.write("\n".join(plugin_lines(n, folder, run, f"r{i}_")), f"location / {{ weir {chain}; proxy_pass http://up; }}")
    code, output = n.check()
    if code == 0 or run["expect_load"] not in output:
        return [f"{run['name']} ({run['statuses']}): wanted {run['expect_load']!r}, got {code}: {output[-500:]}"]
    return []


def play(t, statuses):
    folder, everything = runs(statuses)
    mine = [r for r in everything if not r["not_nginx"] and (grpc or not any(c["kind"] == "grpc" for c in r["clusters"]))]
    groups, failures = {}, []
    tcp = [run for run in mine if any("tcp" in event for event in run["events"])]
    for run in mine:
        if not run["expect_load"] and run not in tcp:
            groups.setdefault(run["plugins"][0]["body_bytes"], []).append(run)  # weir_max_body is one for all
    for body_bytes, group in sorted(groups.items()):
        failures += Site(t, folder, group, body_bytes).run()
    if tcp:
        failures += TcpSite(t, folder, tcp, 0).run()
    for i, run in enumerate(r for r in mine if r["expect_load"]):
        failures += refuse(t, folder, i, run)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"     {len(mine)} conformance cases ran, {len(everything) - len(mine)} are marked `nginx no`{'' if grpc else ' or need grpcio'}")
    assert not failures, f"{len(failures)} failures\n" + "\n".join(failures)


# A plugin that is down, proxy_log at CRITICAL, a plugin that does not load.
LOG = r'down after \d+ failures|\[crit\] \d+#\d+: \*\d+ weir: \[c\d+_p\] |\[emerg\] \d+#\d+: weir: plugin "r\d+_'


@case(log=LOG)
def lenient(t):
    play(t, "lenient")


@case(log=LOG)
def strict(t):
    play(t, "strict")
