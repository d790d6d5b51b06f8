#!/usr/bin/env python3
"""`weir call` from outside: what it prints, its errors, its exit codes. Usage: call_test.py WEIR WAT2WASM"""
import base64
import http.server
import json
import subprocess
import sys
import threading
import unittest

import cli_test
from cli_test import Case, weir

GUEST = """(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
  (import "extism:host/env" "http_status_code" (func $http_status (result i32)))
  (import "extism:host/env" "log_warn" (func $log_warn (param i64)))
  (memory (export "memory") 1)
  (func $give (param $h i64) (call $output_set (local.get $h) (call $length (local.get $h))))
  (func (export "echo") (result i32) (call $output_set (call $input) (call $input_length)) (i32.const 0))
  (func (export "fail") (result i32) (call $error_set (call $input)) (i32.const 1))
  (func (export "seven") (result i32) (i32.const 7))
  (func (export "trap") unreachable)
  (func (export "spin") (loop (br 0)))
  (func (export "grow") (result i32) (drop (memory.grow (i32.const 100))) (loop (br 0)) (i32.const 0))
  (func (export "config") (result i32) (call $give (call $config_get (call $input))) (i32.const 0))
  (func (export "warn") (result i32) (call $log_warn (call $input)) (i32.const 0))
  (func (export "fetch") (result i32) (call $give (call $http_request (call $input) (i64.const 0))) (i32.const 0))
  (func (export "status") (result i32) (drop (call $http_request (call $input) (i64.const 0))) (call $http_status))
  (func (export "bytes") (result i32) (local $h i64)
    (local.set $h (call $alloc (i64.const 2)))
    (call $store_u8 (local.get $h) (i32.const 255))
    (call $give (local.get $h)) (i32.const 0))
  (func (export "takes") (param i32)))"""

