#!/usr/bin/env python3
"""The example of docs/extism.md is tests/extism/pool_example.cc, and works. Usage: example_test.py POOL_EXAMPLE"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

PLUGIN = """(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (func (export "handle") (result i32) (call $output_set (call $input) (call $length)) (i32.const 0)))"""


class Example(unittest.TestCase):
    def test_it_is_the_one_of_the_documentation(self):
        source = (ROOT / "tests/extism/pool_example.cc").read_text()
        shown = source.split("// begin\n")[1].split("// end\n")[0]
        self.assertIn(f"```cpp\n{shown}```\n", (ROOT / "docs/extism.md").read_text())

    def test_it_works(self):
        with tempfile.TemporaryDirectory(prefix="weir-example-") as folder:
            plugin = pathlib.Path(folder) / "plugin.wat"
            plugin.write_text(PLUGIN)
            given = bytes(range(256)) * 2_000
            done = subprocess.run([PROGRAM, plugin], input=given, capture_output=True, timeout=120, check=False)
        self.assertEqual((done.returncode, done.stdout == given), (0, True), done.stderr)
        self.assertEqual(done.stderr.decode().splitlines(), ["two buffers"] * 4)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
