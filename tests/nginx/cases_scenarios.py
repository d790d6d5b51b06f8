"""tests/scenarios through NGINX: the files that also run in memory, with the same expectations. Format: docs/scenarios.md."""
import codecs
import re
import shlex
import time

import guests
from cases import Skip, each, equal
from client import Connection, message
from harness import Settings, plugin, wait_for

FOLDER = guests.TESTS / "scenarios"
HELD_S = 3.0  # how long a client waits for a stream that is expected to stay paused


def text_of(rest):
    """TEXT of a line: as it is, or a string with escapes; `*N TEXT` repeats."""
    if match := re.match(r"\*(\d+) (.*)", rest, re.S):
        return text_of(match[2]) * int(match[1])
    if rest.startswith('"'):
        if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', rest, re.S):
            raise ValueError(f"bad string {rest}")
        return codecs.escape_decode(rest[1:-1].encode())[0]
    return rest.encode()


class Message:
    def __init__(self, *line):
        self.line, self.headers, self.absent, self.body = line, [], [], None

    def take(self, word, rest):
        if word == "header":
            name, value = rest.split(":", 1)
            self.headers.append((name.strip(), value.strip()))
        elif word == "no-header":
            self.absent.append(rest)
        elif word == "body":
            self.body = (self.body or []) + [text_of(rest)]
        else:
            return False
        return True

    def whole(self):
        return b"".join(self.body or [])


class Exchange:
    def __init__(self, request):
        self.request, self.upstream, self.expect_upstream, self.expect_client, self.logs = request, Message("200"), None, None, []
        self.upstream.body = [b"upstream"]


class Scenario:
    def __init__(self, path):
        self.plugins, self.configs, self.options, self.exchanges, self.sets, self.only, target = [], {}, [], [], [], None, None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            word, _, rest = line.partition(" ")
            rest = rest.strip()
            try:
                target = self.line(word, rest, target)
            except (ValueError, IndexError, AttributeError) as e:
                raise ValueError(f"{path.name}:{number}: {line}: {e}") from None

    def line(self, word, rest, target):
        one = self.exchanges[-1] if self.exchanges else None
        if one is None and word in ("about", "plugin", "config", "max-body", "only", "node", "variable"):
            if word == "plugin":
                name, guest, *options = shlex.split(rest)
                self.plugins.append((name, guest, options))
            elif word == "config":
                name, _, text = rest.partition(" ")
                self.configs.setdefault(name, []).append(text_of(text.strip()))
            elif word == "max-body":
                self.options.append(f"weir_max_body {rest};")
            elif word == "only":
                self.only = rest
            elif word == "node":
                self.options.append(f"weir_node {rest};")
            elif word == "variable":
                name, _, text = rest.partition(" ")
                self.sets.append(f'set ${name} "{text_of(text.strip()).decode()}";')
            return None
        if word == "request":
            target = Message(*rest.split(" ", 1))
            self.exchanges.append(Exchange(target))
        elif word == "upstream":
            one.upstream = target = Message(rest)
        elif word == "expect-upstream":
            one.expect_upstream = target = Message(*rest.split(" ", 1))
        elif word == "expect-client":
            one.expect_client = target = Message(rest)
        elif word in ("expect-log", "expect-no-log"):
            name, _, text = rest.partition(" ")
            one.logs.append((word == "expect-log", name, text_of(text.strip()).decode()))
        elif word == "property" and self.only == "memory":
            pass  # only memory can be given one
        elif target is None or not target.take(word, rest):
            raise ValueError("unknown word, or in a wrong place")
        return target


def answer_of(upstream):
    body = upstream.body or []
    names = {n.lower() for n, _ in upstream.headers}
    if "transfer-encoding" in names:
        return int(upstream.line[0]), upstream.headers, b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in body if c) + b"0\r\n\r\n"
    length = [] if int(upstream.line[0]) in (204, 304) or "content-length" in names else [("content-length", sum(map(len, body)))]
    return int(upstream.line[0]), upstream.headers + length, b"".join(body)


