#!/usr/bin/env python3
"""Writes what the fuzzers begin with, from the files of the tests. usage: seeds.py FOLDER (then FOLDER/NAME for fuzz_NAME)"""
import base64
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
MANIFESTS = [
    b'{"wasm":[{"data":"KG1vZHVsZSk=","name":"main","hash":null},{"path":"a.wasm"},{"url":"http://h/","headers":{"a":"b"},"method":"POST"}],'
    b'"memory":{"max_pages":4,"max_http_response_bytes":10,"max_var_bytes":0},"config":{"a":"b"},"allowed_hosts":["*.example","[a-z]?"],'
    b'"allowed_paths":{"ro:/a":"/b"},"timeout_ms":5}',
    b'timeout_ms = 0x5\nallowed_hosts = ["a"]\n[[wasm]]\ndata = "KG1vZHVsZSk="\n[[wasm]]\nname = \'x\'\nurl = "http://h"\nheaders = {a = "b"}\n'
    b'[memory]\nmax_pages = 3\n[config]\na.b = """\nx\\u00e9"""\n# end\n[allowed_paths]\n"/a" = "/b"\n',
    b'{"a":null,"b":"c"}', b'{"url":"https://user:x@Example.com:80/p?q#f","method":"PUT","headers":{"A":"b"}}',
    b"http://[::1]:80/x\n*", b"a.example.com\n*.example.com", b"h[!a-c]?\nhd1",
]


def golden():
    """Every text and module of the recorded answers."""
    for file in sorted((ROOT / "tests" / "cclb" / "golden").glob("*.jsonl")):
        for line in filter(None, file.read_text().split("\n")):
            row = json.loads(line)
            if "wasm_b64" in row:
                yield base64.b64decode(row["wasm_b64"])
            yield from (row[key].encode("utf-8", "surrogatepass") for key in ("text", "accept", "offer") if key in row and isinstance(row[key], str))
            if isinstance(row.get("input"), dict):
                yield from (json.dumps(call.get("request")).encode() for call in row["input"].get("dispatch", []))
    for folder in ("golden", "differential"):
        for file in sorted((ROOT / "tests" / "cclb" / folder / "modules").glob("*.wasm")):
            if file.stat().st_size < 4096:
                yield file.read_bytes()


def assembled():
    """The plugins of Extism that the tests have as text."""
    for name in ("tests/extism/kernel.wat", "tests/extism/sequence.wat", "plugins/extism/upper.wat"):
        yield subprocess.run(["wat2wasm", "--enable-all", "-o", "/dev/stdout", ROOT / name], capture_output=True).stdout


def programs():
    """For what takes its choices from bytes: each choice is two of them."""
    for first in range(0, 256, 5):
        yield bytes((first * (i * i + 1) + i * 37) % 256 for i in range(400))


def write(folder, seeds):
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(sorted(set(seeds))):
        (folder / f"seed{number:04}").write_bytes(seed)


def main():
    out = pathlib.Path(sys.argv[1])
    modules = [seed for seed in golden() if seed.startswith(b"\0asm")]
    write(out / "manifest", MANIFESTS)
    write(out / "cclb", golden())
    for name in ("capi", "hostile", "kernel"):
        write(out / name, programs())
    pairs = (2).to_bytes(4, "little") + b"".join(n.to_bytes(4, "little") for n in (1, 2, 3, 0)) + b"a\0bc\0def\0\0"
    write(out / "join", [*modules, *assembled()])
    write(out / "decoders", [b"\0" + pairs, b"\1request\0headers\0x\0", *(b"\2" + module for module in modules)])
    for folder in sorted(out.iterdir()):
        print(f"{folder}: {sum(1 for _ in folder.iterdir())} seeds")


main()
