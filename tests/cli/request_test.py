#!/usr/bin/env python3
"""`weir request` from outside, with guests of our own and, where they were built, real plugins. Usage: request_test.py WEIR WAT2WASM"""
import json
import os
import pathlib
import pty
import struct
import subprocess
import sys
import unittest

import cli_test
from cli_test import Case, weir

ROOT = pathlib.Path(__file__).resolve().parents[2]

IMPORTS = {"proxy_log": 3, "proxy_add_header_map_value": 5, "proxy_replace_header_map_value": 5, "proxy_remove_header_map_value": 3, "proxy_get_header_map_value": 5,
           "proxy_set_buffer_bytes": 5, "proxy_send_local_response": 8, "proxy_http_call": 10, "proxy_get_property": 4, "proxy_continue_stream": 1,
           "proxy_set_effective_context": 1, "proxy_define_metric": 4}
CALLBACKS = {"proxy_on_configure": (2, 1), "proxy_on_request_headers": (3, 0), "proxy_on_request_body": (3, 0), "proxy_on_response_headers": (3, 0),
             "proxy_on_response_body": (3, 0), "proxy_on_http_call_response": (5, None)}
PUT = "(i32.const 512) (i32.const 516)"
GOT = "(i32.load (i32.const 512)) (i32.load (i32.const 516))"


def pairs(*items):
    packed = struct.pack("<I", len(items)) + b"".join(struct.pack("<II", len(k), len(v)) for k, v in items)
    return packed + b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in items)


class Guest:
    """WebAssembly text: what each callback does, by calls of host functions."""

    def __init__(self):
        self.data, self.code = b"", {}

    def s(self, value):
        value = value.encode() if isinstance(value, str) else value
        here = f"(i32.const {1024 + len(self.data)}) (i32.const {len(value)})"
        self.data += value
        return here

    def call(self, name, *arguments):
        return f"(drop (call ${name} {' '.join(str(a) if isinstance(a, str) else f'(i32.const {a})' for a in arguments)}))"

    def on(self, callback, *code, result=None):
        self.code[callback] = (" ".join(code), result)
        return self

    def wat(self):
        text = "(module " + "".join(f'(import "env" "{name}" (func ${name} (param {"i32 " * n}) (result i32)))' for name, n in IMPORTS.items())
        text += '(memory (export "memory") 4) (func (export "proxy_abi_version_0_2_1")) (global $heap (mut i32) (i32.const 65536))'
        text += '(func (export "malloc") (param i32) (result i32) (global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get 0))))'
        for callback, (code, result) in self.code.items():
            params, default = CALLBACKS[callback]
            returns = result if result is not None else default
            text += f'(func (export "{callback}") (param {"i32 " * params}) {"" if returns is None else "(result i32)"} {code} {"" if returns is None else f"(i32.const {returns})"})'
        return text + '(data (i32.const 1024) "%s"))' % "".join(f"\\{b:02x}" for b in self.data)


class RequestCase(Case):
    def plugin(self, guest, name="guest"):
        return self.wasm(guest.wat(), name)

    def ask(self, *arguments, code=0):
        got, out, err = weir("request", "--json", *arguments)
        self.assertEqual(got, code, err + out)
        return json.loads(out)

    def caller(self):
        """Asks authz, waits, and adds what it learned."""
        guest = Guest()
        headers = guest.s(pairs((":method", "GET"), (":path", "/check"), (":authority", "authz")))
        guest.on("proxy_on_request_headers", "(i32.store (i32.const 600) (local.get 0))", guest.call("proxy_http_call", guest.s("authz"), headers, guest.s(""), guest.s(pairs()), 1000, 520), result=1)
        guest.on("proxy_on_http_call_response", guest.call("proxy_set_effective_context", "(i32.load (i32.const 600))"),
                 guest.call("proxy_get_header_map_value", 6, guest.s(":status"), PUT), guest.call("proxy_add_header_map_value", 0, guest.s("x-authz"), GOT),
                 guest.call("proxy_continue_stream", 0))
        return self.plugin(guest, "caller")


def value(message, name):
    return [v for k, v in message["headers"] if k == name]


