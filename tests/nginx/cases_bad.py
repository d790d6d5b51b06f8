"""Bad input: one message that names the file, the thing and the remedy; `nginx -t` ends with 1."""
import os
import re
import subprocess
import time

import guests
from cases import Skip, case, each, equal, has
from client import request
from harness import Settings

BAD_MODULES = sorted(p.stem for p in (guests.TESTS / "bad_input").glob("*.wat"))
PLACE = "location / { weir p; proxy_pass http://up; }"


def refused(n, *patterns, seconds=60):
    start = time.monotonic()
    code, text = n.check(seconds + 10)
    assert code == 1, f"exit code {code}: {text}"
    assert time.monotonic() - start < seconds
    errors = [line for line in text.splitlines() if "[emerg]" in line]
    equal(len(errors), 1, f"one message in:\n{text}")
    for p in patterns:
        assert re.search(p, errors[0]), f"/{p}/ not in: {errors[0]}"
    return errors[0]


@each([(m, m) for m in BAD_MODULES], log=".")
def module(t, name):
    n = t.nginx(f"weir_plugin p {{guests}}/bad/{name}.wasm start_timeout=1s;", PLACE)
    refused(n, r'\bp\b', guests.expectation(name), seconds=15)


COMPONENT = b"\0asm\x0d\0\1\0"
FILES = [("empty", b"", "empty"), ("text", b"hello, world\n", "(?i)not.*wasm|not.*webassembly"), ("wat", b"(module)", "(?i)text|wat"), ("component", COMPONENT, "(?i)component"),
         ("header only", b"\0asm", "(?i)truncated|cut off"), ("version 2", b"\0asm\2\0\0\0", "(?i)version"), ("gzip", b"\x1f\x8b\x08\0\0\0\0\0", "(?i)gzip.*unpack"),
         ("elf", b"\x7fELF\2\1\1\0" * 8, "(?i)native code"), ("garbage sections", b"\0asm\1\0\0\0" + b"\xff" * 40, "(?i)invalid|malformed|truncated")]


@each(FILES, log=".")
def file(t, content, wanted):
    n = t.nginx("weir_plugin p {dir}/bad.wasm;", PLACE)
    n.file("bad.wasm", content)
    refused(n, r"bad\.wasm", wanted)