CAT = """(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (data (i32.const 100) "note.txt")
  (data (i32.const 0) "\\c8\\00\\00\\00\\40\\00\\00\\00")
  (func (export "cat") (result i32) (local $e i32) (local $h i64) (local $i i32)
    (local.set $e (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 8) (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 16)))
    (if (local.get $e) (then (return (local.get $e))))
    (local.set $e (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 20)))
    (if (local.get $e) (then (return (local.get $e))))
    (local.set $h (call $alloc (i64.load32_u (i32.const 20))))
    (loop $next (if (i32.lt_u (local.get $i) (i32.load (i32.const 20))) (then
      (call $store_u8 (i64.add (local.get $h) (i64.extend_i32_u (local.get $i))) (i32.load8_u offset=200 (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))))
    (call $output_set (local.get $h) (i64.load32_u (i32.const 20)))
    (i32.const 0))
  (func (export "write") (result i32)  ;; the errno of creating the file for writing
    (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 8) (i32.const 1) (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 16))))"""


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/x")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = f"{self.command} {self.path} {self.headers.get('x-test', '')}".encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Call(Case):
    def guest(self):
        return self.wasm(GUEST, "guest")

    def manifest(self, text, name="manifest.json"):
        path = self.dir / name
        path.write_text(text)
        return path

    def test_output(self):
        guest = self.guest()
        self.assertEqual(weir("call", guest, "echo", "--input", "this is a test"), (0, "this is a test", ""))
        file = self.dir / "input"
        file.write_text("from a file")
        self.assertEqual(weir("call", guest, "echo", "--input-file", file)[:2], (0, "from a file"))
        file.write_text("0123456789" * 300_000)
        self.assertEqual(weir("call", guest, "echo", "--input-file", file, "-n", "3")[:2], (0, file.read_text()))
        file.write_text("")
        self.assertEqual(weir("call", guest, "echo", "--input-file", file)[:2], (0, ""))
        self.assertEqual(weir("call", guest, "echo")[:2], (0, ""))
        self.assertEqual(weir("call", guest, "config", "--input", "k", "--config", "k=a=b")[:2], (0, "a=b"))
        self.assertEqual(weir("call", guest, "echo", "-i", "x", "-n", "1000", "--times")[:2], (0, "x"))
        code, out, err = weir("call", guest)
        self.assertEqual((code, out.split()[:3], "takes" in out), (0, ["echo", "fail", "seven"], False), err)

    def test_streams(self):
        guest = self.guest()
        for content in (b"", b"short", bytes(range(256)) * 12_000):
            for count in ("1", "2"):
                done = subprocess.run([cli_test.WEIR, "call", guest, "echo", "--input-file", "-", "-n", count], input=content, capture_output=True, timeout=60, check=False)
                self.assertEqual((done.returncode, done.stdout), (0, content), done.stderr)
        code, _, err = weir("call", guest, "echo", "--input-file", self.dir)
        self.assertEqual((code, "Is a directory" in err), (2, True), err)
        code, _, err = weir("call", guest, "echo", "--input-file", "/dev/zero", "--memory", "1m")
        self.assertEqual(code, 1, err)

    def test_json(self):
        guest = self.guest()
        code, out, err = weir("call", guest, "echo", "--input", "é", "--json", "--fuel", "100000")
        report = json.loads(out)
        self.assertEqual((code, report["output"], report["code"], report["error"]), (0, "é", 0, None), err)
        self.assertGreater(report["fuel"], 0)
        self.assertEqual(base64.b64decode(json.loads(weir("call", guest, "bytes", "--json")[1])["output_base64"]), b"\xff\0")
        code, out, _ = weir("call", guest, "trap", "--json")
        report = json.loads(out)
        self.assertEqual((code, report["code"], report["cause"]), (1, 134, "wasm trap: wasm `unreachable` instruction executed"))
        self.assertEqual(json.loads(weir("call", guest, "--json")[1])[0], "echo")

    def test_manifests(self):
        guest = self.guest()
        for text in ('{"wasm": [{"path": "%s"}], "config": {"k": "of json"}}' % guest, '[[wasm]]\npath = "%s"\n[config]\nk = "of toml"\n' % guest):
            manifest = self.manifest(text)
            code, out, err = weir("call", manifest, "config", "--input", "k")
            self.assertIn((code, out), [(0, "of json"), (0, "of toml")], err)
            self.assertEqual(weir("call", manifest, "config", "--input", "k", "-c", "k=of a flag")[1], "of a flag")

    def test_what_fails(self):
        guest = self.guest()
        for arguments, code, text in [
                ([guest, "fail", "--input", "because"], 1, "because"),
                ([guest, "seven"], 1, "seven returned 7"),
                ([guest, "trap"], 1, "error while executing at wasm backtrace:(?s:.*)caused by: wasm trap: .*unreachable"),
                ([guest, "spin", "--timeout", "30ms"], 1, "timeout"),
                ([guest, "spin", "--fuel", "10000"], 1, "plugin ran out of fuel"),
                ([guest, "grow", "--memory", "1m"], 1, "oom"),
                ([guest, "ech"], 1, "Function not found: ech; did you mean echo"),
                ([guest, "takes"], 1, "expected 1 arguments, got 0"),
                ([guest, "fetch", "--input", '{"url": "http://127.0.0.1:1/"}'], 1, "HTTP request to http://127.0.0.1:1/ is not allowed"),
                ([guest, "echo", "--config", "novalue"], 2, "novalue: is not KEY=VALUE"),
                ([guest, "echo", "--log-level", "loud"], 2, "loud: is none of"),
                ([guest, "echo", "--timeout", "fast"], 2, "--timeout fast"),
                ([guest, "echo", "--input", "a", "--input-file", "b"], 2, "--input"),
                ([guest, "echo", "--input-file", self.dir / "none"], 2, "none"),
                ([self.dir / "none.wasm", "echo"], 2, "none.wasm"),
                ([self.manifest("{}"), "echo"], 1, "No wasm files specified"),
                ([self.manifest("nonsense", "n.txt"), "echo"], 2, "n.txt: is neither a module nor a manifest"),
                ([self.manifest('{"wasm": [{"data": {"ptr": 1, "len": 1}}]}', "p.json"), "f"], 2, "neither a module nor a manifest"),
                ([self.manifest("(module (func (export 1)))", "bad.wat"), "f"], 1, "bad.wat"),
                ([self.wasm('(module (import "a" "b" (func)))', "import"), "f"], 1, "unknown import: `a::b` has not been defined; a host function"),
                ([self.wasm('(module (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32))))', "wasi"), "f"], 1, "; --wasi offers WASI")]:
            got, _, err = weir("call", *arguments)
            self.assertRegex(err, text, arguments)
            self.assertEqual(got, code, arguments)

    def test_log(self):
        self.assertEqual(weir("call", self.guest(), "warn", "--input", "careful"), (0, "", "warn: careful\n"))
        self.assertEqual(weir("call", self.guest(), "warn", "--input", "careful", "--log-level", "error"), (0, "", ""))

    def test_files(self):
        cat = self.wasm(CAT, "cat")
        folder = self.dir / "files"
        folder.mkdir()
        (folder / "note.txt").write_text("a note")
        code, out, err = weir("call", cat, "cat", "--wasi", "--allow-path", f"{folder}:/data")
        self.assertEqual((code, out), (0, "a note"), err)
        (folder / "note.txt").unlink()
        self.assertEqual(weir("call", cat, "write", "--wasi", "--allow-path", f"ro:{folder}:/data")[0], 1)
        self.assertFalse((folder / "note.txt").exists())
        self.assertEqual(weir("call", cat, "write", "--wasi", "--allow-path", f"{folder}:/data")[0], 0)
        self.assertTrue((folder / "note.txt").exists())
        code, _, err = weir("call", cat, "cat", "--wasi", "--allow-path", f"{folder}/none:/data")
        self.assertRegex(err, "No such file or directory")
        self.assertEqual(code, 1)
        self.assertRegex(weir("call", cat, "cat")[2], "unknown import: `wasi_snapshot_preview1::path_open` has not been defined")

    def test_http(self):
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_address[1]}"
            ask = lambda path, *more: weir("call", self.guest(), *more, "--input", json.dumps({"url": url + path, "headers": {"x-test": "yes"}}))
            self.assertEqual(ask("/a?b", "fetch", "--allow-host", "127.0.0.*"), (0, "GET /a?b yes", ""))
            self.assertRegex(ask("/none", "status", "--allow-host", "*")[2], "status returned 404")
            code, _, err = ask("/away", "fetch", "--allow-host", "127.0.0.1")
            self.assertEqual(code, 1)
            self.assertRegex(err, r"HTTP request to http://localhost:\d+/x is not allowed")
            self.assertEqual(ask("/away", "fetch", "--allow-host", "127.0.0.1", "--allow-host", "localhost")[:2], (0, "GET /x yes"))
            manifest = self.manifest(json.dumps({"wasm": [{"url": url + "/module"}]}))
            self.assertRegex(weir("call", manifest, "f")[2], "expected `\\(`")
            server.shutdown()


if __name__ == "__main__":
    cli_test.WEIR, cli_test.WAT2WASM = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
