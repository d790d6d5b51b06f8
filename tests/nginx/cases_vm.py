"""Plugins that share a VM: one vm_id, VM configuration and module. The guest tests/guests/together.c says root, configuration and count."""
import re
import threading

from cases import case, each, equal, has, lacks
from cases_zones import metrics
from client import request
from harness import wait_for
from upstream import Upstream

PLACES = """
  location / { weir a; proxy_pass http://up; }
  location /b { weir b; proxy_pass http://up; }
  location /both { weir a b; proxy_pass http://up; }
  location /c { weir c; proxy_pass http://up; }
  location = /metrics { weir_metrics; }
"""


def plugins(*rows):
    """One weir_plugin line for each "NAME OPTIONS…"."""
    return " ".join(f"weir_plugin {row.split()[0]} {{guests}}/together.wasm {' '.join(row.split()[1:])};" for row in rows)


PAIR = plugins("a vm_id=v config_inline=one", "b vm_id=v config_inline=two", "c vm_id=w config_inline=three")


def seen(n, target="/", status=200, **headers):
    r = request(n.port, target, list(headers.items()))
    equal(r.status, status, target)
    return r.values("x-seen")


@each([("cache", True), ("no cache", None)])
def one_vm_id_is_one_memory(t, cache):
    n = t.started(PAIR, PLACES, cache=cache)
    equal([seen(n, place) for place in ("/", "/b", "/", "/c", "/both")],
          [["1 one 1"], ["2 two 2"], ["1 one 3"], ["1 three 1"], ["2 two 5", "1 one 5"]])


@each([("no vm_id", "a config_inline=one", "b config_inline=two"),
       ("the name of the other", "a config_inline=one", "b vm_id=a config_inline=two"),
       ("vm_config", "a vm_id=v config_inline=one", "b vm_id=v vm_config=x config_inline=two"),
       ("env", "a vm_id=v config_inline=one", "b vm_id=v env=A=b config_inline=two"),
       ("allow", "a vm_id=v config_inline=one", "b vm_id=v allow=headers config_inline=two"),
       ("memory", "a vm_id=v config_inline=one", "b vm_id=v memory=2m config_inline=two"),
       ("statuses", "a vm_id=v config_inline=one", "b vm_id=v statuses=strict config_inline=two")])
def another_vm_is_another_memory(t, a, b):
    n = t.started(plugins(a, b, "c"), PLACES)
    equal([seen(n, place) for place in ("/", "/b", "/both")], [["1 one 1"], ["1 two 1"], ["1 two 2", "1 one 2"]])


@case()
def each_worker_has_its_own(t):
    n = t.started(PAIR, PLACES.replace("weir a b;", "weir a b; add_header x-pid $pid always;"), workers=2)
    counts = {}
    for _ in range(30):
        r = request(n.port, "/both")
        counts.setdefault(r.get("x-pid"), []).append(int(r.values("x-seen")[0].split()[2]))
    for pid, found in counts.items():
        equal(found, [2 * (i + 1) for i in range(len(found))], pid)


@case(log="failure of plugin|trap|failed", workers="change")
def a_trap_of_one_ends_the_vm_of_both(t):
    n = t.started(PAIR, PLACES)
    equal(seen(n), ["1 one 1"])
    equal(seen(n, "/c"), ["1 three 1"])
    n.mark()
    equal(seen(n, "/b", status=503, **{"x-do": "trap"}), [])
    n.wait_log(r'\[b\] callback failed: plugin "b" .*proxy_on_request_headers')
    n.wait_log(r'\[a\] plugin "a" .*: its VM ended with a failure of plugin "b", which shares it \(vm_id=v\)')
    equal(seen(n, "/b"), ["2 two 1"])  # both are there again, in a new one
    equal(seen(n), ["1 one 2"])
    equal(seen(n, "/c"), ["1 three 2"])
    found = metrics(n)
    value = lambda name, **labels: found[name].get(tuple(sorted(labels.items())), 0)
    equal([value("weir_plugin_failures_total", plugin="a", reason="shared"), value("weir_plugin_failures_total", plugin="b", reason="trap")], [1, 1])
    equal([value("weir_plugin_instances_total", plugin=name) for name in "abc"], [2, 2, 1])
    equal([value("weir_plugin_streams_total", plugin=name) for name in "abc"], [2, 2, 2])
    equal([value("weir_plugin_up", plugin=name) for name in "abc"], [1, 1, 1])
    memory = [value("weir_plugin_memory_bytes", plugin=name) for name in "ab"]
    assert memory[0] == memory[1] > 0, memory