@case(log=".")
def truncated_anywhere(t):
    whole = (Settings.guests / "script.wasm").read_bytes()
    for part in (9, len(whole) // 4, len(whole) // 2, len(whole) - 1):
        n = t.nginx("weir_plugin p {dir}/cut.wasm;", PLACE)
        n.file("cut.wasm", whole[:part])
        refused(n, r"cut\.wasm")


@case(log=".")
def missing_file(t):
    refused(t.nginx("weir_plugin p /nowhere/none.wasm;", PLACE), "/nowhere/none.wasm", "(?i)no such file")


@case(log=".")
def directory(t):
    refused(t.nginx("weir_plugin p {dir};", PLACE), "(?i)director")


@case(log=".")
def configuration_file_missing(t):
    refused(t.nginx("weir_plugin p {guests}/script.wasm config=/nowhere/p.json;", PLACE), "/nowhere/p.json", "(?i)no such file")


GUEST = "weir_plugin p {guests}/script.wasm"
LINES = [("unknown argument", f"{GUEST} memroy=1m;", "memroy", "did you mean .*memory"), ("argument without value", f"{GUEST} memory=;", "memory"), ("no name", "weir_plugin;", "weir_plugin"),
         ("no file", "weir_plugin p;", "weir_plugin"), ("bad memory", f"{GUEST} memory=lots;", "lots"), ("zero memory", f"{GUEST} memory=0;", "memory"),
         ("memory below the module's own", f"{GUEST} memory=64k;", "memory"), ("bad timeout", f"{GUEST} timeout=soon;", "soon"), ("bad start_timeout", f"{GUEST} start_timeout=-1s;", "start_timeout"),
         ("bad on_error", f"{GUEST} on_error=maybe;", "maybe.*(open|closed)|(open|closed).*maybe"), ("bad statuses", f"{GUEST} statuses=loose;", "loose"),
         ("bad allow", f"{GUEST} allow=http_call,shared_dat;", "shared_dat", 'did you mean "shared_data"'), ("empty allow", f"{GUEST} allow=;", "empty item"),
         ("allow twice", f"{GUEST} allow=none allow=http_call;", "allow is given twice"), ("bad env", f"{GUEST} env=NOVALUE;", "env"),
         ("argument twice", f"{GUEST} memory=64m memory=32m;", "memory"), ("config and config_inline", f"{GUEST} config={{conf}} config_inline=x;", "config"),
         ("named twice", f"{GUEST}; {GUEST};", r"\bp\b"), ("bad cache argument", f"{GUEST}; weir_cache;", "weir_cache")]


@each([(name, line, patterns) for name, line, *patterns in LINES], log=".")
def directive(t, line, patterns):
    n = t.nginx("", PLACE)
    n.write(line.replace("{conf}", str(n.conf)), PLACE)
    refused(n, *patterns, r"nginx\.conf:\d+|plugin")


USES = [("undeclared", "weir nobody;", "nobody"), ("misspelt", "weir pp;", "pp.*\\bp\\b"), ("twice in a chain", "weir p p;", r"\bp\b"), ("empty", "weir;", "weir"),
        ("off with others", "weir off p;", "off"), ("twice in a block", "weir p; weir p;", "weir|duplicate")]


@each([(name, line, pattern) for name, line, pattern in USES], log=".")
def use(t, line, pattern):
    refused(t.nginx(f"{GUEST};", f"location / {{ {line} proxy_pass http://up; }}"), pattern)


@each([("in server", "", f"{GUEST}; location / {{ proxy_pass http://up; }}"), ("in location", "", f"location / {{ {GUEST}; proxy_pass http://up; }}")], log=".")
def weir_plugin_belongs_into_http(t, plugins, locations):
    refused(t.nginx(plugins, locations), "weir_plugin.*not allowed here")


@case(log=".")
def unused_plugin_is_checked_too(t):
    refused(t.nginx("weir_plugin p {guests}/bad/unknown_import.wasm;", "location / { proxy_pass http://up; }"), "proxy_get_header_map_valu")


@case(log=".")
def the_bad_one_of_three_is_named(t):
    n = t.nginx("weir_plugin one {guests}/noop.wasm; weir_plugin two {guests}/bad/configure_false.wasm; weir_plugin three {guests}/noop.wasm;",
                "location / { weir one two three; proxy_pass http://up; }")
    text = refused(n, r"\btwo\b")
    assert not re.search(r"\b(one|three)\b", text.split("nginx.conf")[0].replace("one message", "")), text


@case(log=".")
def start_also_fails_and_says_so(t):
    n = t.nginx("weir_plugin p {guests}/bad/configure_false.wasm;", PLACE)
    done = subprocess.run(n.command(), capture_output=True, text=True, timeout=20, env=n.environment)
    assert done.returncode == 1 and "on_configure" in done.stderr, (done.returncode, done.stderr)


@case(log=".")
def a_plugin_that_logs_in_start_is_heard(t):
    """What the plugin said before it refused is in the message or beside it."""
    n = t.nginx("weir_plugin p {guests}/script.wasm 'config_inline=start trap';", PLACE)
    text = refused(n, "unreachable")
    assert "OnConfigure" in text or "Misbehave" in text or "proxy_on_configure" in text, f"no backtrace by names: {text}"


@case()
def configurations_of_every_kind(t):
    """Quotes, newlines, NUL-free binary and 100 kB of configuration reach the plugin as they are."""
    n = t.nginx("weir_plugin p {guests}/script.wasm config={dir}/c;", PLACE)
    n.file("c", "# " + "x" * 100_000 + "\ndo sh add x-v \"q'é\n")
    n.start()
    equal(request(n.port).values("x-v"), ["\"q'é".encode().decode("latin-1")])


@case()
def all_arguments_at_once(t):
    n = t.started("""weir_plugin p {guests}/script.wasm 'config_inline=do rh prop plugin_root_id' root_id=the-root vm_id=the-vm vm_config=v
                     env=A=1 env=B=2=3 memory=64m timeout=100ms start_timeout=10s on_error=open statuses=strict
                     "allow=http_call, headers,properties,upstream:authz,foreign:compress";""", PLACE)
    equal(request(n.port).status, 200)
    equal(t.up.last().get("x-prop"), "0:the-root")
