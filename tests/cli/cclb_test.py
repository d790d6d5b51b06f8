#!/usr/bin/env python3
"""`weir cclb` from outside, on the modules of the golden cases. Usage: cclb_test.py WEIR WAT2WASM"""
import contextlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import unittest
import xml.etree.ElementTree

import cli_test
from cli_test import Case, weir

MODULES = pathlib.Path(__file__).resolve().parents[1] / "cclb/golden/modules"
GOOD = MODULES / "wat_shape.wasm"          # wat-plugin 1.0.0: shape
OTHER = MODULES / "d_sign_1.wasm"          # the same name: sign
NEEDY = MODULES / "accept_missing_capability.wasm"
SICK = MODULES / "sc_failure.wasm"
HOSTFNS = MODULES / "wat_hostfns.wasm"


class Cclb(Case):
    def setUp(self):
        super().setUp()
        self.registry = ("--registry", self.dir / "plugins.db")
        self.cache = {"XDG_CACHE_HOME": str(self.dir / "cache")}

    def run_weir(self, *arguments):
        """A handshake has 200 ms by the clock: a machine that stalls for so long is asked again."""
        for _ in range(5):
            got, out, err = weir("cclb", *arguments, **self.cache)
            if "timeout" not in out + err:
                break
        return got, out, err

    def cclb(self, command, *arguments, code=0):
        got, out, err = self.run_weir(command, *arguments)
        if code is not None:
            self.assertEqual(got, code, out + err)
        return out if code == 0 else err

    def json(self, command, *arguments, code=0):
        got, out, err = self.run_weir(command, *arguments, "--json")
        self.assertEqual(got, code, out + err)
        return json.loads(out)

    def register(self, *files):
        return self.cclb("register", *self.registry, *files)


class Help(Cclb):
    def test_each_command_has_help(self):
        text = weir("cclb", "--help")[1]
        for command in ("inspect", "register", "list", "show", "enable", "disable", "remove", "rehandshake", "dispatch", "verify", "bench", "export", "import", "check"):
            self.assertIn(f"\n  {command} ", text)
            code, out, _ = weir("cclb", command, "--help")
            self.assertEqual(code, 0)
            self.assertIn("--registry", out)

    def test_wrong_usage_is_2(self):
        self.assertIn("--registry is needed", self.cclb("list", code=2))
        self.cclb("frobnicate", code=2)
        self.cclb("dispatch", GOOD, code=2)


class Inspect(Cclb):
    def test_says_who_it_is(self):
        out = self.json("inspect", GOOD)
        self.assertEqual(out["identity"], {"plugin_name": "wat-plugin", "plugin_version": "1.0.0", "abi_envelope": 1})
        self.assertEqual(out["wire_functions"], ["shape"])
        self.assertIn("wat-plugin 1.0.0", self.cclb("inspect", GOOD))

    def test_names_host_functions(self):
        self.assertIn("cc_lb_storage_put", self.json("inspect", HOSTFNS)["host_functions"])

    def test_host_functions_are_linked_where_they_are_asked_for(self):
        self.assertIn("--host-functions links", self.cclb("register", *self.registry, HOSTFNS, code=1))
        self.assertNotIn("--host-functions", self.cclb("register", *self.registry, HOSTFNS, "--host-functions", code=None))

    def test_no_identity_is_a_failure(self):
        plain = self.wasm("(module)")
        self.assertIn("missing cc_lb.plugin.v1 custom section", self.cclb("inspect", plain, code=1))
        self.assertEqual(self.json("inspect", plain, code=1)["error"]["variant"], "MissingCustomSection")

    def test_knows_whether_it_is_registered(self):
        self.assertNotIn("status", self.json("inspect", *self.registry, GOOD))
        self.register(GOOD)
        self.assertEqual(self.json("inspect", *self.registry, GOOD)["status"], "active")


class Register(Cclb):
    def test_admits_lists_and_shows(self):
        self.assertIn("registered wat-plugin@1.0.0", self.register(GOOD))
        self.assertIn("already registered", self.register(GOOD))
        [record] = self.json("list", *self.registry)
        self.assertEqual((record["plugin_name"], record["status"]), ("wat-plugin", "active"))
        self.assertEqual(record["augmented_metadata"]["negotiated_functions"], {"shape": 1})
        self.assertEqual(self.json("show", *self.registry, record["sha256"][:12])["sha256"], record["sha256"])
        self.assertIn("slots            shape", self.cclb("show", *self.registry, "wat-plugin"))

    def test_refusals_store_nothing_and_say_why(self):
        self.assertIn("required capability 'trace' not available", self.cclb("register", *self.registry, NEEDY, code=1))
        self.assertIn("self-check reported failure status with", self.cclb("register", *self.registry, SICK, code=1))
        self.assertIn("unknown import: `extism:host/user::cc_lb_log`", self.cclb("register", *self.registry, HOSTFNS, code=1))
        self.assertEqual(self.json("list", *self.registry), [])

    def test_a_capability_makes_it_pass(self):
        self.cclb("register", *self.registry, NEEDY, "--capability", "trace")
        self.assertEqual(self.json("show", *self.registry, "wat-plugin")["augmented_metadata"]["negotiated_capabilities"], ["trace"])

    def test_two_of_a_name_need_more_than_the_name(self):
        self.register(GOOD, OTHER)
        self.assertIn("give NAME@VERSION or the hash", self.cclb("show", *self.registry, "wat-plugin", code=2))

    def test_disable_enable_remove(self):
        self.register(GOOD)
        self.cclb("disable", *self.registry, "wat-plugin", "--reason", "on fire")
        self.assertEqual(self.json("list", *self.registry, "--status", "disabled")[0]["disabled_reason"], "on fire")
        self.assertIn("disabled", self.cclb("dispatch", *self.registry, "wat-plugin", "--function", "shape", code=1))
        self.cclb("enable", *self.registry, "wat-plugin")
        self.cclb("dispatch", *self.registry, "wat-plugin", "--function", "shape")
        self.cclb("remove", *self.registry, "wat-plugin")
        self.assertIn('no plugin "wat-plugin"', self.cclb("show", *self.registry, "wat-plugin", code=1))

    def test_rehandshake(self):
        self.register(GOOD, OTHER)
        self.assertEqual(self.cclb("rehandshake", *self.registry).count("fresh"), 2)
        self.assertEqual(self.cclb("rehandshake", *self.registry, "--force").count("rehandshaken"), 2)
        sha = self.json("list", *self.registry)[0]["sha256"]
        self.assertIn("accepted", self.cclb("rehandshake", *self.registry, sha[:10]))

    def test_export_and_import(self):
        self.register(GOOD)
        self.cclb("export", *self.registry, self.dir / "all.export")
        other = ("--registry", self.dir / "other.db")
        self.assertEqual(self.json("import", *other, self.dir / "all.export")["added"], 1)
        self.cclb("dispatch", *other, "wat-plugin", "--function", "shape")


