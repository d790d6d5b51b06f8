#!/usr/bin/env python3
"""Weir beside the reference, in one run: bench/cclb_bench.py [--passes N] build/bin/cclb_bench ORACLE MODULES [FILE…]

ORACLE is the reference's own benchmark program (`ORACLE bench MODULES` prints each timing to standard error as it has it), MODULES a folder with
rs_dialect.wasm, rs_router.wasm, wat_shape.wasm and pdk_dialect.wasm (FILE: only these). Each module is measured by one, then by the other. Prints Markdown tables to
standard output, and what it does to standard error; some three minutes on two idle cores, most of them the reference's compiling. Times are
medians; the ratio stands a second time for the tenth of the rounds that was quickest, which other programs on the machine disturb least. With several passes each figure is the best one of its program.
"""
import argparse
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


def cpu_seconds(process):
    """Of all threads that it has."""
    return sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")) / 1e9


def with_cpu(process, row, before):
    """The row with the processors' time of a round, where nothing else happened since `before`; and what stands now."""
    now = cpu_seconds(process)
    rounds = row["n"] + max(row["n"] // 10, 1) if "n" in row else 1
    return {**row, "cpu_us": (now - before) / rounds * 1e6}, now


def reference(oracle, folder):
    """Name to its row. After the second size of dispatch only its memory is left to be measured, by 50 compilations more."""
    rows, sizes, cpu = {}, 0, 0
    with subprocess.Popen([oracle, "bench", folder], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if not line.startswith("{"):
                continue
            row, cpu = with_cpu(process, json.loads(line), cpu)
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
    rows, cpu = [], 0
    with subprocess.Popen([program, folder], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            row, cpu = with_cpu(process, json.loads(line), cpu)
            rows.append(row)
            say(f"  Weir: {rows[-1]['name']}: " + (f"{rows[-1]['median_us']} us" if "median_us" in rows[-1] else f"{rows[-1]['per_s']}/s"))
    if process.returncode != 0:
        sys.exit(f"cclb_bench.py: {program} failed")
    return rows


def best(passes):
    """Of rows in the same order, each figure's best."""
    better = {"per_s": max, "per_cpu_s": max}
    return [{key: value if key in ("name", "n", "threads") else better.get(key, min)(row[key] for row in rows) for key, value in rows[0].items()}
            for rows in zip(*passes, strict=True)]


def measure(arguments, name):
    """The rows of both: the reference's by name, Weir's."""
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, name).write_bytes(pathlib.Path(arguments.modules, name).read_bytes())
        for _ in range(arguments.passes):
            theirs.append(list(reference(arguments.oracle, folder).values()))
            ours.append(weir(arguments.weir, folder))
    return {row["name"]: row for row in best(theirs)}, best(ours)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=1, metavar="N")
    for name in ("weir", "oracle", "modules"):
        parser.add_argument(name)
    parser.add_argument("files", nargs="*", metavar="FILE", default=FILES)
    arguments = parser.parse_args()
    table, cold, threads = [], [], {}
    for number, name in enumerate(arguments.files, 1):
        say(f"{number} of {len(arguments.files)}: {name}")
        theirs, ours = measure(arguments, name)
        both = [row for title, row in theirs.items() if "execute_handshake" in title or "execute_self_check" in title]
        admission = {key: sum(row[key] for row in both) for key in (*TIMES, "cpu_us")}
        cold.append((name, admission["cpu_us"] / 1e3, next(row["cpu_us"] for row in ours if row["name"].endswith("cold")) / 1e3))
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
    print("\n| handshake + self-check, cold: all processors' time | reference, ms | Weir, ms | reference / Weir |\n|---|---|---|---|")
    for name, slow_ms, quick_ms in cold:
        print(f"| {name} | {slow_ms:.1f} | {quick_ms:.1f} | {slow_ms / quick_ms:.2f} |")
    counts = [row["threads"] for row in next(iter(threads.values()))]
    print("\n| calls a second from a pool | " + " | ".join(f"{count} thread" + "s" * (count > 1) for count in counts) + " | last / first | last / first, of CPU time |")
    print("|---" * (len(counts) + 3) + "|")
    for title, rows in threads.items():
        per_s, per_cpu_s = ([row[key] for row in rows] for key in ("per_s", "per_cpu_s"))
        print(f"| {title} | " + " | ".join(f"{rate:.0f}" for rate in per_s) + f" | {per_s[-1] / per_s[0]:.2f} | {per_cpu_s[-1] / per_cpu_s[0]:.2f} |")


if __name__ == "__main__":
    main()
