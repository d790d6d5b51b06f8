#!/usr/bin/env python3
"""End-to-end tests over stock NGINX: tests/nginx/run.py [--filter RE] [--junit FILE] [--build DIR] [--asan] [--max-failures N] [--list]"""
import argparse
import importlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import quoteattr

# The Python that scripts/packages.txt installs packages for (grpcio and more); another one, first in PATH, may lack them.
PYTHON = "/usr/bin/python3"
if sys.executable != PYTHON and os.path.exists(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import cases  # noqa: E402
import guests  # noqa: E402
from harness import Settings  # noqa: E402

ROOT = HERE.parent.parent


def settings(options, folder):
    build = pathlib.Path(options.build or ROOT / ("build-asan" if options.asan else "build")).resolve()
    found = sorted(build.rglob("ngx_http_weir_module.so"))
    if not found:
        sys.exit(f"run.py: no ngx_http_weir_module.so in {build}: build it (make build), or name the folder with --build")
    Settings.module, Settings.weir = found[0], build / "bin" / "weir"
    Settings.guests = folder / "guests"
    guests.build(Settings.guests)
    Settings.cache = folder / "cache"
    Settings.cache.mkdir(mode=0o700)
    cached = pathlib.Path(os.environ.get("WEIR_BUILD_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weir" / "build")
    Settings.plugins = [p for p in (ROOT / "build" / "plugins", build / "plugins", cached / "plugins-out") if p.exists()]
    if options.asan:
        libraries = [subprocess.run(["g++", f"-print-file-name={n}"], capture_output=True, text=True, check=True).stdout.strip()
                     for n in ("libasan.so", "libubsan.so")]
        Settings.preload = " ".join(os.path.realpath(p) for p in libraries)


def junit(path, results):
    rows = []
    for name, seconds, outcome, message in results:
        inner = "" if outcome in ("ok", "flaky") else f"<{'skipped' if outcome == 'skip' else 'failure'} message={quoteattr(message)}/>"
        rows.append(f'<testcase classname="nginx" name={quoteattr(name)} time="{seconds:.2f}">{inner}</testcase>')
    pathlib.Path(path).write_text(f'<testsuite name="nginx" tests="{len(results)}">\n' + "\n".join(rows) + "\n</testsuite>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="", help="only cases whose name matches this regular expression")
    parser.add_argument("--junit", help="write results as JUnit XML")
    parser.add_argument("--build", help="build folder (default: build, with --asan build-asan)")
    parser.add_argument("--asan", action="store_true", help="modules of a sanitizer build")
    parser.add_argument("--keep", action="store_true", help="keep the folders of failed cases")
    parser.add_argument("--max-failures", type=int, default=30, metavar="N", help="end after N failed cases (default: 30)")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    for module in sorted(HERE.glob("cases_*.py")):
        importlib.import_module(module.stem)
    chosen = [c for c in cases.ALL if re.search(options.filter, c.name)]
    if options.list:
        print(*(c.name for c in chosen), sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="weir-e2e-run-") as folder:
        os.chmod(folder, 0o755)
        settings(options, pathlib.Path(folder))
        return run(chosen, options)


def attempt(runner, case):
    """How it ended, and why: ok, skip, FAIL, or flaky: it failed on a busy machine and passed two times after that. A worker that died or a
    sanitizer's report is no accident of time, and is not tried again."""
    try:
        problem = runner.run(case)
        if problem and not re.search("Sanitizer|one died|exited on signal|runtime error", problem):
            if not runner.run(case) and not runner.run(case):
                return "flaky", problem
        return ("FAIL", problem) if problem else ("ok", "")
    except cases.Skip as reason:
        return "skip", str(reason)


def run(chosen, options):
    runner, results = cases.Runner(options.keep), []
    failed = 0
    for at, one in enumerate(chosen):
        if failed == options.max_failures:
            # Where nothing works each case waits for its time-out: hours in all.
            results.append(("the rest", 0, "FAIL", f"{len(chosen) - at} cases were not run: {failed} have failed"))
            print(f"FAIL {results[-1][0]}\n     {results[-1][3]}")
            break
        start = time.monotonic()
        outcome, message = attempt(runner, one)
        failed += outcome == "FAIL"
        seconds = time.monotonic() - start
        results.append((one.name, seconds, outcome, message))
        print(f"{outcome:4} {one.name} ({seconds:.1f} s)" + ("".join(f"\n     {line}" for line in message.splitlines()[:40])), flush=True)
    runner.end_site()
    for problem in runner.late:
        results.append(("end", 0, "FAIL", problem))
        print(f"FAIL end\n     {problem}")
    if options.junit:
        junit(options.junit, results)
    count = {k: sum(r[2] == k for r in results) for k in ("ok", "flaky", "FAIL", "skip")}
    for name, _, outcome, message in results:
        if outcome == "flaky":
            print(f"flaky: {name} failed, and passed two times after that: {message.splitlines()[0]}")
    print(f"{count['ok'] + count['flaky']} passed, {count['FAIL']} failed, {count['skip']} skipped")
    return 1 if count["FAIL"] or not count["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
