#!/usr/bin/env python3
"""The plugins of plugins/extism, on the kits for Rust and Go and in C, by `weir call` and by libextism.so: every answer is the same.

usage: pdk.py [BUILD [MODULE…]]     BUILD: with bin/weir, extism/libextism.so, plugins/extism-*.wasm; MODULE: others with the same functions
"""
import ctypes
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
UPPER = ROOT / "plugins" / "extism" / "upper.wat"
SIZE, VALUE_I64 = ctypes.c_uint64, 1


class Upstream(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_GET(self):
        body = f"{self.path} for {self.headers.get('x-plugin')}".encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def cases(language, port):
    """Function, input, output, code, error. Long texts: more than a page of the kernel's memory."""
    big = "x" * 70_000 if language != "c" else "x" * 60_000  # the one in C has room for 64 KiB
    return [
        ("greet", "you", "Hello, you!", 0, None),
        ("greet", "Zoë", "Hello, Zoë!", 0, None),
        ("greet", "", "Hello, !", 0, None),
        ("greet", big, f"Hello, {big}!", 0, None),
        ("count", "", "1", 0, None),
        ("double", "21", "42", 0, None),
        ("double", "4294967295", "8589934590", 0, None),
        ("double", "4294967296", "", 3, "not a number: 4294967296"),
        ("double", "x", "", 3, "not a number: x"),
        ("double", "", "", 3, "not a number: "),
        ("fetch", f"http://127.0.0.1:{port}/a?b", f"200 /a?b for {language}", 0, None),
        ("fetch", f"http://127.0.0.1:{port}/none", f"404 /none for {language}", 0, None),
        ("shout", "quiet, Zoë", "QUIET, ZOë", 0, None),
        ("absent", "", "", -1, "Function not found: absent"),
    ]


class Results:
    def __init__(self):
        self.passed = self.failed = 0

    def same(self, what, expected, got):
        if expected == got:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {what}:\n     expected {str(expected)[:300]!r}\n     got      {str(got)[:300]!r}")


# ---- weir call

def by_command(results, weir, module, language, port, folder):
    manifest = folder / f"{module.stem}.json"
    manifest.write_text(json.dumps({"wasm": [{"path": str(UPPER), "name": "extism:host/user"}, {"path": str(module), "name": "main"}]}))

    def call(*arguments):
        run = subprocess.run([weir, "call", manifest, *arguments, "--wasi", "--cache", folder / "cache"], capture_output=True, timeout=300)
        return run.returncode, run.stdout.decode(), run.stderr.decode()

    for function, text, output, code, error in cases(language, port):
        (folder / "input").write_text(text)
        ended, stdout, stderr = call(function, "--input-file", folder / "input", "--allow-host", "127.0.0.1", "--json")
        what = f"weir call {module.name} {function} {text[:40]}"
        if ended not in (0, 1) or not stdout:
            results.same(what, "JSON", stdout + stderr)
            continue
        answer = json.loads(stdout)
        results.same(what, (output, code, error, 0 if code == 0 else 1), (answer["output"], answer["code"], answer["error"], ended))
    results.same(f"{module.name}: functions", {"greet", "count", "double", "fetch", "shout"}, set(call()[1].split()) - {"_initialize"})
    results.same(f"{module.name}: configuration", (0, "Moin, you!", "info: greeting you\n"), call("greet", "-i", "you", "-c", "greeting=Moin", "--log-level", "info"))
    ended, _, stderr = call("fetch", "--input", f"http://127.0.0.1:{port}/")
    results.same(f"{module.name}: a host that is not allowed", (1, True), (ended, f"HTTP request to http://127.0.0.1:{port}/ is not allowed" in stderr))
    ended, stdout, _ = call("count", "--count", "5")
    results.same(f"{module.name}: a variable lives from call to call", (0, "5"), (ended, stdout))


# ---- libextism.so

class Value(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("i64", ctypes.c_int64)]


HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Value), SIZE, ctypes.POINTER(Value), SIZE, ctypes.c_void_p)
LOG_SINK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, SIZE)


