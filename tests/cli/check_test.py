#!/usr/bin/env python3
"""`weir check` from outside: a guest of our own for each check, and real plugins where they were built. Usage: check_test.py WEIR WAT2WASM"""
import json
import pathlib
import re
import subprocess
import sys
import unittest

import cli_test
from cli_test import Case, weir

ROOT = pathlib.Path(__file__).resolve().parents[2]

MEMORY = '(memory (export "memory") 1 16)'
MARKER = '(func (export "proxy_abi_version_0_2_1"))'
ALLOCATOR = '(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))'
HEADERS = '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))'
GOOD = MEMORY + MARKER + ALLOCATOR + HEADERS
RUST = '(data (i32.const 0) "/src/proxy-wasm-0.2.4/src/dispatcher.rs")'
GO = '(data (i32.const 0) "dep\\09github.com/tetratelabs/proxy-wasm-go-sdk\\09v0.24.0\\09h1")'
AS = '(data (i32.const 0) "%s")' % "".join(f"{c}\\00" for c in "~lib/@solo-io/proxy-runtime/runtime.ts")


def function(module, name, params=1, result=True):
    return f'(import "{module}" "{name}" (func (param {"i32 " * params}) {"(result i32)" if result else ""}))'


HTTP_CALL = function("env", "proxy_http_call", 10)
GET_VALUE = function("env", "proxy_get_header_map_value", 5)
EXTISM = '(import "extism:host/env" "output_set" (func (param i64 i64)))' + MEMORY

# check: guest (imports first), what its finding says. Beside it a guest may have notes, nothing else.
GUESTS = {
    "not-a-plugin": (MEMORY, "proxy_abi_version_0_1_0"),
    "import-unknown": (function("env", "proxy_get_header_map_valu", 5) + GOOD, r"did you mean proxy_get_header_map_value\?"),
    "import-signature": ('(import "env" "proxy_log" (func (param i32 i64 i32) (result i32)))' + GOOD, r"Weir offers \(i32, i32, i32\) -> i32"),
    "import-version": ('(import "env" "proxy_continue_request" (func (result i32)))' + GOOD, "of ABI 0.1.0"),
    "import-stub": (function("__wbindgen_placeholder__", "__wbindgen_describe", 1, False) + GOOD, "no proxy has this module"),
    "import-kind": ('(import "env" "table" (table 1 funcref))' + GOOD, "imported table"),
    "no-memory": (MARKER + ALLOCATOR + HEADERS, 'no memory named "memory"'),
    "memory-minimum": ('(memory (export "memory") 8192)' + MARKER + ALLOCATOR + HEADERS, "512.0 MiB, more than its limit of 256.0 MiB"),
    "callback-signature": (MEMORY + MARKER + ALLOCATOR + '(func (export "proxy_on_request_headers") (param i64) (result i32) (i32.const 0))',
                           r"is \(i64\) -> i32, and has to be \(i32, i32, i32\) -> i32"),
    "allocator-signature": (MEMORY + MARKER + HEADERS + '(func (export "malloc") (param i64) (result i32) (i32.const 0))', r"\(i64\) -> i32"),
    "start-signature": (GOOD + '(func (export "_initialize") (param i32))', r"has to be \(\)"),
    "no-allocator": (GET_VALUE + MEMORY + MARKER + HEADERS, "neither proxy_on_memory_allocate nor malloc"),
    "no-start": (GOOD + RUST, "no _initialize"),
    "callback-unknown": (GOOD + '(func (export "proxy_on_request_header") (param i32 i32 i32) (result i32) (i32.const 0))', r"did you mean proxy_on_request_headers\?"),
    "callback-never-called": (GOOD + '(func (export "proxy_on_tick") (param i32))', "does not import proxy_set_tick_period_milliseconds"),
    "answer-unheard": (HTTP_CALL + GOOD, "there is no proxy_on_http_call_response"),
    "no-callbacks": (MEMORY + MARKER + ALLOCATOR + '(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))', "no callback"),
    "sdk-panics": (function("env", "proxy_call_foreign_function", 6) + GOOD + AS, "panics when"),
    "size": (GOOD, "more than 100 B", "--max-size", "100"),
    "memory-maximum": ('(memory (export "memory") 1)' + MARKER + ALLOCATOR + HEADERS, "has no maximum of its own"),
    "callback-leftover": (GOOD + AS + '(func (export "proxy_on_request_metadata") (param i32 i32) (result i32) (i32.const 0))', "never called"),
    "sdk-panics-strict": (GET_VALUE + GOOD + RUST + '(func (export "_initialize"))', "statuses=lenient"),
    "wasi-refused": (function("wasi_snapshot_preview1", "sock_shutdown", 2) + GOOD, "no files and no sockets"),
    "no-names": (GOOD, "no function names"),
    "abi-version": (MEMORY + '(func (export "proxy_abi_version_0_1_0"))' + ALLOCATOR + HEADERS, "declares ABI 0.1.0"),
    "extism-not-run": (EXTISM + '(func (export "count") (result i32) (i32.const 0))', "of Extism"),
    "extism-no-functions": (EXTISM, r"no function \(\) -> i32"),
    "extism-export": (EXTISM + '(func (export "count") (result i32) (i32.const 0)) (func (export "sum") (param i32) (result i32) (i32.const 0))', "not .. -> i32"),
    "extism-host-function": ('(import "extism:host/user" "lookup" (func (param i64) (result i64)))' + EXTISM + '(func (export "count") (result i32) (i32.const 0))', "of the application"),
}
# Made below, out of bytes; and the loader's own word, which another check has said already whenever we know how to provoke it.
BY_HAND = {"invalid-code", "debug-info", "custom-section", "compile-time", "not-loaded"}


