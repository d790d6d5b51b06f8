#!/usr/bin/env python3
"""Checks the example plugins (plugins/) and runs their suites in one process. usage: plugins.py [WEIR [MODULES]] [FLAGS OF weir test…]"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# module, folder, configuration, suite
SUITES = [
    ("c-headers", "c", None, "tests.textpb"),
    ("c-noop", "c", None, "noop.textpb"),
    ("rust-noop", "c", None, "noop.textpb"),
    ("rust-auth", "rust/auth", "auth.json", "tests.textpb"),
    ("rust-headers", "rust/headers", "headers.json", "tests.textpb"),
    ("rust-body", "rust/body", "body.json", "tests.textpb"),
    ("rust-extauth", "rust/extauth", "extauth.json", "tests.textpb"),
    ("rust-redisguard", "rust/redisguard", "redisguard.txt", "tests.textpb"),
    ("go-ratelimit", "go/ratelimit", None, "tests.textpb"),
    ("cpp-bodylog", "cpp/bodylog", None, "tests.textpb"),
    ("assemblyscript-stamp", "assemblyscript/stamp", None, "unconfigured.yaml"),
    ("assemblyscript-stamp", "assemblyscript/stamp", "stamp.txt", "tests.yaml"),
    ("teach-ab", "teach/ab", "ab.txt", "tests.yaml"),
    ("teach-botcheck", "teach/botcheck", "botcheck.json", "tests.yaml"),
    ("teach-cors", "teach/cors", "cors.txt", "tests.yaml"),
    ("teach-geo", "teach/geo", "geo.json", "tests.yaml"),
    ("teach-html", "teach/html", "html.json", "tests.yaml"),
    ("teach-jwt", "teach/jwt", "jwt.json", "tests.yaml"),
    ("teach-pii", "teach/pii", None, "tests.yaml"),
    ("teach-ratelimit", "teach/ratelimit", "ratelimit.json", "tests.textpb"),
    ("teach-redirects", "teach/redirects", "redirects.txt", "tests.textpb"),
    ("teach-session", "teach/session", "session.json", "tests.yaml"),
]



def check(weir, modules):
    """How many modules `weir check` has nothing against, and how many others. (weir test compiles them.)"""
    run = subprocess.run([weir, "check", "--strict", "--no-compile", "--json", *modules], stdout=subprocess.PIPE, text=True)
    reports = [json.loads(line) for line in run.stdout.splitlines()]
    for report in reports:
        for finding in report["findings"]:
            if not report["ok"] and finding["severity"] != "note":
                print(f"FAIL {report['file']}: {finding['severity']} {finding['id']}: {finding['message']}")
    passed = sum(report["ok"] for report in reports)
    return passed, len(modules) - passed


def main():
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    weir, folder, *_ = [*names, *("build/bin/weir", "build/plugins")[len(names):]]
    good, bad = check(weir, sorted({f"{folder}/{module}.wasm" for module, *_ in SUITES}))
    arguments = [weir, "test"]
    for module, source, config, suite in SUITES:
        where = ROOT / "plugins" / source
        arguments += ["--plugin", f"{folder}/{module}.wasm", *(["--config", str(where / config)] if config else []), "--suite", str(where / suite)]
    run = subprocess.run([*arguments, "--any-chunking", *flags], stdout=subprocess.PIPE, text=True)
    print(run.stdout, end="", flush=True)
    if found := re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", run.stdout, re.MULTILINE):
        print(f"of weir check: {good} passed, {bad} failed")
        print(f"{int(found[1]) + good} passed, {int(found[2]) + bad} failed, {found[3]} skipped")
    return run.returncode or (1 if bad else 0)


if __name__ == "__main__":
    sys.exit(main())
