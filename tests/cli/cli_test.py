#!/usr/bin/env python3
"""The command `weir` from outside: help, inspect on good and bad modules, run without plugins. Usage: cli_test.py WEIR WAT2WASM"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
WEIR, WAT2WASM = "build/bin/weir", "wat2wasm"
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("NGINX", "WEIR_NGINX", "WEIR_MODULES")}


def weir(*arguments, **environment):
    done = subprocess.run([WEIR, *map(str, arguments)], capture_output=True, text=True, timeout=60, env={**ENVIRONMENT, **environment})
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-cli-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def wasm(self, wat, name="plugin"):
        (self.dir / f"{name}.wat").write_text(wat)
        out = self.dir / f"{name}.wasm"
        subprocess.run([WAT2WASM, "--debug-names", self.dir / f"{name}.wat", "-o", out], check=True)
        return out

    def one_message(self, code, out, err, *parts):
        """Nothing but one line on standard error, and it says all of `parts`."""
        self.assertEqual(code, 1, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertTrue(err.startswith("weir: error: "), err)
        for part in parts:
            self.assertRegex(err, part)


class Help(Case):
    def test_help_teaches_by_examples_first(self):
        code, out, err = weir("--help")
        self.assertEqual((code, err), (0, ""))
        self.assertLess(out.index("weir run --plugin"), out.index("Usage:"))
        for command in ("run", "inspect", "check", "test", "request", "bench", "call", "fuzz", "conformance", "trace", "completion", "man", "help"):
            self.assertRegex(out, rf"(?m)^  {command} ")
            self.assertEqual(weir(command, "--help")[0], 0)

    def test_version(self):
        self.assertRegex(weir("--version")[1], r"^weir \d+\.\d+\.\d+\n$")

    def test_topics(self):
        for topic in ("yaml", "exit-codes", "environment", "run"):
            code, out, err = weir("help", topic)
            self.assertEqual((code, err), (0, ""))
            self.assertGreater(len(out), 100)
        code, out, err = weir("help", "exit-code")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("did you mean exit-codes?", err)

    def test_usage_errors_name_the_nearest_and_end_with_2(self):
        for arguments, part in ((["rnu"], "did you mean run?"), (["run", "--plugn", "x"], "did you mean --plugin?"), (["run"], "--plugin FILE.wasm"),
                                (["run", "--config", "x"], "the --plugin before it"), (["inspect"], "file is required"), (["completion", "tcsh"], "tcsh"),
                                (["run", "--plugin", "a", "--to", "nowhere"], "http://HOST:PORT"), (["run", "--plugin", "a", "--listen", "x:y"], "ADDRESS:PORT"),
                                (["run", "--plugin", "a", "--memory", "1m", "--memory", "2m"], "twice"), (["run", "--file", "a", "--plugin", "b"], "--file has plugins")):
            code, out, err = weir(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertIn(part, err)
            self.assertEqual(len(err.splitlines()), 1, err)

    def test_no_command_is_a_usage_error_that_shows_the_help(self):
        code, out, err = weir()
        self.assertEqual((code, out), (2, ""))
        self.assertIn("Usage:", err)

    def test_manual_knows_every_flag(self):  # completion: completion_test.py
        for command in ("run", "inspect", "check", "request", "call", "fuzz", "trace", "conformance"):
            manual = weir("man", command)[1].replace("\\-", "-")
            self.assertTrue(manual.startswith(".TH WEIR"), command)
            flags = re.findall(r"(?m)^\s+(?:-\w,)?(--[\w-]+)", weir(command, "--help")[1])
            self.assertGreater(len(flags), 1, command)
            for flag in flags:
                self.assertIn(flag, manual, command)

    def test_no_colours_off_a_terminal(self):
        self.assertNotIn("\033", "".join(weir("rnu")[1:]) + "".join(weir("inspect", "/nowhere")[1:]))


GOOD = """(module
  (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2 16)
  (func $init (export "_initialize"))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32))
  (data (i32.const 0) "abc"))"""


class Inspect(Case):
    def test_json_of_a_good_plugin(self):
        path = self.wasm(GOOD)
        code, out, err = weir("inspect", path, "--json")
        self.assertEqual((code, err), (0, ""))
        found = json.loads(out)
        self.assertEqual((found["file"], found["bytes"], found["loads"], found["error"]), (str(path), path.stat().st_size, True, None))
        self.assertEqual((found["family"], found["abi_versions"], found["start"]), ("Proxy-Wasm", ["0.2.1"], ["_initialize"]))
        self.assertEqual([(i["module"], i["name"], i["offer"]) for i in found["imports"]],
                         [("env", "proxy_log", "works"), ("env", "proxy_http_call", "works"), ("wasi_snapshot_preview1", "fd_write", "works")])
        self.assertEqual(found["imports"][0]["signature"], "(i32, i32, i32) -> i32")
        self.assertEqual({c["name"]: c["section"] for c in found["callbacks"]},
                         {"proxy_on_request_headers": "HTTP streams", "proxy_on_http_call_response": "HTTP calls"})
        self.assertEqual(found["memories"], [{"pages_min": 2, "pages_max": 16}])
        self.assertEqual((found["functions"], found["function_names"], found["dwarf"]), (5, 1, False))
        self.assertEqual([s["name"] for s in found["custom_sections"]], ["name"])

    def test_properties(self):
        code, out, err = weir("inspect", "--properties", "--json")
        self.assertEqual((code, err), (0, ""))
        rows = {row["path"]: row for row in json.loads(out)["properties"]}
        self.assertEqual((rows["response.code"]["type"], rows["response.code"]["when"]), ("int64", "from the response on"))
        self.assertEqual(rows["connection.mtls"]["where"], ["nginx", "memory", "tcp"])
        self.assertEqual(rows["cluster_name"]["also"], "xds.cluster_name")
        self.assertIn("SERIALIZATION_FAILURE", rows["request"]["answer"])
        code, out, err = weir("inspect", "--properties")
        self.assertEqual((code, err), (0, ""))
        for path in rows:
            self.assertRegex(out, rf"(?m)^{re.escape(path)} ")
        self.assertEqual(weir("inspect", "--properties", "x.wasm")[0], 2)
        self.assertEqual(weir("inspect")[0], 2)

    def test_conformance(self):
        code, out, err = weir("conformance", "--filter", "http-fields/c*", "--json")
        found = json.loads(out)
        self.assertEqual((code, err, found["cases"]["failed"], found["failures"]), (0, "", 0, []))
        self.assertGreater(found["rules"]["headers.case"]["passed"], 0)
        (self.dir / "http-fields").mkdir()
        (self.dir / "http-fields" / "wrong.case").write_text(
            "about what is not so\nproxy_on_request_headers\n  proxy_get_status() -> NOT_FOUND\nrequest GET /\nexpect-client 200\n")
        code, out, err = weir("conformance", "--cases", self.dir, "--filter", "wrong")
        self.assertEqual((code, err), (1, ""))
        self.assertIn("expected  3 proxy_get_status -> NOT_FOUND\n  got       3 proxy_get_status -> OK 0", out)
        self.one_message(*weir("conformance", "--filter", "no-such-case"), "no-such-case")
        code, out, err = weir("conformance", "--filter", "http-fields/case", "--export", self.dir / "out")
        self.assertEqual((code, err), (0, ""))
        runs = json.loads((self.dir / "out" / "cases.json").read_text())
        self.assertEqual(len(runs), 6)  # three versions, two modes
        self.assertTrue((self.dir / "out" / runs[0]["plugins"][0]["wasm"]).read_bytes().startswith(b"\0asm"))

    def test_the_sdk_is_told_by_what_it_leaves_behind(self):
        utf16 = "".join(f"{c}\\00" for c in "~lib/@solo-io/proxy-runtime/runtime.ts")
        for text, sdk in ((r"x/proxy-wasm-0.2.4/src/dispatcher.rs", "Proxy-Wasm Rust SDK 0.2.4"), (r"dep\09github.com/tetratelabs/proxy-wasm-go-sdk\09v0.24.0\09h1", "Proxy-Wasm Go SDK (tetratelabs) 0.24.0"),
                          (utf16, "Proxy-Wasm AssemblyScript SDK (solo-io)"), ("x/proxy-wasm-x/src/", None), ("abc", None)):
            found = json.loads(weir("inspect", self.wasm(GOOD.replace('"abc"', f'"{text}"')), "--json")[1])
            self.assertEqual(found["sdk"] and found["sdk"]["name"], sdk)

    def test_a_namespace_proxy_wasm_is_not_yet_the_rust_sdk(self):
        for name, sdk in (("_ZN10proxy_wasm6HeaderE7MapType", None), ("proxy_wasm::Header", None), ("_ZN10proxy_wasm9hostcalls3log17hd341ac63e22c2e3cE", "Proxy-Wasm Rust SDK"),
                          ("proxy_wasm::dispatcher::Dispatcher::on_done", "Proxy-Wasm Rust SDK")):
            found = json.loads(weir("inspect", self.wasm(GOOD.replace("(func $init", f"(func ${name}")), "--json")[1])
            self.assertEqual(found["sdk"] and found["sdk"]["name"], sdk, name)

    def test_text_of_a_good_plugin(self):
        code, out, err = weir("inspect", self.wasm(GOOD))
        self.assertEqual((code, err), (0, ""))
        for part in (r"Proxy-Wasm ABI 0\.2\.1", r"128 KiB at the start, at most 1024 KiB", r"works +env\.proxy_http_call", r"works +env\.proxy_log\(i32, i32, i32\) -> i32", "Weir loads it"):
            self.assertRegex(out, part)

    def test_control_characters_of_names_do_not_reach_the_terminal(self):
        _, out, err = weir("inspect", self.wasm('(module (import "env" "\\1b[2Jx" (func)) (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))'))
        self.assertNotIn("\033", out + err)

    def test_modules_that_weir_refuses(self):
        """The report, and one message; with --json the message is in it, too."""
        refused = {"no_abi_marker": "proxy_abi_version_0_2_1", "no_memory": "memory", "unknown_import": r"did you mean proxy_get_header_map_value\?", "unknown_module": "env",
                   "wrong_signature": r"\(i32, i64, i32\) -> i32: wrong signature; Weir offers \(i32, i32, i32\) -> i32"}
        for name, part in refused.items():
            with self.subTest(name):
                path = self.wasm((HERE.parent / "bad_input" / f"{name}.wat").read_text(), name)
                code, out, err = weir("inspect", path)
                self.one_message(code, out, err, re.escape(str(path)), part)
                self.assertIn("Weir does not load it", out)
                code, out, err = weir("inspect", path, "--json")
                self.assertEqual(code, 1)
                found = json.loads(out)
                self.assertFalse(found["loads"])
                self.assertRegex(found["error"], part)

    def test_offers_of_refused_imports(self):
        path = self.wasm("""(module
          (import "env" "proxy_get_header_map_valu" (func (param i32) (result i32)))
          (import "env" "proxy_log" (func (param i64)))
          (import "env" "proxy_continue_request" (func (result i32)))
          (import "nowhere" "f" (func))
          (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))""")
        code, out, _ = weir("inspect", path, "--json")
        self.assertEqual(code, 1)
        self.assertEqual([i["offer"] for i in json.loads(out)["imports"]], ["unknown", "wrong signature", "of another ABI version", "unknown"])

    def test_files_that_are_no_modules(self):
        whole = self.wasm(GOOD).read_bytes()
        for name, content, *parts in (("empty", b"", "empty", "build or copy"), ("text", b"hello", "not WebAssembly", r"give the plugin's \.wasm"), ("wat", b"(module)", "text", "wat2wasm"),
                                      ("component", b"\0asm\x0d\0\1\0", "component", "wasm32-wasip1"), ("header", b"\0asm", "cut off"), ("version", b"\0asm\2\0\0\0", "version 2"),
                                      ("gzip", b"\x1f\x8b\x08\0", "gzip", "gunzip"), ("elf", b"\x7fELF\2\1", "native code"), ("cut", whole[:len(whole) // 2], "cut off|bytes left", "build or copy"),
                                      ("garbage", b"\0asm\1\0\0\0" + b"\xff" * 40, "byte 9", "build or copy")):
            with self.subTest(name):
                path = self.dir / f"{name}.wasm"
                path.write_bytes(content)
                code, out, err = weir("inspect", path)
                self.assertEqual(out, "")
                self.one_message(code, out, err, re.escape(str(path)), *parts)

    def test_missing_file_and_directory(self):
        self.one_message(*weir("inspect", self.dir / "none.wasm"), r"none\.wasm", "(?i)no such file")
        self.one_message(*weir("inspect", self.dir), re.escape(str(self.dir)))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path="/", seconds=15):
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Run(Case):
    """Without plugins, so that the module for NGINX need not be there; with plugins: tests/nginx/cases_run.py."""

    def yaml(self, port, body):
        path = self.dir / "weir.yaml"
        path.write_text(f"listeners:\n- listen: 127.0.0.1:{port}\n  respond: {{body: '{body}'}}\n")
        return path

    def start(self, *arguments):
        self.log = open(self.dir / "log", "w")
        process = subprocess.Popen([WEIR, "run", *map(str, arguments)], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env={**ENVIRONMENT, "NGINX": "7;"})
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.wait(), self.log.close()))
        return process

    def said(self, part, seconds=15):
        end = time.monotonic() + seconds
        while part not in (self.dir / "log").read_text():
            self.assertLess(time.monotonic(), end, (self.dir / "log").read_text())
            time.sleep(0.05)

    def test_becomes_nginx_and_ends_with_its_exit_code(self):
        port = free_port()
        process = self.start("--file", self.yaml(port, "5 $ \"x\""))
        self.assertEqual(get(port, "/seen"), (200, '5 $ "x"'))
        self.said("GET /seen")  # the access log and the messages share a file, and neither overwrites the other
        self.said("NGINX")
        self.assertEqual(os.path.basename(os.readlink(f"/proc/{process.pid}/exe")), "nginx")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)

    def test_print_config_starts_nothing(self):
        code, out, err = weir("run", "--file", self.yaml(8080, "x"), "--print-config")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("listen 127.0.0.1:8080;", out)

    def test_watch_takes_the_good_and_keeps_the_old(self):
        port = free_port()
        process = self.start("--file", self.yaml(port, "one"), "--watch")
        self.assertEqual(get(port)[1], "one")
        self.yaml(port, "two")
        self.said("reloaded: weir.yaml")
        end = time.monotonic() + 10
        while get(port)[1] != "two":
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        (self.dir / "weir.yaml").write_text("listners: []")
        self.said('did you mean "listeners"?')
        self.assertEqual(get(port)[1], "two")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.one_message(*weir("run", "--file", self.yaml(port, "x")), f"127.0.0.1:{port}", "in use", "another port")

    def test_an_address_of_another_machine(self):
        path = self.dir / "weir.yaml"
        path.write_text("listeners: [{listen: '192.0.2.1:8080'}]")
        self.one_message(*weir("run", "--file", path), "192.0.2.1:8080", "no such address")

    def test_what_nginx_refuses_comes_without_its_decoration(self):
        path = self.dir / "weir.yaml"
        path.write_text(f"listeners: [{{listen: '127.0.0.1:{free_port()}', tls: {{certificate: c.pem, key: c.pem}}}}]")
        (self.dir / "c.pem").write_text("no certificate")
        code, out, err = weir("run", "--file", path)
        self.one_message(code, out, err, r"c\.pem")
        self.assertNotIn("[emerg]", err)
        self.assertNotIn("nginx.conf", err)

    def test_no_upstream_of_that_name(self):
        path = self.dir / "weir.yaml"
        path.write_text("upstreams: {app: http://127.0.0.1:1}\nlisteners: [{listen: 8080, to: ap}]")
        self.one_message(*weir("run", "--file", path), r"weir\.yaml:2:", 'did you mean "app"')

    def test_missing_files(self):
        self.one_message(*weir("run", "--file", self.dir / "none.yaml"), r"none\.yaml", "(?i)no such file")
        self.one_message(*weir("run", "--plugin", self.dir / "none.wasm"), r"none\.wasm", "no such file")
        plugin = self.wasm(GOOD)
        self.one_message(*weir("run", "--plugin", plugin, "--config", "none.json"), r"none\.json", "no such file")

    def test_no_nginx_and_no_module(self):
        plugin, listen = self.wasm(GOOD), f"127.0.0.1:{free_port()}"
        self.one_message(*weir("run", "--plugin", plugin, WEIR_NGINX="/nowhere/nginx"), "WEIR_NGINX", "/nowhere/nginx")
        self.one_message(*weir("run", "--plugin", plugin, WEIR_NGINX="/bin/true"), "/bin/true is not NGINX")
        self.one_message(*weir("run", "--plugin", plugin, "--listen", listen, WEIR_MODULES="/nowhere"), "ngx_http_weir_module.so", "/nowhere", "make build")

    def test_a_module_for_another_nginx(self):
        """A module that says it is of 1.9.9, loaded by the NGINX that is here."""
        source = self.dir / "module.c"
        source.write_text("struct { unsigned long a, b; const char *name; unsigned long c, d, version; const char *signature; unsigned long rest[30]; } module ="
                          "{-1, -1, 0, 0, 0, 1009009, \"8,4,8\"};\nvoid *ngx_modules[] = {&module, 0};\nchar *ngx_module_names[] = {\"ngx_http_weir_module\", 0};\n")
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", self.dir / "ngx_http_weir_module.so"], check=True)
        self.one_message(*weir("run", "--plugin", self.wasm(GOOD), "--listen", f"127.0.0.1:{free_port()}", WEIR_MODULES=str(self.dir)),
                         "built for NGINX 1.9.9", r"is NGINX \d+\.\d+\.\d+", "build the module for it")


if __name__ == "__main__":
    WEIR, WAT2WASM = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
