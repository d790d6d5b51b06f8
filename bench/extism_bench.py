#!/usr/bin/env python3
"""Weir's libextism beside libextism 1.41 (PyPI: extism-sys), in one process: bench/extism_bench.py LARGE.wasm [--rounds N] [--build DIR]

LARGE.wasm: a module of about 2 MB without host functions of its own."""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = "extism-sys==1.41.0"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("large")
    parser.add_argument("--rounds", default="9")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--reference", help="its library, where it is there already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reference = given.reference
        if reference is None:
            venv.create(pathlib.Path(folder) / "env", with_pip=True)
            subprocess.run([f"{folder}/env/bin/python", "-m", "pip", "install", "-q", REFERENCE], check=True)
            reference = next(pathlib.Path(folder).glob("env/lib/python*/site-packages/extism_sys/libextism_sys.so"))
        bench = [given.build / "bin/weir_bench_extism", given.build / "extism/libextism.so", reference, given.large, "--rounds", given.rounds]
        subprocess.run(bench, check=True)


if __name__ == "__main__":
    sys.exit(main())
