#!/usr/bin/env python3
"""Programs that use libextism and libweir as they are installed: by find_package, by pkg-config, shared and static. usage: install_test.py BUILD

BUILD is installed into a folder, which is moved, so that nothing in it can know where it was. libextism is used from BUILD/extism, too.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXTISM, WEIR = "1.41.0 0 through\n", "abab 1\n"


class Failed(Exception):
    pass


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def by_cmake(work, folders, with_weir):
    build = work / "cmake"
    run("cmake", "-G", "Ninja", "-S", HERE, "-B", build, f"-DCMAKE_PREFIX_PATH={';'.join(map(str, folders))}", f"-DWITH_WEIR={int(with_weir)}",
        "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF")
    run("ninja", "-C", build)
    yield "extism_shared", run(build / "extism_shared"), EXTISM
    yield "extism_static", run(build / "extism_static"), EXTISM
    if with_weir:
        yield "weir_shared", run(build / "weir_shared"), WEIR


def by_pkg_config(work, folder, library, with_weir):
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(folder)}
    here = {**os.environ, "LD_LIBRARY_PATH": str(library)}

    def build(name, package, *compiler):
        flags = run("pkg-config", "--cflags", "--libs", package, env=environment).split()
        run(*compiler, "-o", work / name, *flags)
        return name, run(work / name, env=here)

    yield *build("pc_extism", "extism", "cc", HERE / "consumer.c"), EXTISM
    yield *build("pc_extism_static", "extism-static", "cc", HERE / "consumer.c"), EXTISM
    if with_weir:
        yield *build("pc_weir", "weir", "c++", "-std=c++20", HERE / "consumer.cc"), WEIR


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="weir-install-") as name:
        work = pathlib.Path(name)
        run("cmake", "--install", build, "--prefix", work / "first", "--strip")
        shutil.move(work / "first", work / "prefix")
        library = next((work / "prefix").glob("lib*/**/libweir.so")).parent

        def programs():
            for place, cmake_folder, pc_folder, so_folder in (("installed", work / "prefix", library / "pkgconfig", library),
                                                              ("build/extism", build / "extism", build / "extism", build / "extism")):
                folder = work / place.replace("/", "-")
                folder.mkdir()
                for how, cases in (("find_package", by_cmake(folder, [cmake_folder], place == "installed")),
                                   ("pkg-config", by_pkg_config(folder, pc_folder, so_folder, place == "installed"))):
                    try:
                        for program, got, expected in cases:
                            yield f"{place}, {how}: {program}", got, expected
                    except Failed as failure:
                        yield f"{place}, {how}", str(failure), "a program that runs"
            # The command of that prefix, with its library: where nothing says where it is.
            plain = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
            yield "weir", run(work / "prefix/bin/weir", "--version", env=plain).split()[0], "weir"
            used = subprocess.run(["ldd", work / "prefix/bin/weir"], capture_output=True, text=True, env=plain).stdout
            yield "libweir.so of the prefix", str(library.resolve()) in str([os.path.realpath(part) for part in used.split() if "libweir" in part]), True

        for what, got, expected in programs():
            good = got == expected
            print(f"{'ok  ' if good else 'FAIL'} {what}" + ("" if good else f": expected {expected!r}, got {got}"))
            passed += good
            failed += not good
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
