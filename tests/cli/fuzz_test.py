#!/usr/bin/env python3
"""`weir fuzz` from outside: it finds what is planted (tests/guests/planted.c), writes a suite that shows it, and finds nothing in a sound plugin.
Usage: fuzz_test.py WEIR WAT2WASM GUESTS"""
import json
import pathlib
import re
import sys
import unittest

import cli_test
from cli_test import Case, weir

GUESTS = pathlib.Path("build/guests")

# bug -> property, where, what the shrunk case has in it, the most bytes that it may have, flags. The runs in which each is found differ with every
# change of what is made up: RUNS is some ten times the most of them.
RUNS = 20000
PLANTED = {
    "header": ("trap", "proxy_on_request_headers", r'key: "x-debug-mode"\s+value: "dump-settings"', 60, ()),
    "letters": ("trap", "proxy_on_request_headers", r'key: "x-debug-mode"\s+value: "dump-state"', 60, ()),
    "split": ("trap", "proxy_on_request_body", r'content: "<!-\w?"', 60, ()),
    "loop": ("time-out", "proxy_on_request_headers", r'key: ":path"\s+value: "\S{601,660}"', 740, ("--timeout", "50ms")),
    "chunks": ("chunking", "request_body", r"chunk_bytes: \d+", 70, ()),
    "eat": ("memory", "proxy_on_request_headers", r'key: "x-reserve-kib"\s+value: "\d{4,}"', 90, ("--memory", "2m")),
    "answer": ("trap", "proxy_on_http_call_response", r"status: 5\d\d", 60, ()),
    "silence": ("waits", "request_headers", r"failure: \w+|after_ms: 500", 60, ()),
    "tick": ("trap", "proxy_on_tick", r"init_advance_ms: 3000|advance_ms: 3000", 30, ()),
    "path": ("trap", "proxy_on_request_headers", r"request_headers \{\s*\}", 30, ()),
    "trailer": ("trap", "proxy_on_response_trailers", r'key: "x-checksum"\s+value: "a{9}"', 70, ()),
    "data": ("trap", "proxy_on_upstream_data", r'kind: UPSTREAM_DATA\s+input \{\s+content: "\{"', 60, ("--tcp",)),
}


def fuzz(file, *arguments):
    code, out, err = weir("fuzz", file, "--json", *arguments)
    return code, json.loads(out) if out else None, err


