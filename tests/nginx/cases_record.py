"""weir_record: what plugins saw and did in real requests, and `weir trace`, which shows it and plays it again."""
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import threading

from cases import Skip, case, each, equal, has, lacks, site
from client import Connection, message, request
from harness import Settings, plugin, wait_for

LOCATIONS = """
  location / { weir p; proxy_pass http://up; }
  location /half { weir p; weir_record {dir}/half.trace sample=50%; proxy_pass http://up; }
  location /off { weir p; weir_record off; proxy_pass http://up; }
"""
RUST = 'config_inline={"request": {"set": {"x-from-plugin": "one"}, "rewrite": {"x-in": {"find": "a", "replace": "b"}}}, "response": {"add": {"x-plugin": "yes"}}}'


def rust():
    found = plugin("rust-headers.wasm")
    if not found:
        raise Skip("rust-headers.wasm is not built (make plugins)")
    return found


def weir(*arguments, code=0):
    done = subprocess.run([Settings.weir, "trace", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    equal(done.returncode, code, f"weir trace {arguments}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def records(path, kind="http"):
    return [one for one in map(json.loads, path.read_text().splitlines()) if one["kind"] == kind]


def start(t, record="weir_record {dir}/weir.trace;", plugins=None, locations=LOCATIONS, **more):
    n = t.nginx("", "", **more)
    n.write(plugins or f"weir_plugin p {{guests}}/script.wasm; {record}", locations)
    n.start()
    n.trace = n.dir / "weir.trace"
    return n


def settled(path, count):
    wait_for(lambda: path.exists() and len(records(path)) == count, 30, lambda: f"{count} records; there are {len(records(path))}")


@case()
def a_rust_plugin_played_again(t):
    """Equal against itself; against another configuration, and against another plugin, the first difference."""
    module = rust()
    n = start(t, plugins=f"weir_plugin p {module} '{RUST}'; weir_record {{dir}}/weir.trace;", workers=2)
    for i in range(20):
        r = request(n.port, f"/echo?{i}", [("x-in", "banana"), ("Connection", "close")], body=b"x" * 5000 if i % 2 else b"")
        equal((r.status, r.get("x-plugin")), (200, "yes"))
    settled(n.trace, 20)
    has(weir(n.trace, "--replay"), "20 requests")
    has(weir(n.trace, "--replay"), "no difference")
    other = n.file("other.json", '{"request": {"set": {"x-from-plugin": "two"}, "rewrite": {"x-in": {"find": "a", "replace": "b"}}}, "response": {"add": {"x-plugin": "yes"}}}')
    text = weir(n.trace, "--replay", "--config", other, code=1)
    has(text, "recorded  replace request_headers x-from-plugin one")
    has(text, "now       replace request_headers x-from-plugin two")
    text = weir(n.trace, "--plugin", Settings.guests / "noop.wasm", code=1)
    has(text, "now       (nothing more)")
    text = weir(n.trace)
    for part in ("x-in: banana", "replace request_headers x-in bbnbnb", "add response_headers x-plugin yes", "-> continue", str(module)):
        has(text, part)
    one = records(n.trace)[0]["id"]
    equal(len(re.findall("^request ", weir(n.trace, "--id", one), re.M)), 1)


@case()
def bodies_pauses_clock_and_properties(t):
    n = start(t)
    requests = [
        ("rh get x-a;rh prop source.port;rh prop request.path;rh pairs", None),
        ("rh pause 30;rh set x-late yes;sh add x-b c", None),
        ("rb hold;rb append !;sb prepend <;sb append >", b"y" * 20000),
        ("rh local 403 no", None),
        ("sb pause 20;log log bye", None),
        ("done pending;log log later", None),
        ("sb trailer x-t 1", None),
    ]
    for commands, body in requests:
        request(n.port, "/echo", [("x-do", commands), ("x-a", "b")], body=body or b"")
    settled(n.trace, len(requests))
    has(weir(n.trace, "--replay"), "no difference")
    text = weir(n.trace)
    for part in ("property source.port", "resume request", "local_response 403", "replace_body request", "clock", "tick"):
        has(text, part)


@case()
def calls_played_again(t):
    found = plugin("rust-extauth.wasm")
    if not found:
        raise Skip("rust-extauth.wasm is not built (make plugins)")
    config = 'config_inline={"upstream": "up", "path": "/status/200", "send": ["authorization"], "take": ["x-user"]}'
    n = start(t, plugins=f"weir_plugin p {found} '{config}'; weir_record {{dir}}/weir.trace;")
    for path in ("/echo", "/a", "/b?c"):
        request(n.port, path, [("authorization", "Bearer very-secret-token")])
    settled(n.trace, 3)
    text = weir(n.trace)
    has(text, "http_call up")
    has(text, "http_answer 1")
    lacks(n.trace.read_text(), "very-secret")
    has(weir(n.trace, "--replay"), "no difference")


REAL = {"http_headers-0.2.0": "", "http_auth_random-0.2.0": "", "rust-proxy-wasm-0.2.5": "", "assemblyscript-stamp": "", "cpp-bodylog": "",
        "go-ratelimit": '{"requests": 20, "seconds": 3600}'}


@each([(name, name, config) for name, config in REAL.items()])
def real_plugins_do_it_again(t, name, config):
    """SDKs in Rust, Go, C++ and AssemblyScript: time, random numbers, context ids, calls, shared data and bodies as they were."""
    found = plugin(f"{name}.wasm")
    if not found:
        raise Skip(f"{name}.wasm is not built (make plugins)")
    n = start(t, plugins=f"weir_cluster httpbin http://{{up}}; weir_plugin p {found} 'config_inline={config}' timeout=1s; weir_record {{dir}}/weir.trace;")
    for i in range(6):
        request(n.port, f"/echo/{i}", [("x-in", str(i))], body=b"some words " * (200 if i % 2 else 0))
    settled(n.trace, 6)
    has(weir(n.trace, "--replay"), "no difference")


@case()
def what_is_not_to_be_recorded_is_not(t):
    """Requests, and answers to their calls, of a location that does not record, while another one does."""
    n = start(t, plugins="weir_plugin p {guests}/calls.wasm; weir_cluster c http://{up}; weir_record {dir}/weir.trace;")
    for path, call in (("/off/private", "/echo/hidden"), ("/on", "/echo/shown")):
        equal(request(n.port, path, [("x-do", f"rh http c GET {call} 1000")]).status, 200)
    settled(n.trace, 1)
    text = n.trace.read_text()
    has(text, "/echo/shown")
    has(text, "http_answer")
    for part in ("/off/private", "hidden"):
        lacks(text, part)


@case()
def redacted_headers_are_nowhere(t):
    n = start(t, "weir_record {dir}/weir.trace redact=X-Api-Key;")
    secret = {"authorization": "Basic c2VjcmV0LW9uZQ==", "cookie": "session=secret-two-and-more; theme=dark", "x-api-key": "secret-three"}
    commands = "rh get authorization;rh get cookie;rh get x-api-key;log log secret-three;rh set x-copy secret-two-and-more"
    r = request(n.port, "/echo", [("x-do", commands), *secret.items()])
    equal(r.status, 200)
    settled(n.trace, 1)
    text = n.trace.read_text()
    for part in ("c2VjcmV0", "secret-two", "secret-three"):
        lacks(text, part)
    equal(text.count('"authorization","[redacted]"') > 0, True)
    has(text, '"redacted":["authorization","proxy-authorization","cookie","set-cookie","x-api-key"]')
    n.write("weir_plugin p {guests}/script.wasm; weir_record {dir}/none.trace redact=none;", LOCATIONS)
    n.reload()
    request(n.port, "/echo", [("x-do", "rh get cookie"), *secret.items()])
    settled(n.dir / "none.trace", 1)
    has((n.dir / "none.trace").read_text(), "secret-two")


@case()
def a_sample_of_requests(t):
    n = start(t)
    for _ in range(400):
        equal(request(n.port, "/half/x").status, 200)
    equal(request(n.port, "/off").status, 200)
    wait_for(lambda: (n.dir / "half.trace").exists(), 30, "a file")
    count = len(records(n.dir / "half.trace"))
    assert 140 < count < 260, count
    equal((n.dir / "weir.trace").read_text(), "")
    equal(stat.S_IMODE((n.dir / "half.trace").stat().st_mode), 0o600)
    has(weir(n.dir / "half.trace", "--replay"), "no difference")


@case(log="trap|failed|failure")
def a_trap_writes_what_led_to_it(t):
    n = start(t, "weir_record {dir}/weir.trace sample=0 redact=x-key;")
    for i in range(30):
        equal(request(n.port, f"/fine/{i}", [("x-do", "rh set x-a b")]).status, 200)
    equal(n.trace.read_text(), "")
    for _ in range(3):  # the second comes within the interval
        equal(request(n.port, "/bad", [("x-do", "rh trap"), ("x-key", "hidden-value")]).status, 503)
    n.wait_log('what led to its failure is in ".*weir.trace": weir trace')
    found = records(n.trace)
    equal([one["why"] for one in found], ["before_trap"] * 16 + ["trap"])
    equal([path for one in found for given in one["events"][0]["given"] for path in given[given.index(":path") + 1:][:1]],
          [f"/fine/{i}" for i in range(14, 30)] + ["/bad"])
    has(found[-1]["events"][-1]["error"], "unreachable")
    lacks(n.trace.read_text(), "hidden-value")
    has(weir(n.trace, "--replay"), "no difference")
    text = weir(n.trace, "--id", found[-1]["id"])
    has(text, "-> failed")
    has(weir(n.trace, "--plugin", Settings.guests / "noop.wasm", "--ignore", "replace", "--ignore", "log", "--ignore", "tick_every", "--ignore", "add", code=1), "now       -> continue")


@case(log="trap|failed|failure")
def without_traps_the_chosen_alone(t):
    """Requests that are not chosen run as without weir_record, and a trap of theirs is in no file; of those that are, it is in the record."""
    n = start(t, "weir_record {dir}/weir.trace sample=50% traps=off;")
    for i in range(100):
        equal(request(n.port, f"/{i}", [("x-do", "rh set x-a b")]).status, 200)
    assert 15 < len(records(n.trace)) < 85, len(records(n.trace))
    has(weir(n.trace, "--replay"), "no difference")
    equal(request(n.port, "/bad", [("x-do", "rh trap")]).status, 503)
    equal({one["why"] for one in records(n.trace)}, {"sample"})
    lacks(n.log(), "what led to its failure")


@case(log="trap|failed|failure")
def instances_that_follow_a_trap_play_too(t):
    n = start(t)
    for commands in ("rh set x-a 1", "rh trap", "rh set x-a 2;log log two", "rh pause 10", "sb trap", "rh set x-a 3", "rh set x-a 4"):
        request(n.port, "/echo", [("x-do", commands)])
    settled(n.trace, 7)
    has(weir(n.trace, "--replay"), "7 requests")
    has(weir(n.trace, "--replay"), "no difference")
    assert len({one["start"] for one in records(n.trace)}) >= 3


@case()
def limits_of_a_record_and_of_the_file(t):
    n = start(t, "weir_record {dir}/weir.trace stream=8k max=64k;")
    request(n.port, "/echo", [("x-do", "rb hold")], body=b"z" * 50000)
    settled(n.trace, 1)
    equal(records(n.trace)[0]["cut"], 1)
    has(weir(n.trace, "--replay"), "are cut")
    for _ in range(100):
        equal(request(n.port, "/echo").status, 200)
    n.wait_log("max= is reached in")
    assert 30_000 < n.trace.stat().st_size <= 65536, n.trace.stat().st_size
    weir(n.trace, "--replay")


@case()
def rotation_begins_a_file_that_can_be_played(t):
    n = start(t, workers=2)
    for _ in range(4):
        request(n.port, "/echo", [("Connection", "close")])
    settled(n.trace, 4)
    n.trace.rename(n.dir / "old.trace")
    n.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: n.trace.exists() and "reopening logs" in n.log(), 30, "a new file")
    for _ in range(30):
        request(n.port, "/echo", [("Connection", "close")])
    wait_for(lambda: len(records(n.trace)) + len(records(n.dir / "old.trace")) == 34, 30, "all records")
    has(weir(n.trace, "--replay"), "no difference")
    has(weir(n.dir / "old.trace", "--replay"), "no difference")
    equal(stat.S_IMODE(n.trace.stat().st_mode), 0o600)


@case(log="weir_record")
def a_full_disk_fails_no_request(t):
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    n = start(t, "weir_record /dev/full;")
    for _ in range(5):
        equal(request(n.port, "/echo").status, 200)
    n.wait_log("weir_record: cannot write .*/dev/full.* records were not written")
    equal(n.log().count("records were not written"), 1)


@each([("a file that cannot be", "{dir}/none/x.trace", "No such file"), ("rate", "{dir}/x sample=2", "from 0"), ("rate that is none", "{dir}/x sample=often", "from 0"),
       ("names", "{dir}/x redact=a,,b", "names of headers"), ("unknown", "{dir}/x rate=1", "sample"), ("stream", "{dir}/x stream=1k", "between 4k"),
       ("max", "{dir}/x max=1k", "at least 64k"), ("traps", "{dir}/x traps=no", "on or off"), ("nothing", "{dir}/x sample=0 traps=off", "nothing is recorded"), ("twice", "{dir}/x; weir_record {dir}/x", "given twice"), ("off and more", "off sample=1", "stands alone")], log="emerg")
def record_mistakes_are_told(t, line, wanted):
    n = t.nginx(f"weir_plugin p {{guests}}/noop.wasm; weir_record {line};", LOCATIONS)
    code, text = n.check()
    equal(code, 1, text)
    has(text, wanted)


@case()
def a_directory_and_inheritance(t):
    n = t.nginx("", "")
    (n.dir / "traces").mkdir()
    n.write("weir_plugin p {guests}/noop.wasm; weir_record {dir}/traces;", LOCATIONS)
    n.start()
    request(n.port, "/echo")
    settled(n.dir / "traces" / "weir.trace", 1)


@case()
def load_while_recording(t):
    """Many at once, with pauses: every request is whole in the file, once, and the file plays."""
    n = start(t, workers=2)

    def client():
        with Connection(n.port) as c:
            for i in range(40):
                c.send(message("GET", "/echo", [("x-do", "rh pause 5;sb append x" if i % 4 == 0 else "rh set x-a b")]))
                equal(c.read().status, 200)
    threads = [threading.Thread(target=client) for _ in range(6)]
    [one.start() for one in threads]
    [one.join(30) for one in threads]
    settled(n.trace, 240)
    equal(len({one["id"] for one in records(n.trace)}), 240)
    has(weir(n.trace, "--replay"), "no difference")


@case()
def bad_input_of_weir_trace(t):
    n = t.nginx("", "location / { proxy_pass http://up; }")
    has(weir(n.dir / "none", code=2), "none")
    has(weir(n.file("empty", ""), code=2), "nothing is recorded")
    has(weir(n.file("text", "hello\n"), code=2), "text:1")
    line = '{"weir_trace":1,"kind":"http","id":"a","start":"b","plugin":"p","events":[]}\n'
    has(weir(n.file("half", line + line[:40]), "--replay", code=2), "the start of plugin")
    has(weir(n.file("half", line + line[:40])), "broke off")
    has(weir(n.file("one", line), "--id", "zz", code=2), "zz")
    has(weir(n.file("one", line), "--of", "zz", code=2), "zz")
    has(weir(n.file("two", line + line.replace('"p"', '"q"')), "--plugin", "x.wasm", code=2), "several plugins")
