"""Builds the guests of tests/guests and tests/bad_input once a run, into a folder of the run."""
import pathlib
import shutil
import subprocess

TESTS = pathlib.Path(__file__).resolve().parent.parent
CLANG = shutil.which("clang-22") or shutil.which("clang")
CFLAGS = ["--target=wasm32-unknown-unknown", "-O2", "-nostdlib", "-Wl,--no-entry", "-Wall", "-Wextra",
          "-Wno-unused-parameter", "-Wno-unused-function"]


def build(out):
    """NAME.wasm for every guest; bad/NAME.wasm for every bad module."""
    bad = out / "bad"
    bad.mkdir(parents=True, exist_ok=True)
    for source in (TESTS / "guests").glob("*.c"):
        subprocess.run([CLANG, *CFLAGS, "-o", out / f"{source.stem}.wasm", source], check=True)
    for folder, to in ((TESTS / "guests", out), (TESTS / "bad_input", bad)):
        for source in folder.glob("*.wat"):
            subprocess.run(["wat2wasm", source, "-o", to / f"{source.stem}.wasm"], check=True)
    for path in [out, bad, *out.rglob("*.wasm")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def expectation(name):
    """The regular expression that a bad module's message has to match."""
    line = (TESTS / "bad_input" / f"{name}.wat").read_text().splitlines()[0]
    return line.removeprefix(";; expect: ")
