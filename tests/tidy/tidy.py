#!/usr/bin/env python3
"""Rules of the tree that a compiler does not see. Prints a line a rule and `N passed, N failed, N skipped`; exit 1 on a failure.

The arrows are those of docs/design.md, "Folders": an include against them fails here.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# folder of src/ -> what it may include: other folders of src/, "public" for include/weir, "std" is always allowed.
ARROWS = {
    "base": {"public"},
    "engine": {"base", "public", "wasmtime"},
    "abi": {"base", "engine", "public"},
    "wasi": {"base", "engine", "abi", "public"},
    "proxy_wasm": {"base", "engine", "abi", "wasi", "public"},
    "cclb": {"base", "extism", "public", "libraries"},
    "extism": {"base", "engine", "public", "rapidjson", "toml", "curl"},
    "capi": {"base", "engine", "extism", "public"},
    "http": {"base", "public"},
    "host": {"base", "public", "openssl", "curl"},
    "tcp": {"base", "public"},
    "memhost": {"base", "http", "tcp", "host", "public"},
    "trace": {"base", "host", "memhost", "public"},
    "scenario": {"base", "http", "host", "memhost", "public"},
    "conformance": {"base", "engine", "abi", "wasi", "proxy_wasm", "http", "tcp", "host", "memhost", "scenario", "public"},
    "suite": {"base", "engine", "abi", "wasi", "proxy_wasm", "http", "tcp", "host", "memhost", "scenario", "public", "libraries"},
    "fuzz": {"base", "host", "memhost", "suite", "public", "libraries"},
    "measure": {"base", "engine", "http", "host", "memhost", "public"},
    "nginx": {"base", "http", "tcp", "host", "trace", "public", "ngx", "openssl"},
    "cli": {"base", "engine", "abi", "wasi", "proxy_wasm", "http", "tcp", "host", "memhost", "trace", "scenario", "conformance", "measure", "suite", "fuzz", "extism", "public", "libraries"},
    ".": {"base", "engine", "abi", "wasi", "proxy_wasm", "public"},
}
LIBRARIES = re.compile(r"^((CLI|yaml-cpp|boost|google|re2)/|simdjson\.h|sqlite3\.h|libpq-fe\.h)")
LINES_MAX = 400      # look again; a file of tests or of tables may be longer
LINES_MAX_TEST = 1000
# Words that speak of one machine, or of a place a package came from.
MACHINE = re.compile(r"(/root/|/work/|/home/\w+/|registry\.npmjs\.org|proxy\.golang\.org|files\.pythonhosted\.org|deb\.debian\.org)")


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in out.stdout.splitlines() if (ROOT / line).is_file()]


def kind_of_include(path, quoted):
    """The name under which ARROWS knows this include."""
    if path.startswith("weir/"):
        return "public"
    if path.startswith(("wasmtime", "wasm.h", "wasm.hh", "wasi.h")):
        return "wasmtime"
    if path.startswith("ngx_") or path == "nginx.h":
        return "ngx"
    if path.startswith("openssl/"):
        return "openssl"
    if path.startswith(("rapidjson/", "toml++/", "curl/")):
        return path.split("/")[0].rstrip("+")
    if LIBRARIES.match(path):
        return "libraries"
    if path.startswith(("gtest/", "gmock/", "benchmark/")):
        return "test"
    return path.split("/")[0] if quoted and "/" in path else ("std" if not quoted else ".")


def arrows():
    """Includes follow the arrows of docs/design.md."""
    for file in tracked("src/*.h", "src/*.cc"):
        parts = file.relative_to(ROOT / "src").parts
        folder = parts[0] if len(parts) > 1 else "."
        allowed = ARROWS.get(folder)
        if allowed is None:
            yield f"{file.relative_to(ROOT)}: folder {folder} is not in ARROWS of tests/tidy/tidy.py"
            continue
        test = "_test" in file.name or "testing" in file.name
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', line)
            if not match:
                continue
            kind = kind_of_include(match[2], match[1] == '"')
            if kind in ("std", folder, "test") or kind in allowed or test and kind in ARROWS:
                continue
            yield f"{file.relative_to(ROOT)}:{number}: {folder} may not include {match[2]}"
    for file in tracked("include/weir/*.h"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match and not match[1].startswith("weir/"):
                yield f"{file.relative_to(ROOT)}:{number}: a public header includes only weir/ and std"


def file_sizes():
    """No file longer than a reader holds in mind."""
    for file in tracked("src/*.h", "src/*.cc", "include/*.h", "tests/*.py", "bench/*.cc", "bench/*.py"):
        lines = len(file.read_text().splitlines())
        most = LINES_MAX_TEST if "test" in str(file.relative_to(ROOT)) else LINES_MAX
        if lines > most:
            yield f"{file.relative_to(ROOT)}: {lines} lines, more than {most}"


def machine_paths():
    """Nothing speaks of one machine or of a package host."""
    for file in tracked():
        if file.name in ("tidy.py", "Cargo.lock") or "golden" in file.parts:
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE.search(line):
                yield f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"


def no_throwing_parsers():
    """std::from_chars, never stoi and its kin."""
    for file in tracked("src/*.h", "src/*.cc"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if re.search(r"\b(std::)?(stoi|stol|stoul|stoull|stod|atoi|atol)\s*\(", line):
                yield f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"


def main():
    failed = 0
    rules = (arrows, file_sizes, machine_paths, no_throwing_parsers)
    for rule in rules:
        faults = list(rule())
        failed += bool(faults)
        print(f"{'FAIL' if faults else 'ok  '} {rule.__doc__}")
        for fault in faults:
            print(f"     {fault}")
    print(f"{len(rules) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