def leb(number):
    out = b""
    while True:
        out += bytes([number & 0x7F | (0x80 if number > 0x7F else 0)])
        number >>= 7
        if number == 0:
            return out


def custom(name, content):
    body = leb(len(name)) + name.encode() + content
    return b"\0" + leb(len(body)) + body


class Check(Case):
    def module(self, fields, *flags):
        (self.dir / "p.wat").write_text(f"(module {fields})")
        subprocess.run([cli_test.WAT2WASM, *flags, self.dir / "p.wat", "-o", self.dir / "p.wasm"], check=True)
        return self.dir / "p.wasm"

    def check(self, path, *flags):
        code, out, err = weir("check", path, "--json", *flags)
        self.assertEqual(err, "")
        found = json.loads(out)
        return code, found, {f["id"]: f for f in found["findings"]}

    def rows(self):
        return {row["id"]: row for row in json.loads(weir("check", "--list", "--json")[1])["checks"]}

    def test_each_check_has_a_guest(self):
        self.assertEqual(set(self.rows()), set(GUESTS) | BY_HAND)

    def test_guests(self):
        rows = self.rows()
        for name, (guest, message, *flags) in GUESTS.items():
            with self.subTest(name):
                code, report, found = self.check(self.module(guest), *flags)
                self.assertIn(name, found)
                self.assertRegex(found[name]["subject"] + ": " + found[name]["message"], message)
                self.assertEqual(found[name]["severity"], rows[name]["severity"])
                self.assertEqual(code, 1 if rows[name]["severity"] == "error" else 0)
                self.assertEqual(report["ok"], code == 0)
                others = {f["id"] for f in found.values() if f["severity"] != "note"} - {name, "extism-not-run"}
                self.assertEqual(others, set(), "a guest has one fault")
                if rows[name]["fix"]:
                    self.assertTrue(found[name]["fix"])

    def test_a_good_plugin_has_no_finding(self):
        code, report, found = self.check(self.module(GOOD, "--debug-names"))
        # wat2wasm writes a name section that names nothing when no function has a name.
        self.assertEqual((code, report["errors"], report["warnings"], set(found) - {"no-names"}), (0, 0, 0, set()))
        self.assertGreater(report["native_bytes"], 0)

    def test_old_callbacks_of_0_1_0_fit(self):
        old = HEADERS.replace("i32 i32 i32", "i32 i32")
        code, _, found = self.check(self.module(MEMORY + '(func (export "proxy_abi_version_0_1_0"))' + ALLOCATOR + old))
        self.assertEqual((code, "callback-signature" in found), (0, False))

    def test_check_and_loader_agree(self):
        for wat in sorted((ROOT / "tests" / "bad_input").glob("*.wat")):
            with self.subTest(wat.name):
                path = self.wasm(wat.read_text())
                loads = json.loads(weir("inspect", path, "--json")[1])["loads"]
                code, report, _ = self.check(path)
                if not loads:
                    self.assertEqual(code, 1)
                self.assertEqual(code, 1 if report["errors"] else 0)

    def test_code_that_does_not_validate(self):
        code, report, found = self.check(self.module(GOOD + '(func (result i32))', "--no-check"))
        self.assertEqual((code, report["compile_ms"]), (1, None))
        self.assertIn("type mismatch", found["invalid-code"]["message"])
        self.assertEqual(self.check(self.dir / "p.wasm", "--no-compile")[0], 0)

    def test_debug_info_and_damaged_sections(self):
        good = self.module(GOOD).read_bytes()
        path = self.dir / "debug.wasm"
        path.write_bytes(good + custom(".debug_info", b"x" * 100) + custom(".debug_line", b"y" * 50))
        code, _, found = self.check(path)
        self.assertEqual((code, found["debug-info"]["message"].startswith("174 B of")), (0, True))
        self.assertEqual(self.check(path, "--strict")[0], 1)
        path.write_bytes(good + custom("producers", b"\x05\x01"))
        self.assertIn("producers", self.check(path)[2]["custom-section"]["message"])

    def test_compile_time(self):
        body = "".join(f"(i32.add (i32.const {i}) (local.get 0)) drop " for i in range(200))
        path = self.module(GOOD + "".join(f"(func (param i32) {body})" for _ in range(100)))
        self.assertNotIn("compile-time", self.check(path)[2])
        self.assertIn("more than 0 ms", self.check(path, "--max-compile", "0ms")[2]["compile-time"]["message"])

    def test_limits_on_both_sides(self):
        path = self.module('(memory (export "memory") 16 32)' + MARKER + ALLOCATOR + HEADERS)
        self.assertEqual(self.check(path, "--memory", "1m")[0], 0)
        self.assertIn("memory-maximum", self.check(path, "--memory", "1m")[2])
        self.assertNotIn("memory-maximum", self.check(path, "--memory", "2m")[2])
        self.assertEqual(self.check(path, "--memory", "1023k")[0], 1)
        size = path.stat().st_size
        self.assertNotIn("size", self.check(path, "--max-size", str(size))[2])
        self.assertIn("size", self.check(path, "--max-size", str(size - 1))[2])

    def test_statuses_decide_what_a_panic_is(self):
        path = self.module(GET_VALUE + GOOD + RUST + '(func (export "_initialize"))')
        self.assertEqual(self.check(path)[2]["sdk-panics-strict"]["details"], ["proxy_get_header_map_value survives OK, NOT_FOUND"])
        self.assertIn("sdk-panics", self.check(path, "--statuses", "strict")[2])

    def test_fix_speaks_of_the_sdk(self):
        for sdk, language, part in ((RUST, "Rust", "hostcalls"), (GO, "Go", "package proxywasm"), (AS, "AssemblyScript", "@solo-io/proxy-runtime")):
            path = self.module(function("env", "proxy_lgo", 3) + GOOD + sdk + '(func (export "_initialize"))')
            code, out, err = weir("check", path, "--fix")
            self.assertEqual((code, err), (1, ""))
            self.assertRegex(out, rf"fix \({language}\): .*{re.escape(part)}")
            self.assertEqual(set(re.findall(r"fix \((.*?)\)", out)), {language})
        out = weir("check", self.module(function("env", "proxy_lgo", 3) + GOOD), "--fix")[1]
        self.assertEqual(set(re.findall(r"fix \((.*?)\)", out)), {"Rust", "Go", "C++", "AssemblyScript"}, "it cannot be told: all of them")

    def test_extism_is_inspected(self):
        imports = EXTISM + '(import "extism:host/user" "lookup" (func (param i64) (result i64)))'
        functions = '(func (export "count") (result i32) (i32.const 0)) (func (export "_initialize")) (func (export "sum") (param i32) (result i32) (i32.const 0))'
        path = self.module(imports.replace(MEMORY, "") + MEMORY + functions)  # imports first
        code, out, _ = weir("inspect", path, "--json")
        found = json.loads(out)
        self.assertEqual((code, found["family"], found["loads"]), (0, "Extism", True))
        self.assertEqual([row["name"] for row in found["callbacks"]], ["count"])
        self.assertEqual([row["offer"] for row in found["imports"]], ["works", "brought by the application"])
        self.assertIn(f"weir call {path} count", weir("inspect", path)[1])
        path = self.module('(import "extism:host/env" "ouput_set" (func (param i64 i64)))' + MEMORY)
        code, _, err = weir("inspect", path)
        self.assertEqual(code, 1)
        self.assertIn("did you mean output_set?", err)

    def test_extism(self):
        code, report, found = self.check(self.module('(import "extism:host/env" "ouput_set" (func (param i64 i64)))' + EXTISM + '(func (export "run") (result i32) (i32.const 0))'))
        self.assertEqual((code, report["family"]), (1, "Extism"))
        self.assertIn("did you mean output_set?", found["import-unknown"]["message"])
        code, _, found = self.check(self.module('(import "extism:host/env" "alloc" (func (param i32) (result i64)))' + EXTISM + '(func (export "run") (result i32) (i32.const 0))'))
        self.assertIn("Extism has (i64) -> i64", found["import-signature"]["message"])

    def test_files_that_are_no_modules_and_wrong_flags_end_with_2(self):
        good = self.module(GOOD).read_bytes()
        for content in (b"", b"hello", b"(module)", b"\0asm\x0d\0\1\0", good[:len(good) // 2], b"\0asm\1\0\0\0" + b"\xff" * 40):
            path = self.dir / "bad.wasm"
            path.write_bytes(content)
            code, out, err = weir("check", path)
            self.assertEqual((code, out, len(err.splitlines())), (2, "", 1), err)
            self.assertIn("bad.wasm", err)
            code, out, _ = weir("check", path, "--json")
            report = json.loads(out)
            self.assertEqual((code, report["ok"], report["findings"]), (2, False, []))
            self.assertIn("bad.wasm", report["error"])
        for flags, part in ((["--memory", "much"], "a size such as"), (["--max-size", "x"], "--max-size x"), (["--max-compile", "5"], "a time such as"),
                            (["--statuses", "odd"], "--statuses odd"), (["--stritc"], "did you mean --strict?")):
            code, out, err = weir("check", self.dir / "p.wasm", *flags)
            self.assertEqual((code, out), (2, ""), flags)
            self.assertIn(part, err)
        self.assertEqual(weir("check")[0], 2)

    def test_several_files_and_the_worst_code(self):
        good, bad = self.wasm(f"(module {GOOD})", "good"), self.wasm(f"(module {MEMORY})", "bad")
        code, out, _ = weir("check", good, bad, "--json")
        self.assertEqual((code, [json.loads(line)["ok"] for line in out.splitlines()]), (1, [True, False]))
        self.assertEqual(weir("check", good, bad, self.dir / "none")[0], 2)
        self.assertEqual(weir("check", good)[0], 0)

    def test_the_document_has_every_check(self):
        text = (ROOT / "docs" / "check.md").read_text()
        for name, row in self.rows().items():
            self.assertIn(f"| `{name}` | {row['severity']} | {row['what']} |", text)

    def test_control_characters_do_not_reach_the_terminal(self):
        out = weir("check", self.module('(import "env" "proxy_\\1b[2Jx" (func))' + GOOD), "--fix")[1]
        self.assertNotIn("\033", out)

    def test_real_plugins(self):
        plugins = sorted((ROOT / "build" / "plugins").glob("*.wasm"))
        if not plugins:
            self.skipTest("build/plugins is empty: make plugins")
        for path in plugins:
            if path.stat().st_size > 1 << 20 or path.name.startswith(("rs_", "pdk_")):
                continue  # seconds of compiling; of the recorded answers of cc-lb, whose examples are here
            with self.subTest(path.name):
                loads = json.loads(weir("inspect", path, "--json")[1])["loads"]
                code, report, found = self.check(path)
                if path.name.startswith("cclb-"):  # of Extism: good, but not for NGINX
                    self.assertEqual((code, [*found]), (0, ["extism-not-run"]))
                    continue
                self.assertEqual(code, 0 if loads else 1, found)
                self.assertEqual(report["warnings"], 0 if loads else report["warnings"], found)


if __name__ == "__main__":
    cli_test.WEIR, cli_test.WAT2WASM = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
