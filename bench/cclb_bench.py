#!/usr/bin/env python3
"""Weir beside the reference, in one run: bench/cclb_bench.py build/bin/cclb_bench ORACLE MODULES

ORACLE is the reference's own benchmark program (`ORACLE bench MODULES` prints each timing to standard error as it has it), MODULES a folder with
rs_dialect.wasm, rs_router.wasm, wat_shape.wasm and pdk_dialect.wasm. Each module is measured by one, then by the other. Prints Markdown tables to
standard output, and what it does to standard error; some three minutes on two idle cores, most of them the reference's compiling. Times are
medians; the ratio stands a second time for the tenth of the rounds that was quickest, which other programs on the machine disturb least.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FILES = ("rs_dialect.wasm", "rs_router.wasm", "wat_shape.wasm", "pdk_dialect.wasm")
TIMES = ("median_us", "p10_us")
DISPATCH = re.compile(r"dispatch \w+ (\d+) B")


def say(text):
    print(text, file=sys.stderr, flush=True)


def reference(oracle, folder):
    """Name to its row. After the second size of dispatch only its memory is left to be measured, by 50 compilations more."""
    rows, sizes = {}, 0
    with subprocess.Popen([oracle, "bench", folder], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if not line.startswith("{"):
                continue
            row = json.loads(line)
            rows[row["name"]] = row
            say(f"  reference: {row['name']}: {row['median_us']} us")
            sizes += bool(DISPATCH.search(row["name"]))
            if sizes == 2:
                process.terminate()
                break
    if sizes != 2:
        sys.exit(f"cclb_bench.py: {oracle} bench {folder} ended before it had measured all")
    return rows


def weir(program, folder):
    """The rows of cclb_bench."""
    rows = []
    with subprocess.Popen([program, folder], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            rows.append(json.loads(line))
            say(f"  Weir: {rows[-1]['name']}: " + (f"{rows[-1]['median_us']} us" if "median_us" in rows[-1] else f"{rows[-1]['per_s']}/s"))
    if process.returncode != 0:
        sys.exit(f"cclb_bench.py: {program} failed")
    return rows


def main():
    program, oracle, modules = sys.argv[1:4]
    table, threads = [], {}
    for number, name in enumerate(FILES, 1):
        say(f"{number} of {len(FILES)}: {name}")
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, name).write_bytes(pathlib.Path(modules, name).read_bytes())
            theirs, ours = reference(oracle, folder), weir(program, folder)
        both = [row for title, row in theirs.items() if "execute_handshake" in title or "execute_self_check" in title]
        admission = {key: sum(row[key] for row in both) for key in TIMES}
        for how in ("cold", "cached"):
            table.append((f"{name}: handshake + self-check, {how}", admission, next(row for row in ours if row["name"].endswith(how))))
        calls = [row for title, row in theirs.items() if DISPATCH.search(title)]
        single = [row for row in ours if "dispatch" in row["name"] and "threads" not in row]
        for call, row in zip(calls, single, strict=True):
            function, size = row["name"].split()[-2:]
            table.append((f"{name}: {function}, {int(size) // 1024} KiB", call, row))
        for row in ours:
            if "threads" in row:
                threads.setdefault(row["name"].replace(" pool", "").replace(" dispatch", ":"), []).append(row)
    print("| | reference, µs | Weir, µs | reference / Weir | of the quickest |\n|---|---|---|---|---|")
    for title, slow, quick in table:
        print(f"| {title} | {slow['median_us']:.1f} | {quick['median_us']:.1f} | " + " | ".join(f"{slow[key] / quick[key]:.1f}" for key in TIMES) + " |")
    counts = [row["threads"] for row in next(iter(threads.values()))]
    print("\n| calls a second from a pool | " + " | ".join(f"{count} thread" + "s" * (count > 1) for count in counts) + " | last / first | last / first, of CPU time |")
    print("|---" * (len(counts) + 3) + "|")
    for title, rows in threads.items():
        per_s, per_cpu_s = ([row[key] for row in rows] for key in ("per_s", "per_cpu_s"))
        print(f"| {title} | " + " | ".join(f"{rate:.0f}" for rate in per_s) + f" | {per_s[-1] / per_s[0]:.2f} | {per_cpu_s[-1] / per_cpu_s[0]:.2f} |")


if __name__ == "__main__":
    main()