class Changes(RequestCase):
    def edits(self):
        guest = Guest()
        guest.on("proxy_on_request_headers", guest.call("proxy_add_header_map_value", 0, guest.s("x-new"), guest.s("1")),
                 guest.call("proxy_replace_header_map_value", 0, guest.s(":path"), guest.s("/other")), guest.call("proxy_remove_header_map_value", 0, guest.s("x-gone")))
        guest.on("proxy_on_response_body", guest.call("proxy_set_buffer_bytes", 1, 0, 1000, guest.s("one\nTWO\nthree\n")))
        return self.plugin(guest)

    def test_headers_and_bodies(self):
        found = self.ask("--plugin", self.edits(), "-H", "X-Gone: y", "-H", "x-stays: z", "/path", "--response-body", "one\ntwo\nthree\n")
        sent, upstream = found["request"]["sent"], found["request"]["upstream"]
        self.assertEqual((found["ok"], found["end"], value(sent, ":path"), value(upstream, ":path")), (True, "response", ["/path"], ["/other"]))
        self.assertEqual((value(upstream, "x-new"), value(upstream, "x-gone"), value(upstream, "x-stays"), value(sent, "x-gone")), (["1"], [], ["z"], ["y"]))
        self.assertEqual((found["response"]["upstream"]["body"], found["response"]["client"]["body"]), ("one\ntwo\nthree\n", "one\nTWO\nthree\n"))

    def test_text(self):
        code, out, err = weir("request", "--plugin", self.edits(), "-H", "x-gone: y", "/path", "--response-body", "one\ntwo\nthree\n")
        self.assertEqual((code, err), (0, ""))
        for line in ("request  GET /path", "  + x-new                    1", "  ~ :path                    /path -> /other", "  - x-gone                   y", "    :method                  GET",
                     "response  200", "  ~ body 14 -> 14 bytes", "  - | two", "  + | TWO", "    | three"):
            self.assertIn(line, out)
        self.assertNotIn("\033", out)

    def test_colours_on_a_terminal_alone(self):
        for no_color in ("", "1"):
            parent, child = pty.openpty()
            environment = {**cli_test.ENVIRONMENT, "TERM": "xterm", "NO_COLOR": no_color}
            subprocess.run([cli_test.WEIR, "request", "--plugin", self.edits(), "/"], stdout=child, env=environment, check=True)
            os.close(child)
            shown = os.read(parent, 1 << 16).decode()
            os.close(parent)
            self.assertEqual("\033[32m+ x-new" in shown, not no_color, shown)

    def test_the_request(self):
        (self.dir / "body").write_bytes(b"\xff" + b"abcdefg" * 3)
        found = self.ask("--plugin", self.plugin(Guest()), "-X", "PUT", "--data", f"@{self.dir}/body", "--chunk", "8", "--trailer", "x-sum: 7", "https://shop.test:8443/a?b=c")
        sent = found["request"]["sent"]
        self.assertEqual([value(sent, n) for n in (":method", ":path", ":authority", ":scheme", "content-length")], [["PUT"], ["/a?b=c"], ["shop.test:8443"], ["https"], ["22"]])
        self.assertEqual((sent["chunks"], sent["body_base64"], sent["trailers"]), (3, "/2FiY2RlZmdhYmNkZWZnYWJjZGVmZw==", [["x-sum", "7"]]))
        self.assertEqual(value(self.ask("--plugin", self.dir / "guest.wasm", "-d", "x")["request"]["sent"], ":method"), ["POST"])
        self.assertEqual(value(self.ask("--plugin", self.dir / "guest.wasm", "-H", "host: a.b")["request"]["sent"], ":authority"), ["a.b"])

    def test_the_response(self):
        plugin = self.plugin(Guest())
        found = self.ask("--plugin", plugin, "--response-status", "404", "--response-header", "x-a: b", "--response-body", "abcde", "--response-chunk", "2", "--response-trailer", "t: u")
        client = found["response"]["client"]
        self.assertEqual((value(client, ":status"), value(client, "x-a"), client["body"], client["chunks"], client["trailers"]), (["404"], ["b"], "abcde", 3, [["t", "u"]]))
        (self.dir / "answer").write_text("HTTP/1.1 201 Created\r\nX-B: c\r\ncontent-length: 3\r\n\r\nabc")
        client = self.ask("--plugin", plugin, "--response", self.dir / "answer")["response"]["client"]
        self.assertEqual((value(client, ":status"), value(client, "x-b"), client["body"]), (["201"], ["c"], "abc"))
        client = self.ask("--plugin", plugin, "--response", self.dir / "answer", "--response-status", "500", "--response-body", "longer")["response"]["client"]
        self.assertEqual((value(client, ":status"), value(client, "content-length"), client["body"]), (["500"], ["6"], "longer"))

    def test_a_local_response(self):
        guest = Guest()
        guest.on("proxy_on_request_headers", guest.call("proxy_send_local_response", 403, guest.s("no badge"), guest.s("forbidden"), guest.s(pairs(("x-why", "badge"))), -1), result=1)
        path = self.plugin(guest)
        found = self.ask("--plugin", path)
        self.assertEqual((found["local_response"], found["request"]["upstream"], found["response"]["upstream"]), ({"by": "guest", "details": "no badge"}, None, None))
        self.assertEqual((value(found["response"]["client"], ":status"), value(found["response"]["client"], "x-why"), found["response"]["client"]["body"]), (["403"], ["badge"], "forbidden"))
        out = weir("request", "--plugin", path)[1]
        self.assertIn("403  local response of guest: no badge", out)
        self.assertIn("(did not reach the upstream)", out)

    def test_a_chain_in_its_order(self):
        for name in ("a", "b"):
            guest = Guest()
            for callback, map_id in (("proxy_on_request_headers", 0), ("proxy_on_response_headers", 2)):
                guest.on(callback, guest.call("proxy_add_header_map_value", map_id, guest.s("x-by"), guest.s(name)))
            self.plugin(guest, name)
        found = self.ask("--plugin", self.dir / "a.wasm", "--plugin", self.dir / "b.wasm")
        self.assertEqual((value(found["request"]["upstream"], "x-by"), value(found["response"]["client"], "x-by")), (["a", "b"], ["b", "a"]))
        self.assertEqual([p["name"] for p in found["plugins"]], ["a", "b"])

    def test_logs_properties_and_repetition(self):
        guest = Guest()
        guest.on("proxy_on_request_headers", guest.call("proxy_get_property", guest.s("source\0address"), PUT), guest.call("proxy_log", 2, GOT), guest.call("proxy_log", 1, guest.s("small")))
        path = self.plugin(guest)
        found = self.ask("--plugin", path, "--name", "p", "--property", "source.address=10.1.2.3:4")
        self.assertEqual(found["logs"], [{"level": "info", "plugin": "p", "text": "10.1.2.3:4"}])
        self.assertEqual([log["text"] for log in self.ask("--plugin", path, "--log-level", "debug")["logs"]], ["127.0.0.1:50000", "small"])
        code, out, _ = weir("request", "--plugin", path, "--times", "3", "--json")
        self.assertEqual((code, len(out.splitlines())), (0, 3))
        self.assertIn("--- 2 of 2", weir("request", "--plugin", path, "--times", "2")[1])