class Check(Cclb):
    def sql(self, text):
        with contextlib.closing(sqlite3.connect(self.dir / "plugins.db")) as database, database:
            database.execute(text)

    def test_nothing_is_wrong(self):
        self.assertEqual(self.cclb("check", *self.registry), "0 plugins, 0 faults\n")
        self.register(GOOD)
        self.assertEqual(self.json("check", *self.registry), {"plugins": 1, "faults": []})

    def test_what_is_wrong_is_named(self):
        for text, fault in (("UPDATE cc_lb_modules SET bytes = x'00'", "is damaged (its SHA-256 is"), ("DELETE FROM cc_lb_modules", "the module of plugin"),
                            ("UPDATE cc_lb_plugins SET augmented_metadata = '{}'", "its metadata: "),
                            ("UPDATE cc_lb_plugins SET plugin_version = x'33'", "its module says it is wat-plugin@1.0.0"),
                            ("UPDATE cc_lb_plugins SET augmented_metadata = replace(augmented_metadata, '1.0.0', '2')", "its metadata are of wat-plugin@2"),
                            ("INSERT INTO cc_lb_storage_used VALUES (x'70', 3)", 'plugin "p" is said to store 3 bytes')):
            with self.subTest(text):
                (self.dir / "plugins.db").unlink(missing_ok=True)
                self.register(GOOD)
                self.sql(text)
                got, out, err = self.run_weir("check", *self.registry)
                self.assertEqual(got, 1, out + err)
                self.assertIn(fault, out)
                faults = self.json("check", *self.registry, code=1)["faults"]
                self.assertEqual(out, "".join(f"fault: {line}\n" for line in faults) + f"1 plugins, {len(faults)} faults\n")

    def test_what_is_no_registry(self):
        (self.dir / "plugins.db").write_text("no database, and of no use either")
        self.assertIn("plugins.db: ", self.cclb("check", *self.registry, code=1))
        self.cclb("check", code=2)


class Dispatch(Cclb):
    def test_a_file_or_a_registered_plugin(self):
        out = json.loads(self.cclb("dispatch", GOOD, "--function", "shape"))
        self.assertEqual(sorted(out), ["body_base64", "headers", "method", "url"])
        self.register(GOOD)
        self.assertEqual(json.loads(self.cclb("dispatch", *self.registry, "wat-plugin", "--function", "shape")), out)

    def test_a_failure_is_a_fallback(self):
        out = self.json("dispatch", MODULES / "d_rc_7.wasm", "--function", "shape", code=1)
        self.assertEqual((out["fallback"], out["stage"]), ("fail_request", "plugin_call"))
        self.assertEqual(out["debug"], 'PluginCall { reason: "Returned non-zero exit code: 7" }')

    def test_a_request_of_another_type(self):
        bad = self.dir / "request.json"
        bad.write_text('{"status": -1}')
        self.assertIn("request: ", self.cclb("dispatch", GOOD, "--function", "shape", "--request", bad, code=2))


class Verify(Cclb):
    def test_text_json_and_junit(self):
        text = self.cclb("verify", GOOD, "--junit", self.dir / "out.xml")
        self.assertRegex(text, r"18 passed, 0 failed, 0 skipped\n$")
        suite = xml.etree.ElementTree.parse(self.dir / "out.xml").getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("18", "0"))
        self.assertTrue(self.json("verify", GOOD, "--kind", "shape")["passed"])

    def test_what_fails_is_named(self):
        self.assertIn("self-check verification failed", weir("cclb", "verify", SICK, "--kind", "shape", **self.cache)[1])
        self.assertFalse(self.json("verify", SICK, "--kind", "shape", code=1)["passed"])


class Bench(Cclb):
    def test_measures(self):
        rows = self.json("bench", GOOD, "--seconds", "0.05", "--threads", "2")
        self.assertEqual(len(rows), 4)
        self.assertGreater(rows[3]["n"], 0)


if __name__ == "__main__":
    cli_test.WEIR, cli_test.WAT2WASM = sys.argv[1], sys.argv[2]
    unittest.main(argv=sys.argv[:1])
