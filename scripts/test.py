#!/usr/bin/env python3
"""Builds everything and runs every test; the last line is `N passed, N failed, N skipped`, the exit code 1 after a failure.

usage: test.py [--only NAME]… [--no-build] [--list]

Results and logs are in build/test. A suite counts its cases in one of two ways: JUnit XML, or a last line like ours.
A suite that crashes, ends with an error though no case failed, or has no case at all, counts as one failure.

Tests with real servers and clocks fail now and then on a machine that others use too. A test whose expectation failed is run two times more:
where it passes both, it counts as passed and is named under "Flaky". A crash, a time-out or a sanitizer's report is a failure at once.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "test"
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(OK|FAILED)(?: \((.*)\))?$", re.MULTILINE)
PYTHON = [sys.executable or "python3"]

# ctest keeps 1 KiB of what a passing test prints; the counts are at the end.
OUTPUT_WHOLE = ["--test-output-size-passed", "4000000", "--test-output-size-failed", "4000000"]

# A suite that hangs is ended, so that the others are run and the result is told.
SUITE_SECONDS = 1500

# What has to be built first: text, command. (`make test` runs scripts/setup.sh before this file, which needs Python.)
STEPS = [
    ("release build", ["scripts/build.sh", "release"]),
    ("plugins", ["plugins/build.sh"]),
    ("build with AddressSanitizer and UBSan", ["scripts/build.sh", "asan"]),
    ("build with ThreadSanitizer", ["scripts/build.sh", "tsan"]),
]
# Sanitizers end the process on a finding, so that it is a failed test.
ASAN = {"ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=0", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
# Name, kind (how it counts), command, environment. {junit}: the file to write.
SUITES = [
    ("tidy", "line", [*PYTHON, "tests/tidy/tidy.py"], {}),
    ("unit", "ctest", ["build"], {}),
    ("plugins", "line", [*PYTHON, "tests/suites/plugins.py"], {}),
    ("cclb-examples", "line", [*PYTHON, "tests/cclb/examples.py"], {}),
    ("authors", "line", [*PYTHON, "tests/docs/authors.py", "cpp", "extism_c"], {}),
    ("extism-plugins", "line", [*PYTHON, "tests/extism/pdk.py"], {}),
    ("deb", "line", [*PYTHON, "tests/deb/deb_test.py"], {}),
    ("unit-asan", "ctest", ["build-asan"], ASAN),
    ("unit-tsan", "ctest", ["build-tsan"], {}),
    ("nginx", "junit", [*PYTHON, "tests/nginx/run.py", "--junit", "{junit}"], {}),
    ("nginx-asan", "junit", [*PYTHON, "tests/nginx/run.py", "--asan", "--junit", "{junit}"], {}),
]


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped, self.problems, self.flaky = passed, failed, skipped, [], []

    def fail(self, problem):
        self.failed += 1
        self.problems.append(problem)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.problems += other.problems
        self.flaky += other.flaky

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(text):
    print(text, flush=True)


def count_junit(file):
    """Cases of a JUnit file, GoogleTest's or another's."""
    count = Count()
    for case in xml.parse(file).getroot().iter("testcase"):
        name = f"{case.get('classname', '')} {case.get('name', '')}".strip()
        if case.find("failure") is not None or case.find("error") is not None:
            count.fail(name)
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled") or case.get("result") == "skipped":
            count.skipped += 1
        else:
            count.passed += 1
    return count


def count_text(text):
    """Cases of a program that prints our line, or of Python's unittest; None for one that says neither."""
    for line in reversed(text.strip().splitlines()):
        if found := SUMMARY.match(line.strip()):
            return Count(*(int(n) for n in found.groups()))
    if found := UNITTEST.search(text):
        numbers = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", found[3] or "")}
        failed = numbers.get("failures", 0) + numbers.get("errors", 0)
        skipped = numbers.get("skipped", 0)
        return Count(max(0, int(found[1]) - failed - skipped), failed, skipped)
    return None


def end_group(leader):
    say(f"  not finished after {SUITE_SECONDS} s: ended")
    os.killpg(leader, signal.SIGKILL)


def run_logged(command, environment, log):
    """Shows the output as it comes, without the line that only the whole may end with; gives exit code and last line."""
    last = ""
    with open(log, "w") as file, subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, text=True, errors="replace",
                                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                                  start_new_session=True) as process:
        late = threading.Timer(SUITE_SECONDS, end_group, [process.pid])
        late.start()
        for line in process.stdout:
            file.write(line)
            if line.strip():
                last = line.strip()
            if not SUMMARY.match(line.strip()):
                say("  " + line.rstrip("\n"))
        late.cancel()
    return process.returncode, last