class Calls(RequestCase):
    def test_answers_by_flag(self):
        path = self.caller()
        for answer, told, event in (("authz=200 granted", "200", "answer 200"), ("authz=403", "403", "answer 403")):
            found = self.ask("--plugin", path, "--answer", answer)
            self.assertEqual((value(found["request"]["upstream"], "x-authz"), found["calls"][0]["events"], found["calls"][0]["what"]), ([told], [event], "GET /check"))
        found = self.ask("--plugin", path, "--answer", "authz=timeout")
        self.assertEqual((found["calls"][0]["events"], value(found["request"]["upstream"], "x-authz")), (["answer timeout"], [""]))
        self.assertEqual(self.ask("--plugin", path, "--answer", "authz=never")["calls"][0]["events"], ["answer timeout"], "the call's own time ends it")

    def test_answers_from_a_file_in_turn(self):
        (self.dir / "answers.yaml").write_text("authz:\n  - {status: 200, headers: {x-a: b}, body: one, after: 20ms}\n  - failure: connect\n")
        code, out, _ = weir("request", "--plugin", self.caller(), "--answers", self.dir / "answers.yaml", "--times", "3", "--json", "--explain")
        reports = [json.loads(line) for line in out.splitlines()]
        self.assertEqual((code, [r["calls"][0]["events"] for r in reports]), (0, [["answer 200"], ["answer connect"], ["answer connect"]]))
        self.assertIn({"event": "effect", "line": "answer 1 200"}, reports[0]["explain"])
        (self.dir / "answers.json").write_text(json.dumps({"authz": {"status": 204}}))
        self.assertEqual(self.ask("--plugin", self.dir / "caller.wasm", "--answers", self.dir / "answers.json")["calls"][0]["events"], ["answer 204"])

    def test_an_upstream_that_nobody_knows(self):
        code, out, _ = weir("request", "--plugin", self.caller(), "--wait", "50ms", "--explain")
        self.assertEqual(code, 1, "it pauses for an answer that never comes")
        for part in ("= BAD_ARGUMENT: that upstream is not known or not allowed: \"authz\"", "paused for ever by caller on_request_headers"):
            self.assertIn(part, out)

    def test_a_real_upstream(self):
        import http.server
        import threading

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(207)
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            found = self.ask("--plugin", self.caller(), "--cluster", f"authz=http://127.0.0.1:{server.server_port}")
            server.shutdown()
        self.assertEqual(value(found["request"]["upstream"], "x-authz"), ["207"])


