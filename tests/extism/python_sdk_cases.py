"""What the Python SDK does, on whichever library its extism_sys loads. Started by python_sdk.py, in an environment that has the SDK."""
import json
import pickle
import sys
import threading
import typing
import unittest
import uuid

import extism
from extism.extism import CompiledPlugin

MODULE, HELLO, NOTIFY = (open(path).read() for path in sys.argv[1:4])


class Pickled:
    def __init__(self, text):
        self.text = text


def hello(**options):
    """Registers a host function hello_world for one plugin."""

    def take(function):
        function.__name__ = "hello_world"
        return extism.host_fn(**options)(function)

    return take


class Sdk(unittest.TestCase):
    def run_hello(self, function, data="input", **call):
        return extism.Plugin(HELLO, functions=[function]).call("run", data, **call)

    def test_version(self):
        self.assertEqual(extism.extism_version(), "1.41.0")

    def test_calls(self):
        plugin = extism.Plugin(MODULE, functions=[])
        for text, vowels in (("this is a test", b"4"), ("this is a test again", b"7"), ("\N{EARTH GLOBE AMERICAS}hello\N{EARTH GLOBE AMERICAS}", b"2"), ("", b"0")):
            self.assertEqual(plugin.call("count_vowels", text), vowels)
        for data in (b"", b"\0\xff\0", bytes(range(256)) * 300):
            self.assertEqual(plugin.call("echo", data), data)
        self.assertEqual(plugin.call("echo", "kept", parse=None)[:], b"kept")

    def test_errors(self):
        plugin = extism.Plugin(MODULE, functions=[])
        for function, expected in (("fail", "told"), ("quiet_fail", "told"), ("absent", "Function not found: absent"), ("five", "Error code: 5"),
                                   ("long", "Error code: -1"), ("takes", "expected 1 arguments, got 0")):
            with self.assertRaises(extism.Error) as raised:
                plugin.call(function, "told")
            self.assertEqual(str(raised.exception), expected)
        with self.assertRaisesRegex(extism.Error, "^error while executing at wasm backtrace:"):
            plugin.call("trap", "")
        self.assertEqual(plugin.call("echo", "goes on"), b"goes on")

    def test_function_exists(self):
        plugin = extism.Plugin(MODULE, functions=[])
        self.assertTrue(plugin.function_exists("echo"))
        self.assertFalse(plugin.function_exists("absent"))
        self.assertFalse(plugin.function_exists("takes"))

    def test_bad_sources(self):
        for source in ({"invalid_manifest": True}, {"wasm": []}, b"\0asm\1\0\0", "{}", b"nothing"):
            self.assertRaises(extism.Error, lambda: extism.Plugin(source, functions=[]))

    def test_manifest(self):
        plugin = extism.Plugin({"wasm": [{"data": MODULE.encode()}], "config": {"key": "from the manifest"}}, functions=[])
        self.assertEqual(plugin.call("config", "key"), b"from the manifest")
        plugin = extism.Plugin({"wasm": [{"path": sys.argv[1]}]}, functions=[], config={"key": "given"})
        self.assertEqual(plugin.call("config", "key"), b"given")

    def test_compiled(self):
        compiled = CompiledPlugin(MODULE, functions=[])
        one, other = extism.Plugin(compiled), extism.Plugin(compiled)
        one.call("remember", "mine")
        self.assertEqual(one.call("recall", ""), b"mine")
        self.assertEqual(other.call("recall", ""), b"")
        del compiled, one
        self.assertEqual(other.call("echo", "lives"), b"lives")

    def test_context_manager_frees(self):
        with extism.Plugin(MODULE, functions=[]) as plugin:
            self.assertEqual(plugin.call("echo", "x"), b"x")
        self.assertEqual(plugin.plugin, -1)
        self.assertIsNone(plugin.compiled_plugin)

    def test_id(self):
        one, other = extism.Plugin(MODULE, functions=[]), extism.Plugin(MODULE, functions=[])
        self.assertIsInstance(one.id, uuid.UUID)
        self.assertEqual(one.id.version, 4)
        self.assertNotEqual(one.id, other.id)

    def test_timeout(self):
        plugin = extism.Plugin({"wasm": [{"data": MODULE.encode()}], "timeout_ms": 50}, functions=[])
        with self.assertRaisesRegex(extism.Error, "^timeout$"):
            plugin.call("spin", "")

    def test_cancel(self):
        plugin = None

        @extism.host_fn(name="notify", signature=([], []))
        def notify(current, params, results, *user_data):
            canceller = threading.Thread(target=plugin.cancel_handle().cancel)
            canceller.start()
            canceller.join()

        plugin = extism.Plugin(NOTIFY, functions=[notify])
        with self.assertRaisesRegex(extism.Error, "^timeout$"):
            plugin.call("notify_and_spin", "")
        self.assertEqual(plugin.call("quiet", ""), b"")

    def test_host_function_with_signature(self):
        @hello(signature=([extism.ValType.I64], [extism.ValType.I64]), user_data=b"test")
        def function(plugin, params, results, *user_data):
            self.assertEqual(plugin.input_string(params[0]), "input")
            memory = plugin.alloc(len(user_data[0]))
            plugin.memory(memory)[:] = user_data[0]
            spare = plugin.alloc(10)
            plugin.free(spare)
            self.assertEqual(len(plugin.memory_at_offset(spare.offset)), 0)
            self.assertEqual(len(plugin.memory_at_offset(memory.offset)), 4)
            results[0].value = memory.offset

        self.assertEqual(self.run_hello(function), b"test")

    def test_host_function_of_text(self):
        @hello(user_data=b"data")
        def function(text: str, *user_data) -> str:
            return f"{text} and {user_data[0].decode()}"

        self.assertEqual(self.run_hello(function), b"input and data")

    def test_host_function_of_json(self):
        @hello()
        def function(value: typing.Annotated[dict, extism.Json], *user_data) -> typing.Annotated[dict, extism.Json]:
            return {"double": 2 * value["number"]}

        self.assertEqual(json.loads(self.run_hello(function, json.dumps({"number": 21}))), {"double": 42})

    def test_host_function_with_a_codec(self):
        @hello()
        def function(text: typing.Annotated[str, extism.Codec(lambda raw: raw.decode().upper())], *user_data) -> typing.Annotated[str, extism.Codec(str.encode)]:
            return text + "!"

        self.assertEqual(self.run_hello(function), b"INPUT!")

    def test_host_function_that_pickles(self):
        @hello()
        def function(text: str, *user_data) -> typing.Annotated[Pickled, extism.Pickle]:
            return Pickled(text)

        self.assertEqual(pickle.loads(self.run_hello(function)).text, "input")

    def test_host_context(self):
        @hello()
        def function(current: extism.CurrentPlugin, text: str, *user_data) -> str:
            current.host_context()["seen"] = text
            return "x"

        context = {}
        self.assertEqual(self.run_hello(function, host_context=context), b"x")
        self.assertEqual(context, {"seen": "input"})

    def test_threads(self):
        plugins = [extism.Plugin(MODULE, functions=[]) for _ in range(3)]
        wrong = []

        def work(plugin, text):
            wrong.extend(1 for _ in range(100) if plugin.call("echo", text) != text)

        threads = [threading.Thread(target=work, args=(plugin, b"%d" % number)) for number, plugin in enumerate(plugins)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_log(self):
        lines = []
        logger = extism.set_log_custom(lines.append, "info")
        plugin = extism.Plugin(MODULE, functions=[])
        plugin.call("log", "heard")
        plugin.call("log_debug", "unheard")
        logger.drain()
        lines = [line for line in lines if "extism::pdk" in line]
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z  INFO extism::pdk: heard plugin="%s"\n$' % plugin.id)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
