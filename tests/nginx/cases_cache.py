"""The code cache: used, never trusted, never needed."""
import os
import pathlib
import time

from cases import Skip, case, equal
from client import request

ONE = "weir_plugin p {guests}/script.wasm 'config_inline=do sh add x-v 1';"
PLACE = "location / { weir p; proxy_pass http://up; }"


def serves(n):
    equal(request(n.port).get("x-v"), "1")


def fresh(t, mode=0o700):
    n = t.nginx("", PLACE)
    cache = n.dir / "cache"
    cache.mkdir(mode=mode)
    n.cache = cache
    n.write(ONE, PLACE)
    return n, cache


def files(cache):
    return sorted(p for p in cache.rglob("*") if p.is_file())


@case()
def filled_and_used(t):
    n, cache = fresh(t)
    n.start()
    serves(n)
    assert len(files(cache)) == 1, files(cache)
    mode = files(cache)[0].stat().st_mode & 0o777
    assert mode & 0o022 == 0, oct(mode)
    before = files(cache)[0].stat().st_mtime_ns
    n.stop()
    n.start()
    serves(n)
    equal(files(cache)[0].stat().st_mtime_ns, before)


def damaged(t, damage):
    n, cache = fresh(t)
    n.start()
    n.stop()
    path = files(cache)[0]
    good = path.read_bytes()
    damage(path, good)
    n.mark()
    n.start()
    serves(n)
    assert path.read_bytes()[:4096] == good[:4096] and path.stat().st_size == len(good), "the damaged file was replaced by a good one"


@case()
def corrupted_in_the_middle(t):
    def damage(path, good):
        at = len(good) // 2
        path.write_bytes(good[:at] + bytes(b ^ 0x55 for b in good[at:at + 64]) + good[at + 64:])
    damaged(t, damage)


@case()
def corrupted_at_the_start(t):
    damaged(t, lambda path, good: path.write_bytes(b"X" * 64 + good[64:]))


@case()
def corrupted_at_the_end(t):
    damaged(t, lambda path, good: path.write_bytes(good[:-8] + b"YYYYYYYY"))


@case()
def truncated(t):
    damaged(t, lambda path, good: path.write_bytes(good[:len(good) // 3]))


@case()
def empty(t):
    damaged(t, lambda path, good: path.write_bytes(b""))


@case()
def of_another_module(t):
    """A stale file: whole and undamaged, but another module's code under this name."""
    n, cache = fresh(t)
    n.start()
    n.stop()
    mine = files(cache)[0]
    n.write("weir_plugin p {guests}/headers.wasm;", PLACE)
    n.start()
    n.stop()
    other = next(p for p in files(cache) if p != mine)
    mine.write_bytes(other.read_bytes())
    n.write(ONE, PLACE)
    n.start()
    serves(n)


@case()
def read_only_directory(t):
    """Works without the cache, and says so."""
    n = t.nginx("", PLACE)
    n.cache = pathlib.Path("/proc/1/fd")  # root may write into any folder of mode 0500 but one of /proc
    if os.geteuid() != 0:
        n.cache = n.dir / "cache"
        n.cache.mkdir(mode=0o500)
    n.write(ONE, PLACE)
    code, text = n.check()
    equal(code, 0, text)
    assert f"not kept: {n.cache}" in text, text
    n.start()
    serves(n)


@case()
def missing_directory_is_made(t):
    n = t.nginx("", PLACE)
    n.cache = n.dir / "not" / "yet"
    n.write(ONE, PLACE)
    n.start()
    serves(n)


@case()
def directory_that_others_may_write(t):
    """Native code from a folder that anybody writes is never run: not used, and said so."""
    n, cache = fresh(t)
    cache.chmod(0o777)
    code, text = n.check()
    equal(code, 0, text)
    assert f"not kept: {cache}" in text and "chmod 0700" in text, text
    n.start()
    serves(n)
    equal(files(cache), [])


@case()
def off(t):
    n = t.nginx("", PLACE)
    n.cache = "off"
    n.write(ONE, PLACE)
    n.start()
    serves(n)


@case()
def check_fills_it_for_the_start(t):
    n, cache = fresh(t)
    equal(n.check()[0], 0)
    equal(len(files(cache)), 1)
    n.start()
    serves(n)


@case()
def workers_without_rights_to_it(t):
    """The folder is its owner's alone (0700): a worker, another user, runs the code all the same."""
    if os.geteuid() != 0:
        raise Skip("workers have another user only when the master is root")
    n, cache = fresh(t)
    n.start()
    serves(n)
    equal(cache.stat().st_mode & 0o777, 0o700)