def run_suite(name, command, environment, counts_by_junit):
    junit = RESULTS / f"{name}.xml"
    junit.unlink(missing_ok=True)
    log = RESULTS / f"{name}.log"
    code, last = run_logged([c.format(junit=junit) for c in command], environment, log)
    count = Count()
    try:
        if counts_by_junit:
            count = count_junit(junit)
        elif found := SUMMARY.match(last):
            count = Count(*(int(n) for n in found.groups()))
            count.problems = [f"see {RESULTS.relative_to(ROOT)}/{name}.log"] * count.failed
        else:
            count.fail("ended without saying how many passed")
    except (OSError, xml.ParseError) as problem:
        count.fail(f"no result: {problem}")
    if code != 0 and count.failed == 0:
        count.fail(f"exit code {code} though no case failed")
    count.flaky = [line.removeprefix("flaky: ") for line in log.read_text(errors="replace").splitlines() if line.startswith("flaky: ")]
    return count


def passes_twice(folder, title, environment, junit):
    """A program of GoogleTest that ended by itself with failed expectations, run again."""
    for _ in range(2):
        junit.unlink()  # GoogleTest writes to no file that is there
        if subprocess.run(["ctest", "--test-dir", folder, "-R", f"^{re.escape(title)}$"], cwd=ROOT, env={**os.environ, **environment},
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode or not junit.exists():
            return False
    return True


def run_ctest(name, folder, environment):
    """GoogleTest's programs write one XML each; another counts by what it prints, or as the one test that ctest knows."""
    cases, junit = RESULTS / name, RESULTS / f"{name}.xml"
    shutil.rmtree(cases, ignore_errors=True)
    cases.mkdir(parents=True)
    junit.unlink(missing_ok=True)
    environment = {**environment, "GTEST_OUTPUT": f"xml:{cases}/"}
    code, _ = run_logged(["ctest", "--test-dir", folder, "--output-on-failure", "--output-junit", str(junit), *OUTPUT_WHOLE, "-j", str(os.cpu_count() or 2)],
                         environment, RESULTS / f"{name}.log")
    total = Count()
    try:
        tests = list(xml.parse(junit).getroot().iter("testcase"))
    except (OSError, xml.ParseError) as problem:
        total.fail(f"no result of ctest: {problem}")
        return total
    for test in tests:
        title, ended_well = test.get("name"), test.get("status") == "run" and test.find("failure") is None
        file = cases / f"{title}.xml"
        count = Count()
        try:
            if file.exists():
                count = count_junit(file)
                if count.failed and passes_twice(folder, title, environment, file):
                    flaky, count = count.problems, count_junit(file)
                    count.flaky = [f"{title}: {problem}" for problem in flaky]
                    ended_well = True
            elif test.find("skipped") is not None or test.get("status") in ("notrun", "disabled"):
                # "Not Run" is a program that is not there: a failure, not a skipped test.
                if test.get("status") == "disabled" or test.find("skipped[@message='SKIP_RETURN_CODE=77']") is not None:
                    count.skipped = 1
                else:
                    count.fail("did not run")
            elif counted := count_text(test.findtext("system-out") or ""):
                count = counted
                count.problems = ["its output says which"] * count.failed
            elif ended_well:
                count.passed = 1
        except xml.ParseError as problem:
            count.fail(f"unreadable result: {problem}")
        if not ended_well and not count.failed and not count.skipped:
            count.fail("crashed, timed out or ended with an error")
        count.problems = [f"{title}: {problem}" for problem in count.problems]
        total.add(count)
    if code != 0 and total.failed == 0 and not total.flaky:
        total.fail(f"ctest: exit code {code} though no test failed")
    return total


def build():
    for text, command in STEPS:
        say(f"── {text}")
        start = time.monotonic()
        if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode != 0:
            say(f"\n{text}: {' '.join(command)} failed; what it said is above")
            return False
        say(f"   {time.monotonic() - start:.0f} s")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[s[0] for s in SUITES], help="run this suite alone; may be repeated")
    parser.add_argument("--no-build", action="store_true", help="take what is built")
    parser.add_argument("--list", action="store_true", help="name the suites")
    options = parser.parse_args()
    if options.list:
        print(*(s[0] for s in SUITES), sep="\n")
        return 0
    total = Count()
    if not options.no_build and not build():
        total.fail("build")
        say(str(total))
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    table = []
    for name, kind, command, environment in SUITES:
        if options.only and name not in options.only:
            continue
        say(f"── {name}")
        start = time.monotonic()
        count = run_ctest(name, command[0], environment) if kind == "ctest" else run_suite(name, command, environment, kind == "junit")
        if count.passed + count.failed + count.skipped == 0:
            count.fail("has no case")
        table.append(f"{name:<14} {count.passed:>6} {count.failed:>6} {count.skipped:>7} {time.monotonic() - start:>6.0f} s")
        count.problems = [f"{name}: {problem}" for problem in count.problems]
        count.flaky = [f"{name}: {problem}" for problem in count.flaky]
        total.add(count)
    if total.flaky:
        say("\nFlaky (failed once, then passed two times):")
        for problem in total.flaky:
            say(f"  {problem}")
    if total.problems:
        say("\nFailed:")
        for problem in total.problems:
            say(f"  {problem}")
    say(f"\n{'suite':<14} {'passed':>6} {'failed':>6} {'skipped':>7}   time")
    say("\n".join(table) + "\n")
    say(str(total))
    return 1 if total.failed else 0


sys.exit(main())
