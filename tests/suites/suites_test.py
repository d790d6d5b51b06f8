#!/usr/bin/env python3
"""`weir test` from outside: suites that pass, cases that fail for one rule each, bad input, flags. Usage: suites_test.py WEIR GUESTS"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).resolve().parent
WEIR, GUESTS = "build/bin/weir", pathlib.Path("build/guests")


def weir_test(*arguments):
    done = subprocess.run([WEIR, "test", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-suites-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.plugin = ("--plugin", GUESTS / "suite.wasm")

    def suite(self, text, name="suite.textpb"):
        path = self.dir / name
        path.write_text(text)
        return path


class Suites(Case):
    def test_passing(self):
        for name, config in (("tester.textpb", "tester.config"), ("tester.yaml", None), ("weir.textpb", None)):
            with self.subTest(name):
                code, out, err = weir_test(*self.plugin, *(("--config", HERE / config) if config else ()), "--suite", HERE / name)
                self.assertEqual((code, err), (0, ""), out)
                self.assertRegex(out, r"^\d+ passed, 0 failed, 0 skipped\n$")

    def test_failing(self):
        """Each case of these files fails, alone, with what its name says."""
        for name, config in (("fails.textpb", "tester.config"), ("weir_fails.textpb", None)):
            arguments = (*self.plugin, *(("--config", HERE / config) if config else ()), "--timeout", "100ms", "--memory", "4m")
            code, out, err = weir_test(*arguments, "--suite", HERE / name, "--json")
            self.assertEqual((code, err), (1, ""))
            report = json.loads(out)
            self.assertEqual((report["passed"], report["skipped"]), (0, 0), out)
            for case in report["cases"]:
                with self.subTest(case["name"]):
                    said = "\n".join(f"[{failure['phase']}] {failure['text']}" for failure in case["failures"])
                    if any(failure["phase"].endswith("_destroy") or "log: " in failure["text"] for failure in case["failures"]):
                        said += "\n" + "\n".join(case["log"])
                    self.assertIn(case["name"].split(" => ", 1)[1], said)

    def test_a_bad_case_harms_no_other(self):
        suite = self.suite("""
            test { name: "trap" request_headers { input { header { key: "x-do" value: "rh trap" } } } }
            test { name: "loop" request_headers { input { header { key: "x-do" value: "rh loop" } } } }
            test { name: "eat" request_headers { input { header { key: "x-do" value: "rh eat" } } } }
            test { name: "chatter" request_headers { input { header { key: "x-do" value: "rh chatter" } } } }
            test { name: "swell" request_headers { input { header { key: "x-do" value: "rh swell" } } } }
            test { name: "chatterToo" no_trap: true request_headers { input { header { key: ":path" value: "/" } header { key: "x-do" value: "rh chatter" } } } }
            test { name: "swellToo" no_trap: true request_headers { input { header { key: ":path" value: "/" } header { key: "x-do" value: "rh swell" } } } }
            test { name: "good" request_headers { result { log { exact: "request headers 0" } } } }""")
        code, out, _ = weir_test(*self.plugin, "--suite", suite, "--timeout", "100ms", "--memory", "2m")
        self.assertEqual(code, 1)
        self.assertEqual(re.findall(r"^FAIL .*: (\w+) \(", out, re.M), ["trap", "loop", "eat", "chatter", "swell", "chatterToo", "swellToo"])
        self.assertTrue(out.endswith("1 passed, 7 failed, 0 skipped\n"), out[-1000:])


class Flags(Case):
    TWO = """test { name: "Yes" request_headers { result { log { exact: "request headers 0" } } } }
             test { name: "No" request_headers { result { log { exact: "x" } } } }"""

    def test_filter(self):
        suite = self.suite(self.TWO)
        code, out, _ = weir_test(*self.plugin, "--suite", suite, "--filter", "^Y")
        self.assertEqual((code, out), (0, "1 passed, 0 failed, 1 skipped\n"))
        code, _, err = weir_test(*self.plugin, "--suite", suite, "--filter", "Never")
        self.assertEqual(code, 2)
        self.assertIn("no case has such a name", err)
        code, _, err = weir_test(*self.plugin, "--suite", suite, "--filter", "(")
        self.assertEqual(code, 2)
        self.assertIn("RE2", err)

    def test_junit(self):
        out = self.dir / "out.xml"
        code, _, err = weir_test(*self.plugin, "--suite", self.suite(self.TWO.replace("Yes", "a<b&\\\"c\\001\\377")), "--junit", out)
        self.assertEqual((code, err), (1, ""))
        root = xml.parse(out).getroot()
        self.assertEqual((root.get("tests"), root.get("failures")), ("2", "1"))
        self.assertEqual([case.get("name") for case in root.iter("testcase")], ['a<b&"c??', "No"])
        self.assertIn("expected a log line", next(root.iter("failure")).get("message"))
        code, _, err = weir_test(*self.plugin, "--suite", self.suite(self.TWO), "--junit", self.dir / "no" / "out.xml")
        self.assertEqual(code, 2)
        self.assertIn("cannot be written", err)

    def test_json(self):
        code, out, _ = weir_test(*self.plugin, "--suite", self.suite("env { log_path: '/dev/stdout' }" + self.TWO), "--json", "--jobs", 3)
        report = json.loads(out)
        self.assertEqual((code, report["passed"], report["failed"]), (1, 1, 1))
        self.assertEqual([(case["name"], case["result"], case["line"]) for case in report["cases"]], [("Yes", "passed", 1), ("No", "failed", 2)])

    def test_several_plugins(self):
        suite = self.suite('test { name: "c" plugin_init { log { exact: "hello" } } }')
        config = self.suite("conf say 2 hello", "hello.config")
        other = self.suite('test { name: "d" plugin_init { log { invert: true exact: "hello" } } }', "other.textpb")
        code, out, err = weir_test(*self.plugin, "--config", config, "--suite", suite, *self.plugin, "--suite", other)
        self.assertEqual((code, out, err), (0, "2 passed, 0 failed, 0 skipped\n", ""))
        for arguments, message in ((("--suite", suite, *self.plugin, *self.plugin), "belongs to the --plugin before it"),
                                   ((*self.plugin, "--suite", suite, *self.plugin), "no --suite for the plugin"),
                                   ((*self.plugin, "--config", config, "--config", config, "--suite", suite), "--config is there twice")):
            code, _, err = weir_test(*arguments)
            self.assertEqual(code, 2)
            self.assertIn(message, err)

    def test_plugin_and_level_of_the_env(self):
        suite = self.suite(f'env {{ wasm_path: "{(GUESTS / "suite.wasm").resolve()}" log_level: WARN }} test {{ name: "c" request_headers {{ result {{ log {{ invert: true regex: ".*" }} }} }} }}')
        self.assertEqual(weir_test("--suite", suite)[0], 0)
        self.assertEqual(weir_test("--suite", suite, "--log-level", "INFO")[0], 1)

    def test_log_file(self):
        log = self.dir / "plugin.log"
        weir_test(*self.plugin, "--suite", self.suite(self.TWO), "--log-file", log)
        code, _, err = weir_test(*self.plugin, "--suite", self.suite(self.TWO), "--log-file", self.dir / "no" / "plugin.log")
        self.assertEqual(code, 2)
        self.assertIn("--log-file", err)
        self.assertIn("--- Starting test: Yes ---\nbefore the root context\nrequest headers 0\n--- Finished test: Yes ---\n", log.read_text())

    def test_any_chunking(self):
        body = "".join(f"{i} " for i in range(200))
        good = self.suite(f'test {{ name: "good" request_body {{ input {{ content: "{body}" }} result {{ body {{ exact: "{body}" }} }} }} }}')
        self.assertEqual(weir_test(*self.plugin, "--suite", good, "--any-chunking")[:2], (0, "1 passed, 0 failed, 0 skipped\n"))
        bad = self.suite('test { name: "bad" request_headers { input { header { key: "x-do" value: "rb put 0 0 0 <" } } } '
                         'request_body { input { content: "hello" } result { body { exact: "<hello" } } } }')
        self.assertEqual(weir_test(*self.plugin, "--suite", bad)[0], 0)
        code, out, _ = weir_test(*self.plugin, "--suite", bad, "--any-chunking")
        self.assertEqual(code, 1)
        self.assertIn("[request_body] with chunks of 1 byte: another body", out)
        self.assertIn('+ "<h<e<l<l<o"', out)


class BadInput(Case):
    """Exit code 2, and a line with file, line, column and what to do."""

    def refused(self, text, *parts, name="suite.textpb"):
        path = self.suite(text, name)
        code, out, err = weir_test(*self.plugin, "--suite", path)
        self.assertEqual((code, out), (2, ""), err)
        for part in parts:
            self.assertIn(part.replace("FILE", str(path)), err)

    def test_text_format(self):
        self.refused('test { naem: "x" }', 'FILE:1:12: Test has no field "naem"; did you mean name?')
        self.refused('test {\n  name: "x"\n  runtime: 1 }', 'FILE:3:10: Test has no field "runtime"; it has name,')
        self.refused("test { name: x }", "FILE:1:14:")
        self.refused('test { name: "x', "FILE:1:")
        self.refused("test { num_chunks: 99999999999 }", "FILE:1:20:")
        self.refused("test { num_chunks: 1 chunk_size: 2 }", "FILE:1:")
        self.refused("env { log_level: LOUD }", "FILE:1:", "LOUD")
        self.refused("test { name: 'a' name: 'b' }", "FILE:1:")
        self.refused("\x00\xff", "FILE:1:1:")
        self.refused("test {", "FILE:")

    def test_yaml(self):
        y = {"name": "suite.yaml"}
        self.refused("test:\n- naem: x", 'FILE:2:3: Test has no field "naem"; did you mean name?', **y)
        self.refused("test: {name: x}", 'FILE:1:7: "test" is a sequence, also of one', **y)
        self.refused("test: [x]", "FILE:1:8: Test is a mapping", **y)
        self.refused("test: [{name: [x]}]", 'FILE:1:15: "name" is one value', **y)
        self.refused("test: [{num_chunks: two}]", 'FILE:1:21: "num_chunks" is a number', **y)
        self.refused("test: [{num_chunks: 1, chunk_size: 2}]", "keep one", **y)
        self.refused("env: {log_level: LOUD}", "is one of UNDEFINED, TRACE", **y)
        self.refused("env: {log_level: 77}", "is one of UNDEFINED, TRACE", **y)
        self.refused("test: [", "FILE:1:", **y)
        self.refused("a: 1\n---\nb: 2", "FILE:3:1: a suite is one document", **y)
        self.refused("test: [{benchmark: perhaps}]", "true or false", **y)
        self.refused("test:\n" + "".join(f"{' ' * i}- \n" for i in range(3000)), "FILE:", **y)

    def test_empty_suites_pass(self):
        for text, name in (("", "a.textpb"), ("# nothing", "b.textpb"), ("", "c.yaml"), ("---\n", "d.yml")):
            self.assertEqual(weir_test(*self.plugin, "--suite", self.suite(text, name))[:2], (0, "0 passed, 0 failed, 0 skipped\n"), name)

    def test_files(self):
        suite = self.suite('test { name: "x" }')
        empty = self.suite("", "empty.wasm")
        text = self.suite("not wasm", "text.wasm")
        for arguments, parts in (((*self.plugin, "--suite", self.dir / "no.textpb"), ("no.textpb",)),
                                 (("--plugin", self.dir / "no.wasm", "--suite", suite), ("no.wasm",)),
                                 (("--plugin", empty, "--suite", suite), ("empty.wasm",)),
                                 (("--plugin", text, "--suite", suite), ("text.wasm",)),
                                 (("--plugin", self.dir, "--suite", suite), (str(self.dir),)),
                                 ((*self.plugin, "--config", self.dir / "no.json", "--suite", suite), ("configuration", "no.json")),
                                 (("--suite", suite), ("give --plugin FILE.wasm",)),
                                 (self.plugin, ("give --suite FILE",)),
                                 ((*self.plugin, "--suite", suite, "--memory", "much"), ("--memory much", "16m")),
                                 ((*self.plugin, "--suite", suite, "--timeout", "1y"), ("--timeout 1y", "50ms")),
                                 ((*self.plugin, "--suite", suite, "--jobs", "0"), ("--jobs",)),
                                 ((*self.plugin, "--suite", suite, "--log-level", "LOUD"), ("TRACE",)),
                                 ((*self.plugin, "--suite", suite, "--fitler", "x"), ("--filter",))):
            code, out, err = weir_test(*arguments)
            self.assertEqual((code, out), (2, ""), err)
            for part in parts:
                self.assertIn(part, err)

    def test_every_fault_is_said(self):
        code, _, err = weir_test(*self.plugin, "--suite", self.suite("tset {}", "a.textpb"), "--suite", self.suite("x: 1", "b.yaml"))
        self.assertEqual((code, len(err.splitlines())), (2, 2), err)

    def test_a_plugin_of_a_case(self):
        self.refused('test { name: "x" plugin { wasm: "nowhere.wasm" } }', 'case "x"', "nowhere.wasm")


if __name__ == "__main__":
    WEIR, GUESTS = sys.argv[1], pathlib.Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
