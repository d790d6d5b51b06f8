#!/usr/bin/env python3
"""`weir bench` from outside: its numbers as JSON, its files, its exit codes. Usage: bench_test.py WEIR WAT2WASM"""
import json
import sys
import unittest
import xml.dom.minidom

import cli_test
from cli_test import Case, weir

GUEST = """(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func $work (param $n i32) (loop $again (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $again (local.get $n))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 20)))
    (call $work (i32.const %d)) %s)
  (data (i32.const 0) ":path"))"""


class Bench(Case):
    def guest(self, name, loops=1000, end="(i32.const 0)"):
        return self.wasm(GUEST % (loops, end), name)

    def test_numbers(self):
        flame, folded = self.dir / "f.svg", self.dir / "f.txt"
        code, out, err = weir("bench", self.guest("a"), "--seconds", "0.2", "--json", "--flame", flame, "--folded", folded, "--path", "/a/long/path", "-X", "PUT")
        self.assertEqual(code, 0, err)
        report = json.loads(out)
        plugin = report["plugin"]
        self.assertEqual(plugin["status"], 200)
        self.assertEqual([(row["name"], row["per_request"]) for row in plugin["callbacks"]], [("proxy_on_request_headers", 1)])
        self.assertEqual(plugin["host_calls"], [{"name": "proxy_get_header_map_value", "per_request": 1}])
        self.assertEqual(plugin["allocations_per_request"], 1)
        self.assertEqual(plugin["allocated_bytes_per_request"], len("/a/long/path"))
        self.assertEqual(plugin["memory_bytes"], {"start": 131072, "end": 131072})
        self.assertLessEqual(plugin["request_us"]["low"], plugin["request_us"]["median"])
        self.assertGreater(plugin["request_us"]["median"], report["without_plugin_us"]["median"])
        self.assertNotIn("against", report)
        self.assertTrue(xml.dom.minidom.parse(str(flame)).getElementsByTagName("g"))
        self.assertRegex(folded.read_text(), r"(?m)^([^;]+;)?work \d+$")

    def test_against(self):
        code, out, err = weir("bench", self.guest("slow", 100000), "--against", self.guest("fast", 10), "--seconds", "0.2", "--json")
        self.assertEqual(code, 0, err)
        self.assertGreater(json.loads(out)["ratio"]["low"], 1.5)
        code, out, err = weir("bench", self.guest("slow", 100000), "--against", self.guest("fast", 10), "--seconds", "0.2")
        self.assertRegex(out, r"(?s)proxy_on_request_headers.*slow\.wasm against .*fast\.wasm: .* slower")

    def test_what_fails(self):
        for file, arguments, code, text in [
                (self.guest("trap", 1, "(unreachable)"), [], 1, r"trap\.wasm failed at this request: .*unreachable"),
                (self.guest("wait", 1, "(i32.const 1)"), [], 1, "stays paused"),
                (self.dir / "none.wasm", [], 2, r"none\.wasm"),
                (self.guest("a"), ["--against", self.dir / "none.wasm"], 2, r"none\.wasm"),
                (self.guest("a"), ["--seconds", "0"], 2, "--seconds"),
                (self.guest("a"), ["-H", "nothing"], 2, "nothing"),
                (self.guest("a"), ["--config", self.dir / "none.json"], 2, r"none\.json"),
                (self.guest("a"), ["--cluster", "a=http://127.0.0.1:1"], 2, "--answer"),
                (self.guest("a"), ["--seconds", "0.1", "--flame", self.dir / "no/such/f.svg"], 2, r"cannot write .*f\.svg")]:
            with self.subTest(text):
                got, _, err = weir("bench", file, *arguments)
                self.assertEqual(got, code, err)
                self.assertRegex(err, text)


if __name__ == "__main__":
    cli_test.WEIR, cli_test.WAT2WASM = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
