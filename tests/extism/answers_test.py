#!/usr/bin/env python3
"""Plugins and manifests, each made and called as answers.jsonl says, get the answers that libextism 1.41 gave.

usage: answers_test.py LIBRARY [--write]     --write: the answers are this library's from now on (libextism's: PyPI, extism-sys)

A line is a case: `source` (a module in text format, or a manifest), `wasi`, `fuel`, `calls` (function, input, `times` in a row); `new` is "ok" or the error of making
the plugin, and each call has its code, its error (the first line; null: none) and output. A character is a byte."""
import ctypes
import json
import os
import pathlib
import sys

CASES = pathlib.Path(__file__).resolve().parent / "answers.jsonl"


def load(path):
    library = ctypes.CDLL(path)
    pointer, size, text = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p
    library.extism_plugin_new.restype = pointer
    library.extism_plugin_new.argtypes = [text, size, pointer, size, ctypes.c_bool, ctypes.POINTER(pointer)]
    library.extism_plugin_new_with_fuel_limit.restype = pointer
    library.extism_plugin_new_with_fuel_limit.argtypes = [text, size, pointer, size, ctypes.c_bool, ctypes.c_uint64, ctypes.POINTER(pointer)]
    library.extism_plugin_new_error_free.argtypes = [pointer]
    library.extism_plugin_call.argtypes = [pointer, text, text, size]
    library.extism_plugin_error.restype = text
    library.extism_plugin_error.argtypes = [pointer]
    library.extism_plugin_output_length.restype = size
    library.extism_plugin_output_length.argtypes = [pointer]
    library.extism_plugin_output_data.restype = pointer
    library.extism_plugin_output_data.argtypes = [pointer]
    library.extism_plugin_free.argtypes = [pointer]
    return library


def new(library, case):
    """The plugin, or the error as text."""
    source, error = case["source"].encode("latin1"), ctypes.c_void_p()
    arguments = [source, len(source), None, 0, case.get("wasi", False)]
    if "fuel" in case:
        plugin = library.extism_plugin_new_with_fuel_limit(*arguments, case["fuel"], ctypes.byref(error))
    else:
        plugin = library.extism_plugin_new(*arguments, ctypes.byref(error))
    if plugin:
        return plugin, "ok"
    text = ctypes.string_at(error.value).decode("latin1")
    library.extism_plugin_new_error_free(error)
    return None, text


def call(library, plugin, row):
    data = row["input"].encode("latin1") * row.get("times", 1)
    code = library.extism_plugin_call(plugin, row["function"].encode(), data, len(data))
    error = library.extism_plugin_error(plugin)
    length = library.extism_plugin_output_length(plugin)
    output = ctypes.string_at(library.extism_plugin_output_data(plugin), length) if length else b""
    return {"code": code, "error": None if error is None else error.decode("latin1").split("\n")[0], "output": output.decode("latin1")}


def answer(library, case):
    plugin, made = new(library, case)
    answers = []
    if plugin:
        answers = [call(library, plugin, row) for row in case["calls"]]
        library.extism_plugin_free(plugin)
    return made, answers


def main():
    os.environ["EXTISM_CACHE_CONFIG"] = ""
    library, write = load(sys.argv[1]), "--write" in sys.argv
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    failed = 0
    for case in cases:
        made, answers = answer(library, case)
        if write:
            case["new"] = made
            case["calls"] = [{**{k: row[k] for k in ("function", "input", "times") if k in row}, **got} for row, got in zip(case["calls"], answers)] if made == "ok" else []
            continue
        if made != case["new"]:
            failed += 1
            print(f"FAIL {case['name']}: made: {made!r}, libextism: {case['new']!r}")
        for i, (row, got) in enumerate(zip(case["calls"], answers)):
            for key, value in got.items():
                if value != row[key]:
                    failed += 1
                    print(f"FAIL {case['name']}: call {i + 1} {row['function']}({row['input']!r}): {key} {value!r}, libextism: {row[key]!r}")
    if write:
        CASES.write_text("".join(json.dumps(case) + "\n" for case in cases))
    print(f"{len(cases)} cases, {sum(len(case['calls']) for case in cases)} calls, {failed} differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
