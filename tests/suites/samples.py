#!/usr/bin/env python3
"""Runs every public sample suite of Google's Service Extensions with the modules that were built of them, in one process of weir.

usage: samples.py WEIR SAMPLES MODULES [FLAGS OF weir test…]

SAMPLES is plugins/samples of a checkout of GoogleCloudPlatform/service-extensions; MODULES has FOLDER.LANGUAGE.wasm (rust, go, cpp).
Which suite goes with which plugin and configuration is read off the BUILD files. Prints what was not built, the failures, and totals.
"""
import ast
import json
import pathlib
import subprocess
import sys
import time


def calls_of(build):
    """The calls of proxy_wasm_tests in a BUILD file, as dictionaries."""
    for node in ast.walk(ast.parse(build.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "proxy_wasm_tests":
            yield {word.arg: ast.literal_eval(word.value) for word in node.keywords}


def triples(samples):
    """(folder, language, suite, configuration or None)"""
    for build in sorted(samples.glob("*/BUILD")):
        folder = build.parent
        for call in calls_of(build):
            config = call.get("config")
            for plugin in call.get("plugins", []):
                language = plugin.removeprefix(":plugin_").removesuffix(".wasm")
                yield folder, language, folder / call["tests"].removeprefix(":"), folder / config.removeprefix(":") if config else None


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    weir, samples, modules = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    arguments, missing, pairs = [weir, "test", "--json"], [], 0
    for folder, language, suite, config in triples(samples):
        module = modules / f"{folder.name}.{language}.wasm"
        if not module.exists():
            missing.append(f"{folder.name}.{language} ({suite.name})")
            continue
        pairs += 1
        arguments += ["--plugin", str(module), *(["--config", str(config)] if config else []), "--suite", str(suite)]
    if not pairs:
        sys.exit(f"{modules}: none of the modules is there")
    begin = time.monotonic()
    done = subprocess.run([*arguments, *sys.argv[4:]], stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - begin
    if done.returncode == 2:
        sys.exit(2)
    if not done.stdout:
        sys.exit(f"weir ended with {done.returncode}")
    report = json.loads(done.stdout)
    for case in report["cases"]:
        if case["result"] != "failed":
            continue
        print(f"FAIL {pathlib.Path(case['plugin']).name} {case['suite']}:{case['line']}: {case['name']}")
        for failure in case["failures"]:
            print(f"  [{failure['phase']}] {failure['text']}")
    if missing:
        print(f"not built: {', '.join(missing)}")
    cases = report["passed"] + report["failed"]
    print(f"{pairs} suites with a plugin, {cases} cases in {seconds:.2f} s ({seconds * 10 / max(cases, 1):.3f} s for ten)")
    print(f"{report['passed']} passed, {report['failed']} failed, {report['skipped']} skipped")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
