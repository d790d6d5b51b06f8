#!/usr/bin/env python3
"""Weir beside the reference, in one run: bench/cclb_bench.py build/bin/cclb_bench ORACLE MODULES

ORACLE is the reference's own benchmark program (`ORACLE bench MODULES` prints its timings), MODULES a folder with rs_dialect.wasm, rs_router.wasm,
wat_shape.wasm and pdk_dialect.wasm. Prints a Markdown table; the reference compiles for the handshake and again for the self-check.
"""
import json
import re
import subprocess
import sys


def main():
    weir, oracle, modules = sys.argv[1:4]
    ours = {}
    for line in subprocess.run([weir, modules], capture_output=True, text=True, check=True).stdout.splitlines():
        row = json.loads(line)
        ours[(row["name"], row.get("threads"))] = row
    theirs = {row["name"]: row["median_us"] for row in json.loads(subprocess.run([oracle, "bench", modules], capture_output=True, text=True, check=True).stdout) if "median_us" in row}
    table = []
    for name in ("rs_dialect.wasm", "rs_router.wasm", "wat_shape.wasm", "pdk_dialect.wasm"):
        def of(pattern):
            return sum(value for key, value in theirs.items() if key.startswith(name) and re.search(pattern, key))
        admission = of("execute_handshake") + of("execute_self_check")
        table.append((f"{name}: handshake + self-check, cold", admission, ours[(f"{name} handshake + self_check cold", None)]["median_us"]))
        table.append((f"{name}: handshake + self-check, cached", admission, ours[(f"{name} handshake + self_check cached", None)]["median_us"]))
        for key, size in ((1024, r"dispatch \w+ 1\d\d\d B"), (16384, r"dispatch \w+ 16\d\d\d B")):
            row = next(value for (title, threads), value in ours.items() if threads is None and title.startswith(name) and title.endswith(f" {key}") and "dispatch" in title)
            table.append((f"{name}: {row['name'].split()[-2]}, {key // 1024} KiB", of(size), row["median_us"]))
    print("| | reference, µs | Weir, µs | reference / Weir |\n|---|---|---|---|")
    for title, reference, weir_us in table:
        print(f"| {title} | {reference:.1f} | {weir_us:.1f} | {reference / weir_us:.1f} |")
    print("\n| calls a second from a pool | threads | |\n|---|---|---|")
    for (title, threads), row in ours.items():
        if threads is not None:
            print(f"| {title.replace(' pool', '')} | {threads} | {row['per_s']:.0f} |")


if __name__ == "__main__":
    main()