@case(log="failure of plugin|trap|failed|down|refused", workers="change")
def the_one_that_fails_goes_down_alone(t):
    n = t.started(PAIR, PLACES)
    for _ in range(14):
        equal(seen(n, "/b", status=503, **{"x-do": "trap"}), [])
    n.wait_log(r'plugin "b" .*: down after 11 failures')
    equal(seen(n), ["1 one 1"])  # in a VM without b
    lacks(n.new_log(), 'plugin "a" (' + str(n.dir) + '): down')
    wait_for(lambda: request(n.port, "/b").status == 200, 10, "b is probed, in the VM of a")
    equal(seen(n, "/b")[0].split()[1], "two")
    assert int(seen(n)[0].split()[2]) >= 4


@each([("closed", "closed", 503), ("open", "open", 200)], log="failure of plugin|trap|failed|no instance|down", workers="change")
def one_that_traps_as_a_chain_is_made(t, on_error, status):
    n = t.started(plugins(f"a vm_id=v on_error={on_error} config_inline=one", f"b vm_id=v on_error={on_error} config_inline=fragile"),
                  PLACES.replace("weir c;", ""))
    equal(seen(n, **{"x-do": "arm"}), ["1 one 1"])
    equal(seen(n, "/both", status=status), [])
    equal(seen(n, "/both"), ["2 fragile 2", "1 one 2"])


@case()
def contexts_are_the_plugins_own(t):
    n = t.started(PAIR, PLACES)
    answers = {}
    for target, context in (("/", 1), ("/", 2), ("/b", 1), ("/b", 2), ("/b", 99)):
        answers[target, context] = request(n.port, target, [("x-do", f"effective {context}")]).text
    equal(answers, {("/", 1): "0", ("/", 2): "2", ("/b", 1): "2", ("/b", 2): "0", ("/b", 99): "2"})


@case()
def ticks_come_to_each_root(t):
    n = t.started(plugins("a vm_id=v 'config_inline=tick 20'", "b vm_id=v 'config_inline=tick 30'", "c vm_id=v"), PLACES)
    n.wait_log(r"\[a\] tick 1\b")
    n.wait_log(r"\[b\] tick 2\b")
    assert not re.search(r"\[a\] tick 2|\[b\] tick 1|\[c\] tick", n.log())


@case()
def answers_of_calls_come_to_each_root(t):
    gate = Upstream()
    try:
        n = t.nginx(f"weir_cluster gate http://127.0.0.1:{gate.port};" + plugins("a vm_id=v 'config_inline=gate gate'", "b vm_id=v 'config_inline=gate gate'", "c"),
                    PLACES).start()
        answers = []

        def ask(target):
            text = request(n.port, target).text
            answers.append((target, re.findall(r"x-answer: (\d+)", text)))
        threads = [threading.Thread(target=ask, args=(target,)) for target in ("/echo", "/b/echo", "/both/echo") for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(len(answers), 15)
        for target, roots in answers:
            equal(roots, {"/echo": ["1"], "/b/echo": ["2"], "/both/echo": ["1", "2"]}[target], target)
    finally:
        gate.stop()


@case(log="returned false")
def nginx_t_checks_each(t):
    n = t.nginx(plugins("a vm_id=v config_inline=one", "b vm_id=v config_inline=refuse"), "location / { weir a b; proxy_pass http://up; }")
    code, text = n.check()
    equal(code, 1)
    has(text, 'plugin "b"')
    has(text, "proxy_on_configure returned false")


@case(workers="change", log="returned false")
def a_reload_starts_both_anew(t):
    n = t.started(PAIR, PLACES)
    equal([seen(n, place) for place in ("/", "/b")], [["1 one 1"], ["2 two 2"]])
    n.write(PAIR.replace("two", "refuse"), PLACES)
    n.reload(wait=False)
    n.wait_log('plugin "b" .*proxy_on_configure returned false')
    equal(seen(n), ["1 one 3"])  # the old workers go on
    n.write(PAIR.replace("two", "other"), PLACES)
    n.reload()
    equal([seen(n, place) for place in ("/b", "/")], [["2 other 1"], ["1 one 2"]])
    n.write(PAIR.replace("vm_id=v config_inline=two", "vm_id=w config_inline=two"), PLACES)  # a and c as they were
    n.reload()
    equal([seen(n, place) for place in ("/", "/b", "/c")], [["1 one 1"], ["1 two 1"], ["2 three 2"]])
