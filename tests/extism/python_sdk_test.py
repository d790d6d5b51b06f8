#!/usr/bin/env python3
"""The Python SDK of Extism (PyPI: extism) on build/extism/libextism.so, in place of the library that its wheel brings.

usage: python_sdk_test.py LIBRARY WAT2WASM [--tests FOLDER]   --tests: also runs the tests of a checkout of extism/python-sdk
Exit code 77: skipped, as the package index cannot be reached.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import venv

SDK = "extism==1.1.1"
SKIPPED = 77

ECHO = """(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "length" (func $block_length (param i64) (result i64)))
  (import "extism:host/user" "shout" (func $shout (param i64) (result i64)))
  (func (export "echo") (result i32) (call $output_set (call $input) (call $length)) (i32.const 0))
  (func (export "fail") (result i32) (call $error_set (call $input)) (i32.const 1))
  (func (export "spin") (loop (br 0)))
  (func (export "shouted") (result i32) (local $h i64)
    (local.set $h (call $shout (call $input)))
    (call $output_set (local.get $h) (call $block_length (local.get $h)))
    (i32.const 0)))"""

# Run by the Python of the environment that has the SDK.
PROGRAM = """
import sys
import extism
assert extism.extism_version() == "1.41.0", extism.extism_version()

@extism.host_fn(namespace="extism:host/user")
def shout(text: str) -> str:
    return text.upper() + "!"

wasm = open(sys.argv[1], "rb").read()
with extism.Plugin(wasm, functions=[shout]) as plugin:
    assert plugin.call("echo", b"bytes \\0 there") == b"bytes \\0 there"
    assert plugin.call("shouted", "hey", lambda out: bytes(out).decode()) == "HEY!"
    assert plugin.function_exists("echo") and not plugin.function_exists("none")
    try:
        plugin.call("fail", "because")
        raise SystemExit("no error")
    except extism.Error as error:
        assert "because" in str(error), error
with extism.Plugin({"wasm": [{"data": wasm}], "timeout_ms": 50}, functions=[shout]) as plugin:
    try:
        plugin.call("spin", "")
        raise SystemExit("no timeout")
    except extism.Error as error:
        assert "timeout" in str(error), error
    assert plugin.call("echo", b"after") == b"after"
compiled = extism.extism.CompiledPlugin(wasm, functions=[shout])
for _ in range(100):
    assert extism.Plugin(compiled).call("echo", b"x") == b"x"
print("python sdk: passed")
"""


def main():
    library, wat2wasm = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        venv.create(folder / "env", with_pip=True)
        python = folder / "env/bin/python"
        installed = subprocess.run([python, "-m", "pip", "install", "-q", "--retries", "1", "--timeout", "15", SDK], capture_output=True, text=True)
        if installed.returncode != 0:
            print(f"skipped: {SDK} cannot be had from the package index: {installed.stderr.strip().splitlines()[-1:]}")
            return SKIPPED
        theirs = next((folder / "env").glob("lib/python*/site-packages/extism_sys/libextism_sys.so"))
        shutil.copyfile(library, theirs)
        (folder / "echo.wat").write_text(ECHO)
        subprocess.run([wat2wasm, folder / "echo.wat", "-o", folder / "echo.wasm"], check=True)
        (folder / "program.py").write_text(PROGRAM)
        subprocess.run([python, folder / "program.py", folder / "echo.wasm"], check=True, timeout=120)
        if "--tests" in sys.argv:
            checkout = sys.argv[sys.argv.index("--tests") + 1]
            subprocess.run([python, "-m", "unittest", "discover", "-s", "tests"], cwd=checkout, check=True, timeout=300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