class Planted(Case):
    def test_each_is_found_and_shrunk(self):
        for bug, (prop, where, shown, size, flags) in PLANTED.items():
            with self.subTest(bug):
                out = self.dir / f"{bug}.textpb"
                code, report, err = fuzz(GUESTS / "planted.wasm", "--config-inline", bug, "--runs", RUNS, "--max-findings", "1", "--out", out, *flags)
                self.assertEqual((code, err), (1, ""), report)
                [finding] = report["findings"]
                self.assertEqual((finding["property"], finding["reproduced"]), (prop, True), finding)
                self.assertIn(where, finding["title"])
                suite = out.read_text()
                self.assertRegex(suite, shown)
                # The name and the configuration are no part of what was shrunk.
                self.assertLessEqual(finding["bytes_after"], size, suite)
                code, said, err = weir("test", "--plugin", GUESTS / "planted.wasm", "--suite", out)
                self.assertEqual((code, err), (1, ""), said)
                code, said, err = weir("test", "--plugin", GUESTS / "planted_mended.wasm", "--suite", out)
                self.assertEqual((code, said, err), (0, "1 passed, 0 failed, 0 skipped\n", ""))

    def test_nothing_in_sound_plugins(self):
        for name in ("planted_mended", "noop", "headers"):
            with self.subTest(name):
                code, report, err = fuzz(GUESTS / f"{name}.wasm", "--runs", "1000", "--out", self.dir / "none.textpb")
                self.assertEqual((code, err, report["findings"]), (0, "", []), report)
                self.assertEqual(report["runs"], 1000)
                self.assertFalse((self.dir / "none.textpb").exists())

    def test_the_same_with_any_number_of_threads(self):
        reports = []
        for jobs in (1, 3):
            _, report, _ = fuzz(GUESTS / "planted.wasm", "--config-inline", "answer", "--runs", "600", "--seed", "5", "--jobs", jobs, "--out", self.dir / f"{jobs}.textpb")
            reports.append({**report, "seconds": 0, "suite": ""})
        self.assertEqual(reports[0], reports[1])
        _, other, _ = fuzz(GUESTS / "planted.wasm", "--config-inline", "answer", "--runs", "600", "--seed", "6", "--out", self.dir / "other.textpb")
        self.assertNotEqual({**other, "seconds": 0, "suite": ""}, reports[0])

    def test_yaml_and_text(self):
        out = self.dir / "found.yaml"
        code, _, err = fuzz(GUESTS / "planted.wasm", "--config-inline", "header", "--runs", RUNS, "--max-findings", "1", "--out", out)
        self.assertEqual((code, err), (1, ""))
        self.assertTrue(out.read_text().startswith("# Found by weir fuzz"))
        self.assertEqual(weir("test", "--plugin", GUESTS / "planted.wasm", "--suite", out)[0], 1)
        code, said, err = weir("fuzz", GUESTS / "planted.wasm", "--config-inline", "header", "--runs", RUNS, "--max-findings", "1", "--out", out)
        self.assertEqual((code, err), (1, ""), "written over, as it is its own")
        self.assertRegex(said, r"(?s)FOUND trap 1: proxy_on_request_headers: unreachable\n.* runs in .*: 1 found\nweir test --plugin \S+planted.wasm --suite \S+found.yaml\n$")

    def test_corpus(self):
        suites = self.dir / "suites"
        suites.mkdir()
        (suites / "a.yaml").write_text('test: [{request_headers: {input: {header: [{key: x-debug-mode, value: dump-settings}]}, result: {no_header: [{key: a}]}}}]\n')
        code, report, err = fuzz(GUESTS / "planted.wasm", "--config-inline", "header", "--corpus", suites, "--runs", "1", "--out", self.dir / "c.textpb")
        self.assertEqual((code, err), (1, ""), "the first run is the first case")

    def test_time(self):
        code, report, err = fuzz(GUESTS / "noop.wasm", "--time", "300ms")
        self.assertEqual((code, err), (0, ""))
        self.assertGreater(report["runs"], 0)


class BadInput(Case):
    def test_all(self):
        text = self.dir / "text.wasm"
        text.write_text("no module")
        mine = self.dir / "mine.textpb"
        mine.write_text("test { }\n")
        bad = self.dir / "bad.textpb"
        bad.write_text("tset { }\n")
        noop = GUESTS / "noop.wasm"
        refuses = self.wasm('(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 0))'
                            '(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0)))', "refuses")
        for arguments, parts in (((self.dir / "none.wasm",), ("none.wasm",)), ((text,), ("text.wasm",)), ((refuses,), ("returned false", "--config FILE")),
                                 ((noop, "--time", "soon"), ("--time soon", "10m")), ((noop, "--runs", "0"), ("--runs",)), ((noop, "--max-body", "none"), ("--max-body", "64k")),
                                 ((noop, "--config", self.dir / "none.json"), ("--config", "none.json")), ((noop, "--memory", "much"), ("--memory much",)),
                                 ((noop, "--corpus", self.dir / "none"), ("--corpus",)), ((noop, "--corpus", bad), ("bad.textpb:1", "did you mean test?")),
                                 ((noop, "--out", mine), ("mine.textpb", "another name")), ((noop, "--out", self.dir / "no" / "x.textpb"), ("cannot be written",)),
                                 ((noop, "--seeed", "1"), ("--seed",))):
            with self.subTest(arguments[1:] or arguments):
                code, out, err = weir("fuzz", *arguments, *(() if "--time" in arguments else ("--time", "1s")))
                self.assertEqual((code, out), (2, ""), err)
                for part in parts:
                    self.assertRegex(err, re.escape(part))


if __name__ == "__main__":
    cli_test.WEIR, cli_test.WAT2WASM = sys.argv[1:3]
    GUESTS = pathlib.Path(sys.argv[3])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