class Explain(RequestCase):
    def refused(self):
        guest = Guest()
        return self.plugin(guest.on("proxy_on_request_headers", guest.call("proxy_add_header_map_value", 0, guest.s("bad name"), guest.s("v"))))

    def test_each_call_with_its_reason(self):
        path = self.refused()
        out = weir("request", "--plugin", path, "--explain")[1]
        self.assertIn("guest  proxy_on_request_headers(stream_context_id 2, num_headers 4, end_of_stream 1)\n", out)
        self.assertRegex(out, r'proxy_add_header_map_value\(map_id request_headers, key "bad name", value "v"\) = OK without effect, in place of BAD_ARGUMENT: .*: "bad name"')
        self.assertRegex(out, r"-> CONTINUE  \d+ µs")
        self.assertIn("1 host calls were refused", out)
        events = self.ask("--plugin", path, "--explain", "--statuses", "strict")["explain"]
        call = next(e for e in events if e["event"] == "host_call")
        self.assertEqual((call["plugin"], call["module"], call["name"], call["status"], call["context"], call["arguments"]),
                         ("guest", "env", "proxy_add_header_map_value", "BAD_ARGUMENT", 2, {"map_id": "request_headers", "key": "bad name", "value": "v"}))
        self.assertTrue(call["reason"])
        self.assertEqual(call["detail"], "bad name")
        begin, end = (next(e for e in events if e["event"] == kind and e["name"] == "proxy_on_request_headers") for kind in ("callback", "return"))
        self.assertEqual((begin["arguments"]["num_headers"], end["result"]), (4, "CONTINUE"))

    def test_without_it_nothing_is_told(self):
        self.assertNotIn("explain", self.ask("--plugin", self.refused()))

    def test_what_is_told_ends_with_the_failure(self):
        path = self.plugin(Guest().on("proxy_on_request_headers", "(unreachable)"))
        code, out, err = weir("request", "--plugin", path, "--explain")
        self.assertEqual((code, err), (1, ""))
        self.assertIn("failed: unreachable", out)


