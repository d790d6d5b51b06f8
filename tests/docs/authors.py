#!/usr/bin/env python3
"""Runs the commands of docs/authors.md, and of docs/extism.md, as they stand, each language from an empty folder. usage: authors.py [LANGUAGE…]

A block of a page that begins with ```sh LANGUAGE belongs to that language, one with ```sh alone to all. Rust, Go and AssemblyScript fetch
their SDKs from crates.io, the Go module registry, PyPI and npm; `make test` runs cpp and extism_c. CARGO_TARGET_DIR makes Rust's standard library be built once.
"""
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = {"authors.md": ("rust", "go", "cpp", "assemblyscript"), "extism.md": ("extism_rust", "extism_go", "extism_c")}
PAGE_OF = {language: page for page, languages in PAGES.items() for language in languages}
MINUTES = 15  # a cold Rust builds the standard library
# What the output has to have in it, beside every command having ended well.
SHOWN = {
    "authors.md": (r"hello\.wasm: Proxy-Wasm ABI", r"^0 errors, 0 warnings", r"\+ x-greeting +good morning", r"not for you", r"^3 passed, 0 failed, 0 skipped$",
                   r"proxy_on_response_headers", r": 0 found$", r"nginx\.conf test is successful", r"^x-greeting: good morning", r"^HTTP/1.1 403 Forbidden"),
    "extism.md": (r"^greet$", r"^Hello, you!$", r"^Moin, you!$", r"^info: .*you$", r'"output":"Hello, you!"', r"^0 errors, "),
}


def text_of(page):
    return (ROOT / "docs" / page).read_text()


def script(language):
    blocks = re.findall(r"^```sh ?(\w*)\n(.*?)^```$", text_of(PAGE_OF[language]), re.MULTILINE | re.DOTALL)
    text = "\n".join(text for of, text in blocks if of in ("", language))
    with socket.socket() as one, socket.socket() as other:
        for free, port in ((one, 8080), (other, 8081)):  # others may have them: free ones in their place
            free.bind(("127.0.0.1", 0))
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free.getsockname()[1]}")
    return "trap 'kill $(cat nginx.pid 2>/dev/null) 2>/dev/null || true' EXIT\n" + text  # after a failed curl, too


def commands(language):
    """Nothing, or what is wrong."""
    environment = {**os.environ, "WEIR": str(ROOT), "PATH": f"{ROOT}/build/bin:{os.environ['PATH']}:/usr/sbin"}
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script(language)], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=MINUTES * 60)
        except subprocess.TimeoutExpired as late:
            return f"not finished after {MINUTES} minutes: {(late.stdout or b'')[-2000:]}"
    if run.returncode != 0:
        return f"exit code {run.returncode}; its output ends with\n{run.stdout[-3000:]}"
    missing = [part for part in SHOWN[PAGE_OF[language]] if not re.search(part, run.stdout, re.MULTILINE)]
    return f"not in its output: {missing}\n{run.stdout[-6000:]}" if missing else None


def packages():
    """What the page says to install is what the tests are run with."""
    known = set(re.sub(r"#.*", "", (ROOT / "scripts" / "packages.txt").read_text()).split())
    named = {name for line in re.findall(r"apt-get install ([^`]+)`", text_of("authors.md")) for name in line.split()}
    return f"not in scripts/packages.txt: {sorted(named - known)}" if named - known or not named else None


def main():
    chosen = sys.argv[1:] or tuple(PAGE_OF)
    if unknown := set(chosen) - set(PAGE_OF):
        sys.exit(f"authors.py: no language {', '.join(sorted(unknown))}; there are {', '.join(PAGE_OF)}")
    failed = 0
    for name, wrong in (("packages", packages()), *((language, commands(language)) for language in chosen)):
        print(f"FAIL {name}: {wrong}" if wrong else f"ok   {name}", flush=True)
        failed += wrong is not None
    print(f"{len(chosen) + 1 - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