def check_headers(got, wanted, absent, what):
    """`got`: name to joined values."""
    names = {}
    for name, value in wanted:
        names.setdefault(name.lower(), []).append(value)
    for name, values in names.items():
        if name == ":scheme":
            continue  # in memory only
        equal(", ".join(got("host" if name == ":authority" else name)), ", ".join(values), f"{what} {name}")
    for name in absent:
        equal(got(name), [], f"{what} {name}")


def check(t, connect, one):
    """`connect(timeout)` is a Connection. Returns nothing; log lines are the caller's."""
    before, request = t.up.count, one.request
    t.up.script = answer_of(one.upstream)
    method, target = request.line
    chunked = any(name.lower() == "transfer-encoding" for name, _ in request.headers)
    headers = [(name, v) for name, v in request.headers if name.lower() not in ("transfer-encoding", "host")]
    data = message(method, target, headers, request.whole(), chunks=request.body or [] if chunked else None, host="example.test")
    reset = one.expect_client.line[0] == "reset"
    try:
        with connect(HELD_S if reset else 15) as c:
            c.send(data)
            response = c.read(head=method == "HEAD")
    except (ConnectionError, TimeoutError):
        response = None
    if reset:
        assert response is None or not response.complete, f"wanted a reset, got {response}"
    else:
        assert response and response.complete, f"wanted {one.expect_client.line[0]}, got {response}"
        equal(response.status, int(one.expect_client.line[0]), "client")
        check_headers(response.values, one.expect_client.headers, one.expect_client.absent, "client")
        if one.expect_client.body is not None:
            equal(response.body, one.expect_client.whole(), "client body")
    if one.expect_upstream and one.expect_upstream.line == ("nothing",):
        equal(t.up.count, before, "requests that reached the upstream")
    elif one.expect_upstream:
        equal(t.up.count, before + 1, "requests that reached the upstream")
        seen = t.up.last()
        equal((seen.method, seen.target), one.expect_upstream.line, "upstream")
        check_headers(seen.values, one.expect_upstream.headers, one.expect_upstream.absent, "upstream")
        if one.expect_upstream.body is not None:
            equal(seen.body, one.expect_upstream.whole(), "upstream body")


def said(n, name):
    return [line for line in n.new_log().splitlines() if f"weir: [{name}] " in line]


def check_logs(n, logs):
    for wanted, name, text in logs:
        if wanted:
            wait_for(lambda: any(text in line for line in said(n, name)), 3, lambda: f"{text!r} in the log of {name}: {said(n, name)[-20:]}")
    if any(not wanted for wanted, _, _ in logs):
        time.sleep(0.2)
    for wanted, name, text in logs:
        assert wanted or not any(text in line for line in said(n, name)), f"{text!r} in the log of {name}"


def wasm(guest):
    """A guest of the tests, or a plugin: an example of ours or a registry's."""
    here = Settings.guests / f"{guest}.wasm"
    if found := here if here.exists() else plugin(f"{guest}.wasm"):
        return found
    raise Skip(f"no {guest}.wasm: plugins/build.sh builds it")


@each([(p.stem, p) for p in sorted(FOLDER.glob("*.scenario"))], log=r"down after \d+ failures")
def scenario(t, path):
    s = Scenario(path)
    if s.only == "memory":
        raise Skip("only in memory")
    n = t.nginx()
    lines = []
    for name, guest, options in s.plugins:
        config = ""
        if name in s.configs:
            n.file(f"{name}.conf", b"\n".join(s.configs[name]))
            config = f"config={{dir}}/{name}.conf"
        quoted = " ".join("'" + o.replace("\\", "\\\\").replace("'", "\\'") + "'" for o in options)
        lines.append(f"weir_plugin {name} {wasm(guest)} {config} {quoted};")
    chain = " ".join(name for name, _, _ in s.plugins)
    n.write("\n".join(lines + s.options), f"client_max_body_size 100m; {' '.join(s.sets)} location / {{ weir {chain}; proxy_pass http://up; proxy_set_header Host $http_host; }}")
    n.start()
    for i, one in enumerate(s.exchanges):
        if i:
            n.mark()
        check(t, lambda timeout: Connection(n.port, timeout=timeout), one)
        check_logs(n, one.logs)
