#!/usr/bin/env python3
"""Runs the suites of the example plugins (plugins/) in one process. usage: plugins.py [WEIR [MODULES]] [FLAGS OF weir test…]"""
import pathlib
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
]


def main():
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    weir, modules, *_ = [*names, *("build/bin/weir", "build/plugins")[len(names):]]
    arguments = [weir, "test"]
    for module, folder, config, suite in SUITES:
        where = ROOT / "plugins" / folder
        arguments += ["--plugin", f"{modules}/{module}.wasm", *(["--config", str(where / config)] if config else []), "--suite", str(where / suite)]
    return subprocess.run([*arguments, "--any-chunking", *flags]).returncode


if __name__ == "__main__":
    sys.exit(main())
