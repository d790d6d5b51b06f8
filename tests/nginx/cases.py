"""How a case is written, found and run.

  @site                      one running NGINX, shared by the cases that name it
  def echo(t): return t.nginx("weir_plugin s {guests}/script.wasm;", "location / { weir s; proxy_pass http://up; }")

  @case(echo)                a case gets `t` (what run.py offers) and the site; alone: @case()
  def adds_a_header(t, n): ...

After each case: no unexpected alert, crit or emerg line, the workers are the same processes, no sanitizer report.
A case that may kill or replace workers says workers="change"; one that provokes a log line says log="regular expression".
"""
import traceback

from harness import Nginx
from upstream import Upstream

ALL = []


class Skip(Exception):
    """The case cannot run here; the reason is printed and counted, never called a pass."""


class Case:
    def __init__(self, function, site, options):
        self.function, self.site, self.options = function, site, options
        self.name = f"{function.__module__.removeprefix('cases_')}.{function.__name__}"
        self.arguments = ()


def site(function):
    """Marks a function that makes the NGINX which cases share."""
    return function


def case(site=None, **options):
    def add(function):
        ALL.append(Case(function, site, options))
        return function
    return add


def each(rows, site=None, **options):
    """One case for each (name, arguments…) of `rows`."""
    def add(function):
        for name, *arguments in rows:
            one = Case(function, site, options)
            one.name += f"[{name}]"
            one.arguments = arguments
            ALL.append(one)
        return function
    return add


def equal(got, wanted, what=""):
    assert got == wanted, f"{what}: wanted {wanted!r}, got {got!r}"


def has(text, part):
    assert part in text, f"no {part!r} in {text[:2000]!r}"


def lacks(text, part):
    assert part not in text, f"{part!r} in {text[:2000]!r}"


class Bench:
    """What a case uses: `up` (the upstream), nginx(…) (stopped and removed at the end)."""

    def __init__(self, keep):
        self.up, self.made, self.keep, self.failed = Upstream(), [], keep, False

    def nginx(self, *arguments, **more):
        n = Nginx(*arguments, upstream=self.up, **more)
        self.made.append(n)
        return n

    def started(self, *arguments, **more):
        return self.nginx(*arguments, **more).start()

    def close(self):
        problems = []
        for n in reversed(self.made):
            try:
                n.stop()
            except AssertionError as e:
                problems.append(str(e))
            problems += n.sanitizer_reports()
            if self.keep and (self.failed or problems):
                print(f"     kept: {n.dir}")
            else:
                n.remove()
        self.up.stop()
        return problems


class Runner:
    def __init__(self, keep):
        self.keep, self.site, self.bench, self.running = keep, None, None, None
        self.late = []  # problems found when a site ended
        self.dead = set()  # sites that did not start

    def _site(self, case):
        if case.site in self.dead:
            raise AssertionError(f"{case.site.__module__}.{case.site.__name__} did not start; see above")
        if self.site is not case.site:
            self.end_site()
            self.bench = Bench(self.keep)
            try:
                self.running = case.site(self.bench)
                if not self.running.process:
                    self.running.start()
                self.site = case.site
            except BaseException as e:
                self.bench.failed = True
                self.bench.close()
                self.bench = None
                if not isinstance(e, Skip):
                    self.dead.add(case.site)
                raise
        return self.running

    def end_site(self):
        self.late += self.bench.close() if self.bench else []
        self.site = self.bench = self.running = None

    def run(self, case):
        """None, or what went wrong. Raises Skip."""
        own = None
        try:
            if case.site:
                n = self._site(case)
                n.mark()
                before = n.pids()
                case.function(self.bench, n, *case.arguments)
                made = [n]
            else:
                self.end_site()
                own = Bench(self.keep)
                before = None
                case.function(own, *case.arguments)
                made = own.made
            for n in made:
                if bad := n.bad_lines(case.options.get("log")):
                    return "in the error log: " + "\n".join(bad[:5])
            if case.site and case.options.get("workers") != "change" and (after := made[0].pids()) != before:
                self.end_site()
                return f"workers were {before}, are {after}: one died"
            if reports := [r for n in made for r in n.sanitizer_reports()]:
                return reports[0][:4000]
        except Skip:
            raise
        except AssertionError as e:
            where = traceback.extract_tb(e.__traceback__)[-1]
            self._after_failure(own or self.bench)
            return f"{where.name}:{where.lineno} {where.line}: {e}"
        except Exception:
            self._after_failure(own or self.bench)
            return traceback.format_exc(limit=-4)
        finally:
            problems = own.close() if own else []
        return problems[0] if problems else None

    def _after_failure(self, bench):
        if bench:
            bench.failed = True
        if self.running and self.running.process and self.running.process.poll() is not None:
            self.end_site()
