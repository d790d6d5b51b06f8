#!/usr/bin/env python3
"""Completion, asked of the shells themselves, and the manual pages. Usage: completion_test.py WEIR

What a shell offers is compared with `weir COMMAND --help`, of every command. bash and zsh are typed to, on a terminal; fish answers `complete -C`."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

WEIR = "build/bin/weir"
SECONDS_MAX = 60
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07|\([A-B0-2])|[\r\x07]")
PROMPT = "ready> "
BACK = re.compile(r"\x08+")


def weir(*arguments):
    return subprocess.run([WEIR, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS_MAX)


def commands(*parent):
    """As --help lists them, of weir or of a command that has some."""
    listed = weir(*parent, "--help").stdout.split("Subcommands:")
    return re.findall(r"(?m)^  ([a-z][a-z-]*) ", listed[1]) if len(listed) > 1 else []


def all_commands():
    """"run", … "cclb", "cclb list"."""
    return [name for command in commands() for name in (command, *(f"{command} {own}" for own in commands(command)))]


def flags(command=""):
    """As the command's --help lists them, short ones too."""
    text = weir(*command.split(), "--help").stdout
    found = re.findall(r"(?m)^  (-[\w-]+(?:,-[\w-]+)*)", text[text.index("Usage:"):])
    return {name for names in found for name in names.split(",")}


class Typed:
    """A shell on a terminal that is large enough for every list."""
    def __init__(self, argv, folder, setup):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            environment = {"PATH": f"{folder}:{os.environ['PATH']}", "TERM": "xterm", "HOME": str(folder), "LC_ALL": "C.UTF-8", "LINES": "2000", "COLUMNS": "400", "PS1": PROMPT}
            os.execvpe(argv[0], argv, environment)
        self.pid, self.count = pid, 0
        self.line("stty rows 2000 cols 400")
        for text in setup:
            self.line(text)

    def send(self, text, until):
        """What the shell wrote up to `until`, and to its prompt: what is typed before that goes to the kernel's line, where Tab completes nothing."""
        os.write(self.fd, text.encode())
        out, deadline = b"", time.monotonic() + SECONDS_MAX
        while PROMPT not in ESCAPES.sub("", out.decode(errors="replace").rpartition(until)[2] if until.encode() in out else ""):
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{text!r}: no {until!r} in {out.decode(errors='replace')!r}")
            out += os.read(self.fd, 65536)
        return out.decode(errors="replace")

    def line(self, text):
        self.count += 1
        return self.send(f"{text}\necho done$((1000+{self.count}))\n", f"done{1000 + self.count}")

    def complete(self, text):
        """The last word and what came after Tab; the line is then thrown away."""
        self.count += 1
        return BACK.sub(" ", ESCAPES.sub("", self.send(f"{text}\t\x15echo done$((1000+{self.count}))\n", f"done{1000 + self.count}"))) \
            .replace(text, " " + text.split(" ")[-1], 1).split("echo done")[0]

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Bash:
    def __init__(self, folder):
        (folder / "weir.bash").write_text(weir("completion", "bash").stdout)
        self.shell = Typed(["bash", "--norc", "--noprofile", "-i"], folder, ["bind 'set completion-query-items 0'", "bind 'set page-completions off'",
                           "bind 'set show-all-if-ambiguous on'", "bind 'set enable-bracketed-paste off'", "bind 'set bell-style none'", "source weir.bash"])

    def offers(self, text):
        return set(self.shell.complete(text).split())

    def close(self):
        self.shell.close()


class Zsh:
    def __init__(self, folder):
        (folder / "_weir").write_text(weir("completion", "zsh").stdout)
        self.shell = Typed(["zsh", "-f", "-i"], folder, ["unset zle_bracketed_paste; setopt no_beep auto_list no_auto_menu no_always_last_prompt; LISTMAX=100000", "bindkey -e",
                           "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D", "zstyle ':completion:*' menu no; zstyle ':completion:*' list-separator '##'"])

    def offers(self, text):
        lines = self.shell.complete(text).splitlines()
        return {word for line in lines for word in line.split("##")[0].split()}

    def close(self):
        self.shell.close()