class Failures(RequestCase):
    def test_a_plugin_that_traps_or_loops(self):
        for code, part in (("(unreachable)", "unreachable"), ("(loop $l (br $l))", "used its 20 ms of CPU time")):
            path = self.plugin(Guest().on("proxy_on_request_headers", code))
            found = self.ask("--plugin", path, "--timeout", "20ms", code=1)
            self.assertEqual((found["ok"], value(found["response"]["client"], ":status"), found["plugins"][0]["failed"]), (False, ["503"], True))
            self.assertIn(part, found["plugins"][0]["error"])
            found = self.ask("--plugin", path, "--timeout", "20ms", "--on-error", "open", code=1)
            self.assertEqual(value(found["response"]["client"], ":status"), ["200"])
        self.assertIn("guest failed: ", weir("request", "--plugin", path, "--timeout", "20ms")[1])

    def test_a_configuration_that_is_refused(self):
        guest = Guest()
        path = self.plugin(guest.on("proxy_on_configure", guest.call("proxy_log", 4, guest.s("no rules")), result=0))
        code, out, err = weir("request", "--plugin", path)
        self.assertEqual(code, 1)
        self.assertIn("no rules", out)
        self.assertIn("proxy_on_configure returned false", err)
        found = self.ask("--plugin", path, "--explain", code=1)
        self.assertEqual((found["ok"], found["logs"][0]["text"]), (False, "no rules"))
        self.assertIn("proxy_on_configure", [e.get("name") for e in found["explain"]])

    def test_bad_input_ends_with_2_and_names_flag_and_remedy(self):
        path = self.plugin(Guest())
        (self.dir / "text.wasm").write_text("hello")
        (self.dir / "odd.yaml").write_text("authz:\n  statsu: 200\n")
        (self.dir / "both.yaml").write_text("authz: {status: 200, never: true}\n")
        (self.dir / "twice.yaml").write_text("a: {status: 200}\na: {status: 200}\n")
        (self.dir / "broken.yaml").write_text("authz: [\n")
        (self.dir / "answer").write_text("hello\n")
        for flags, part in ((["--plugin", self.dir / "none.wasm"], "none.wasm"), (["--plugin", self.dir / "text.wasm"], "not WebAssembly"), ([], "--plugin FILE.wasm"),
                            (["--plugin", path, "-H", "x"], "-H \"x\": wants NAME: VALUE"), (["--plugin", path, "login"], "/login"), (["--plugin", path, "ftp://x/"], "http://HOST/PATH"),
                            (["--plugin", path, "--data", "@/nowhere"], "--data @/nowhere"), (["--plugin", path, "--chunk", "0", "-d", "x"], "--chunk 0"),
                            (["--plugin", path, "--config", "/nowhere"], "--config /nowhere"), (["--plugin", path, "--memory", "much"], "--memory much"),
                            (["--plugin", path, "--response-status", "99"], "100 to 599"), (["--plugin", path, "--response", self.dir / "answer"], "answer:1: wants a status line"),
                            (["--plugin", path, "--property", "x"], "PATH=VALUE"), (["--plugin", path, "--property", "no.such=1"], "is no property"),
                            (["--plugin", path, "--answer", "authz"], "NAME=STATUS"), (["--plugin", path, "--answer", "authz=soon"], "is no status from 100 to 599"),
                            (["--plugin", path, "--answer", "g=grpc:17"], "0 to 16"), (["--plugin", path, "--answers", "/nowhere"], "--answers /nowhere"),
                            (["--plugin", path, "--answers", self.dir / "odd.yaml"], "odd.yaml:2:3: unknown key \"statsu\" in an answer; did you mean \"status\"?"),
                            (["--plugin", path, "--answers", self.dir / "both.yaml"], "one of status, failure, never and grpc"),
                            (["--plugin", path, "--answers", self.dir / "twice.yaml"], "twice.yaml:2:1: \"a\" is there twice"),
                            (["--plugin", path, "--answers", self.dir / "broken.yaml"], "broken.yaml:2:1"),
                            (["--plugin", path, "--cluster", "x=nowhere"], "--cluster x=nowhere"), (["--plugin", path, "--wait", "soon"], "--wait soon"),
                            (["--plugin", path, "--log-level", "loud"], "--log-level loud"), (["--plugin", path, "--times", "0"], "--times"), (["--plugin", path, "--expalin"], "did you mean --explain?")):
            with self.subTest(part):
                code, out, err = weir("request", *flags)
                self.assertEqual((code, out), (2, ""), err)
                self.assertIn(part, err)
                self.assertEqual(len(err.splitlines()), 1, err)
        self.assertEqual(self.ask("--plugin", path, "--wait", "soon", code=2)["ok"], False)

    def test_control_characters_do_not_reach_the_terminal(self):
        guest = Guest()
        path = self.plugin(guest.on("proxy_on_request_headers", guest.call("proxy_log", 2, guest.s("\033[2J"))))
        out = weir("request", "--plugin", path, "--explain", "-H", "x: \033[2J", "--data", "a\033b", "--property", "source.address=\033")[1]
        self.assertNotIn("\033", out)


class RealPlugins(RequestCase):
    def test_auth(self):
        plugin, config = ROOT / "build/plugins/rust-auth.wasm", ROOT / "plugins/rust/auth/auth.json"
        if not plugin.exists():
            self.skipTest("build/plugins is empty: make plugins")
        found = self.ask("--plugin", plugin, "--config", config, "/admin")
        self.assertEqual((value(found["response"]["client"], ":status"), found["local_response"]["by"]), (["401"], "rust-auth"))
        found = self.ask("--plugin", plugin, "--config", config, "-H", "authorization: Bearer let-me-in", "/admin", "--explain")
        self.assertEqual((value(found["request"]["upstream"], "x-auth-user"), value(found["request"]["upstream"], "authorization")), (["alice"], []))
        self.assertIn("_initialize", [e.get("name") for e in found["explain"]])
        self.assertEqual(weir("request", "--plugin", plugin, "--config-inline", "{}")[0], 1, "it refuses that configuration")

    def test_a_plugin_that_asks(self):
        plugin = ROOT / "build/plugins/http_auth_random-0.2.0.wasm"
        if not plugin.exists():
            self.skipTest("build/plugins is empty: make plugins")
        for body, status in (("\x02", "200"), ("\x01", "403")):
            found = self.ask("--plugin", plugin, "--answer", f"httpbin=200 {body}")
            self.assertEqual(value(found["response"]["client"], ":status"), [status])


if __name__ == "__main__":
    cli_test.WEIR, cli_test.WAT2WASM = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
