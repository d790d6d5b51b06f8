#!/usr/bin/env python3
"""Makes sdk/ beside this file: the Proxy-Wasm SDK for Go, usable with plain Go (1.24 or newer).

The SDK that the module registry has (github.com/tetratelabs/proxy-wasm-go-sdk) is written for TinyGo: its `//export`
lines mean nothing to Go's own compiler, which has `//go:wasmimport` and `//go:wasmexport` and allows only 32 and 64 bit
numbers, bool and unsafe.Pointer there. This reads the declarations of the SDK and writes two files of wrappers.

usage: sdk.py [FOLDER]      GO=path/of/go chooses the compiler
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

MODULE = "github.com/tetratelabs/proxy-wasm-go-sdk@v0.24.0"
# Go types that cross as they are; every other one is an enumeration of 32 bits.
NUMBERS = {"int": "int32", "uint": "uint32", "bool": "bool", "int32": "int32", "uint32": "uint32",
           "int64": "int64", "uint64": "uint64"}


def download(folder):
    go = os.environ.get("GO", "go")
    run = subprocess.run([go, "mod", "download", "-json", MODULE], cwd="/", stdout=subprocess.PIPE, text=True)
    module = json.loads(run.stdout or "{}")
    if run.returncode != 0 or "Dir" not in module:
        sys.exit(f"sdk.py: {go} mod download {MODULE}: {module.get('Error', 'failed, see above')}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(module["Dir"], folder, copy_function=shutil.copyfile)  # the module cache is read-only
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o755)


def parameters(text):
    """"a, b int32" → [["a", "int32"], ["b", "int32"]]"""
    found = [part.split(None, 1) for part in text.replace("\n", " ").split(",") if part.strip()]
    for i in range(len(found) - 1, -1, -1):
        if len(found[i]) == 1:
            found[i].append(found[i + 1][1])
    return [[name, kind.strip()] for name, kind in found]


def wasm_import(name, function, params, result):
    """A host function, and around it the Go function that the SDK calls. Pointers to results point to Go's own 8-byte
    words; the host writes 4 bytes, so they go through a variable of 4."""
    signature, arguments, before, after = [], [], [], []
    for arg, kind in params:
        if kind in ("**byte", "*int"):
            before.append(f"var out_{arg} uint32")
            signature.append(f"{arg} unsafe.Pointer")
            arguments.append(f"unsafe.Pointer(&out_{arg})")
            value = f"(*byte)(unsafe.Pointer(uintptr(out_{arg})))" if kind == "**byte" else f"int(out_{arg})"
            after.append(f"*{arg} = {value}")
        elif kind.startswith("*"):
            signature.append(f"{arg} unsafe.Pointer")
            arguments.append(f"unsafe.Pointer({arg})")
        else:
            number = NUMBERS.get(kind, "uint32")
            signature.append(f"{arg} {number}")
            arguments.append(f"{number}({arg})")
    call = f"raw{function}({', '.join(arguments)})"
    body = before + [f"status := {result}({call})" if result else call] + after + (["return status"] if result else [])
    outer = ", ".join(f"{arg} {kind}" for arg, kind in params)
    return (f"//go:wasmimport env {name}\n"
            f"func raw{function}({', '.join(signature)}) {'uint32' if result else ''}\n\n"
            f"func {function}({outer}) {result} {{\n\t" + "\n\t".join(body) + "\n}\n")


def wasm_export(name, function, params, result):
    signature = [f"a{i} {NUMBERS.get(kind, 'uint32')}" for i, (_, kind) in enumerate(params)]
    arguments = [f"{kind}(a{i})" for i, (_, kind) in enumerate(params)]
    call = f"{function}({', '.join(arguments)})"
    if not result:
        kind, body = "", call
    elif result.startswith("*"):
        kind, body = "unsafe.Pointer", f"return unsafe.Pointer({call})"
    elif result in ("types.OnVMStartStatus", "types.OnPluginStartStatus", "bool"):
        kind, body = "bool", f"return bool({call})"
    else:
        kind, body = "uint32", f"return uint32({call})"
    return f"//go:wasmexport {name}\nfunc wasm_{function}({', '.join(signature)}) {kind} {{ {body} }}\n"


def generate(internal):
    for path in glob.glob(internal + "*_test.go"):
        os.remove(path)
    declaration = r"//export (\w+)\nfunc (\w+)\(([^)]*)\) ?([*\w.]*)"

    hostcalls = internal + "abi_hostcalls.go"
    with open(hostcalls) as file:
        imports = [wasm_import(n, f, parameters(p), r) for n, f, p, r in re.findall(declaration, file.read())]
    with open(hostcalls, "w") as file:
        file.write('//go:build wasip1\n\npackage internal\n\nimport "unsafe"\n\n' + "\n".join(imports))
    mock = internal + "abi_hostcalls_mock.go"
    with open(mock) as file:
        text = file.read()
    with open(mock, "w") as file:
        file.write(text.replace("//go:build !tinygo", "//go:build !wasip1"))

    exports = []
    for path in sorted(glob.glob(internal + "abi_callback_*.go")):
        with open(path) as file:
            exports += [wasm_export(n, f, parameters(p), r) for n, f, p, r in re.findall(declaration, file.read())]
    text = "\n".join(exports)
    head = "package internal\n\n"
    if "unsafe." in text:
        head += 'import "unsafe"\n'
    if "types." in text:
        head += f'import "{MODULE.split("@")[0]}/proxywasm/types"\n'
    with open(internal + "exports_wasip1.go", "w") as file:
        file.write(head + "\n" + text)
    if (len(imports), len(exports)) != (29, 22):
        sys.exit(f"sdk.py: {MODULE} is not as expected: {len(imports)} imports and {len(exports)} exports")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "sdk")
    download(folder)
    generate(os.path.join(folder, "proxywasm", "internal", ""))


main()