class Fish:
    def __init__(self, folder):
        self.folder = folder
        (folder / "weir.fish").write_text(weir("completion", "fish").stdout)

    def offers(self, text):
        """Asked for all that begins like a flag: once for each kind of dash."""
        ask = f"source weir.fish; complete -C '{text}'"
        done = subprocess.run(["fish", "--no-config", "-c", ask], cwd=self.folder, capture_output=True, text=True, timeout=SECONDS_MAX,
                              env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"})
        if done.returncode != 0 or done.stderr:
            raise AssertionError(done.stderr)
        return {line.split("\t")[0] for line in done.stdout.splitlines()}

    def close(self):
        pass


class Completion:
    """For each shell."""
    SHELL = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.SHELL.__name__.lower()):
            raise AssertionError(f"{cls.SHELL.__name__.lower()} is not installed (scripts/setup.sh)")
        cls.folder = tempfile.TemporaryDirectory(prefix="weir-completion-")
        folder = pathlib.Path(cls.folder.name)
        os.symlink(pathlib.Path(WEIR).resolve(), folder / "weir")
        for name in ("plugin one.wasm", "unique.trace"):
            (folder / name).write_text("")
        (folder / "a-directory").mkdir()
        cls.shell = cls.SHELL(folder)

    @classmethod
    def tearDownClass(cls):
        cls.shell.close()
        cls.folder.cleanup()

    def has(self, text, *expected):
        offered = self.shell.offers(text)
        for word in expected:
            self.assertIn(word, offered, text)
        return offered

    def test_commands(self):
        self.assertGreater(len(commands()), 10)
        self.has("weir ", *commands())
        self.assertGreater(len(commands("cclb")), 5)
        self.assertNotIn("run", self.has("weir cclb ", *commands("cclb")))

    def test_every_flag_of_every_command(self):
        for command in ["", *all_commands()]:
            known = flags(command)
            self.assertIn("--help", known)
            text = f"weir {command} -" if command else "weir -"
            offered = self.shell.offers(text) | self.shell.offers(text + "-")
            self.assertEqual({word for word in offered if word.startswith("-")} - {"-", "--"}, known, command)

    def test_words_that_a_flag_takes(self):
        self.has("weir request --statuses ", "lenient", "strict")
        self.has("weir run --on-error ", "open", "closed")
        self.has("weir completion ", "bash", "zsh", "fish")
        self.has("weir help ", "exit-codes", "trace")
        self.assertNotIn("unique.trace", self.has("weir man ", "trace", "run"))

    def test_files_and_directories(self):
        self.assertTrue(any("plugin" in word for word in self.shell.offers("weir run --plugin pl")))
        self.assertTrue(any("unique.trace" in word for word in self.shell.offers("weir trace uni")))
        offered = self.shell.offers("weir man --write ")
        self.assertTrue(any("a-directory" in word for word in offered), offered)
        self.assertFalse(any("unique" in word for word in offered), offered)

    def test_a_flag_of_another_command_is_not_offered(self):
        self.assertNotIn("--replay", self.shell.offers("weir run --"))


class TestBash(Completion, unittest.TestCase):
    SHELL = Bash


class TestZsh(Completion, unittest.TestCase):
    SHELL = Zsh


class TestFish(Completion, unittest.TestCase):
    SHELL = Fish


class Manual(unittest.TestCase):
    def test_a_page_for_each_command_without_a_warning(self):
        with tempfile.TemporaryDirectory(prefix="weir-man-") as name:
            folder = pathlib.Path(name)
            self.assertEqual(weir("man", "--write", folder).returncode, 0)
            pages = {path.name for path in folder.iterdir()}
            self.assertEqual(pages, {"weir.1"} | {f"weir-{command.replace(' ', '-')}.1" for command in all_commands()})
            lint = subprocess.run(["mandoc", "-Tlint", "-W", "style", *folder.iterdir()], capture_output=True, text=True)
            self.assertEqual((lint.returncode, lint.stdout), (0, ""), lint.stderr)
            for command in ["", *all_commands()]:
                page = command.replace(" ", "-")
                file = folder / (f"weir-{page}.1" if page else "weir.1")
                self.assertEqual(weir("man", *([page] if page else [])).stdout, file.read_text())
                shown = subprocess.run(["mandoc", "-Tutf8", "-O", "width=200", file], capture_output=True, text=True, check=True).stdout
                shown = re.sub(".\x08", "", shown)
                for flag in flags(command):
                    self.assertRegex(shown, rf"(?<![\w-]){flag}(?![\w-])", command)

    def test_bad_input(self):
        for arguments, code, part in ((["rnu"], 2, "did you mean run?"), (["--write", "/nowhere"], 1, "/nowhere"), (["run", "--write", "x"], 2, "excludes")):
            done = weir("man", *arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        WEIR = sys.argv.pop(1)
    unittest.main()