def load(path):
    library = ctypes.CDLL(str(path))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, *arguments in (
            ("extism_function_new", pointer, text, pointer, SIZE, pointer, SIZE, HOST_FUNCTION, pointer, pointer),
            ("extism_function_free", None, pointer), ("extism_plugin_new", pointer, text, SIZE, pointer, SIZE, ctypes.c_bool, pointer),
            ("extism_plugin_call", ctypes.c_int32, pointer, text, text, SIZE), ("extism_plugin_error", text, pointer),
            ("extism_plugin_output_length", SIZE, pointer), ("extism_plugin_output_data", pointer, pointer), ("extism_plugin_free", None, pointer),
            ("extism_plugin_config", ctypes.c_bool, pointer, text, SIZE), ("extism_plugin_function_exists", ctypes.c_bool, pointer, text),
            ("extism_current_plugin_memory", pointer, pointer), ("extism_current_plugin_memory_alloc", SIZE, pointer, SIZE),
            ("extism_current_plugin_memory_length", SIZE, pointer, SIZE), ("extism_log_custom", ctypes.c_bool, text),
            ("extism_log_drain", None, LOG_SINK)):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def by_library(results, library, module, language, port):
    def upper(plugin, inputs, _inputs_count, outputs, _outputs_count, _data):
        handle = inputs[0].i64
        size = library.extism_current_plugin_memory_length(plugin, handle)
        text = ctypes.string_at(library.extism_current_plugin_memory(plugin) + handle, size).upper()  # of bytes: ASCII alone
        outputs[0].i64 = library.extism_current_plugin_memory_alloc(plugin, len(text))
        ctypes.memmove(library.extism_current_plugin_memory(plugin) + outputs[0].i64, text, len(text))

    upper = HOST_FUNCTION(upper)
    types = (ctypes.c_int * 1)(VALUE_I64)
    function = library.extism_function_new(b"upper", types, 1, types, 1, upper, None, None)
    manifest = json.dumps({"wasm": [{"path": str(module)}], "allowed_hosts": ["127.0.0.1"]}).encode()
    error = ctypes.c_char_p()
    plugin = library.extism_plugin_new(manifest, len(manifest), (ctypes.c_void_p * 1)(function), 1, True, ctypes.byref(error))
    if not plugin:
        return results.same(f"{module.name}: loads", "", error.value)

    def call(name, text):
        text = text.encode()
        code = library.extism_plugin_call(plugin, name.encode(), text, len(text))
        said = library.extism_plugin_error(plugin)
        output = ctypes.string_at(library.extism_plugin_output_data(plugin), library.extism_plugin_output_length(plugin)).decode()
        return output, code, said.decode() if said is not None else None

    for name, text, *expected in cases(language, port):
        results.same(f"libextism.so {module.name} {name} {text[:40]}", tuple(expected), call(name, text))
    results.same(f"{module.name}: counts on", ("2", 0, None), call("count", ""))
    results.same(f"{module.name}: function_exists", (True, False),
                 tuple(library.extism_plugin_function_exists(plugin, name) for name in (b"shout", b"upper")))
    library.extism_plugin_config(plugin, b'{"greeting": "Moin"}', 20)
    results.same(f"{module.name}: configuration", ("Moin, you!", 0, None), call("greet", "you"))
    lines = []
    sink = LOG_SINK(lambda line, size: lines.append(ctypes.string_at(line, size).decode()))
    library.extism_log_drain(sink)
    results.same(f"{module.name}: log", True, any("greeting you" in line for line in lines))
    library.extism_plugin_free(plugin)
    library.extism_function_free(function)


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    modules = [pathlib.Path(name).resolve() for name in sys.argv[2:]] or [build / "plugins" / f"extism-{name}.wasm" for name in ("rust", "go", "c")]
    results = Results()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    library = load(build / "extism" / "libextism.so")
    results.same("the log is ours", True, library.extism_log_custom(b"info"))
    with tempfile.TemporaryDirectory() as folder:
        for module in modules:
            if not module.exists():
                results.same(module, "plugins/build.sh extism", "is not built")
                continue
            language = module.stem.split("-")[-1]
            before = results.passed
            by_command(results, build / "bin" / "weir", module, language, server.server_port, pathlib.Path(folder))
            by_library(results, library, module, language, server.server_port)
            print(f"{module.name}: {results.passed - before} answers as expected")
    server.shutdown()
    print(f"{results.passed} passed, {results.failed} failed, 0 skipped")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
