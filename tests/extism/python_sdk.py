#!/usr/bin/env python3
"""libextism.so in place of the one that the Python SDK brings: the SDK behaves the same, and our C program passes on that library too.

usage: python_sdk.py BUILD [CHECKOUT]     BUILD: the folder with extism/ and bin/extism_c_api
                                          CHECKOUT of extism/python-sdk: its own tests run on ours, too

The SDK (extism 1.1.1, with extism-sys 1.41.0: libextism 1.41) comes from PyPI, once, into BUILD/python-sdk. Where PyPI does not
answer, everything here is skipped, and says why. The last line is `N passed, N failed, N skipped`.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
MODULES = HERE.parents[1] / "src" / "capi" / "testing" / "modules.h"
PACKAGES = ["extism==1.1.1", "extism-sys==1.41.0"]
SYMBOLS = 33
COUNT = re.compile(r"^Ran (\d+) tests? .*?^(OK|FAILED)(?: \((.*)\))?$", re.MULTILINE | re.DOTALL)


def environment(folder):
    """A Python that has the SDK; None with the reason printed."""
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        result = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", "--timeout", "20", *PACKAGES],
                                capture_output=True, text=True)
        if result.returncode != 0:
            print("skipped: the SDK cannot be installed from PyPI: " + (result.stderr.strip().splitlines() or ["no reason given"])[-1])
            return None
        (folder / "complete").touch()
    return python


def modules(folder):
    """The test plugins of MODULES as files, as the compiler sees them."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for name in ("kModule", "kHelloModule", "kNotifyModule"):
        source = folder / "print.c"
        source.write_text(f'#include <stdio.h>\n#include "{MODULES}"\nint main(void) {{ return fputs({name}, stdout) < 0; }}\n')
        subprocess.run(["cc", "-w", "-o", folder / "print", source], check=True)
        path = folder / f"{name}.wat"
        path.write_bytes(subprocess.run([folder / "print"], check=True, capture_output=True).stdout)
        out.append(path)
    return out


def names(library):
    text = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines()}


class Results:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, name, good, detail=""):
        print(f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f"\n{detail}"))
        self.passed += good
        self.failed += not good


def cases(results, python, name, overlay, command, folder=HERE):
    """Runs unittest's cases with the folder `overlay` before what is installed."""
    result = subprocess.run([python, *command], capture_output=True, text=True, timeout=250, cwd=folder,
                            env={**os.environ, "PYTHONPATH": str(overlay), "PYTHONDONTWRITEBYTECODE": "1"})
    found = COUNT.search(result.stderr)
    numbers = dict(re.findall(r"(\w+)=(\d+)", found[3] or "")) if found else {}
    failed = sum(int(numbers.get(kind, 0)) for kind in ("failures", "errors"))
    good = found is not None and result.returncode == 0 and int(found[1]) > 0
    if good:
        print(f"ok   {name}: {found[1]} cases")
        results.passed += int(found[1])
    else:
        print(f"FAIL {name}, exit code {result.returncode}\n{result.stdout}{result.stderr}")
        results.failed += max(failed, 1)
        results.passed += int(found[1]) - failed if found else 0


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    ours, work = build / "extism", build / "python-sdk"
    python = environment(work)
    if python is None:
        print("0 passed, 0 failed, 1 skipped")
        return 0
    results = Results()
    package = next(work.glob("lib/python3*/site-packages/extism_sys"))
    theirs = package / "libextism_sys.so"

    extism_names = {name for name in names(theirs) if name.startswith("extism_")}
    results.add(f"the {SYMBOLS} functions are those of the reference", names(ours / "libextism.so") == extism_names and len(extism_names) == SYMBOLS,
                f"     {sorted(names(ours / 'libextism.so') ^ extism_names)}")

    # What cffi knows of the layouts, which is the reference's header.
    layout = ("import extism_sys; f = extism_sys.ffi; t = f.typeof; v = f.new('ExtismVal *'); print(f.sizeof('ExtismVal'), f.alignof('ExtismVal'), "
              "f.offsetof('ExtismVal', 'v'), f.sizeof('ExtismValUnion'), f.sizeof('ExtismValType'), f.sizeof('ExtismSize'), f.sizeof('ExtismMemoryHandle'), "
              "*sorted(t('ExtismValType').relements.items()))")
    expected = subprocess.run([python, "-c", layout], capture_output=True, text=True)
    given = subprocess.run([build / "bin" / "extism_c_api", "--layout"], capture_output=True, text=True)
    results.add("types have the layout of the reference", given.returncode == 0 and given.stdout == expected.stdout,
                f"     {given.stdout}     {expected.stdout}{expected.stderr}")

    overlay = work / "ours"
    shutil.rmtree(overlay, ignore_errors=True)
    shutil.copytree(package, overlay / "extism_sys", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (overlay / "extism_sys" / theirs.name).symlink_to(ours / "libextism.so")
    files = modules(work / "modules")
    cases(results, python, "the SDK on libextism 1.41", work / "nothing", [HERE / "python_sdk_cases.py", *files])
    cases(results, python, "the SDK on ours", overlay, [HERE / "python_sdk_cases.py", *files])
    if len(sys.argv) > 2:
        checkout = pathlib.Path(sys.argv[2]).resolve()
        # Its tests read ../wasm; its SDK, of the same folder, must not hide the one that is installed.
        shutil.rmtree(work / "checkout", ignore_errors=True)
        for name in ("tests", "wasm"):
            shutil.copytree(checkout / name, work / "checkout" / name)
        cases(results, python, "the SDK's own tests on ours", overlay, ["-m", "unittest", "tests.test_extism"], work / "checkout")

    # Our own program in C, on the reference.
    (work / "reference").mkdir(exist_ok=True)
    link = work / "reference" / "libextism.so"
    link.unlink(missing_ok=True)
    link.symlink_to(theirs)
    result = subprocess.run([build / "bin" / "extism_c_api", "--reference"], capture_output=True, text=True, timeout=250,
                            env={**os.environ, "LD_LIBRARY_PATH": str(link.parent)})
    results.add("the program in C passes on libextism 1.41", result.returncode == 0 and ", 0 failed" in result.stdout, result.stdout + result.stderr)
    print(f"{results.passed} passed, {results.failed} failed, {results.skipped} skipped")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
