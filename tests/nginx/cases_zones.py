"""State that workers share: shared data, queues and metrics in weir_zone; weir_metrics as Prometheus reads it."""
import os
import pathlib
import re
import signal
import threading
import time

from cases import Skip, case, each, equal, has, site
from client import Connection, message, request
from harness import plugin, wait_for
from prometheus_client.parser import text_string_to_metric_families

LOCATIONS = """
  add_header x-pid $pid always;
  location / { weir p; return 204; proxy_pass http://up; }
  location = /metrics { weir_metrics; }
  location /other { weir other; proxy_pass http://up; }
"""
LOCATIONS = LOCATIONS.replace("return 204; ", "")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def do(n, *commands, target="/", status=200, timeout=10):
    """One line of answer for each command."""
    r = request(n.port, target, [("x-do", ";".join(commands)), ("Connection", "close")], timeout=timeout)
    equal(r.status, status, commands)
    return r.text.splitlines()


def metrics(n):
    """What a Prometheus scrape reads: {name: {labels: value}}. The parser gives every counter's samples a name that ends in _total."""
    r = request(n.port, "/metrics")
    equal((r.status, r.get("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"))
    found = {}
    for family in text_string_to_metric_families(r.text):
        assert family.documentation, family
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), f"{sample.name}{labels} twice"
            found[sample.name][labels] = sample.value
    return found


def value(n, name, **labels):
    return metrics(n).get(name, {}).get(tuple(sorted(labels.items())))


def everywhere(n, *commands, target="/"):
    """Runs the commands in each worker: {pid: lines}."""
    answers = {}

    def all_of_them():
        with Connection(n.port) as c:
            c.send(message("GET", target, [("x-do", ";".join(commands)), ("Connection", "close")]))
            r = c.read()
        answers[int(r.get("x-pid"))] = r.text.splitlines()
        return set(answers) >= set(n.pids())
    wait_for(all_of_them, 10, "a connection in each worker")
    return answers


def shared(t, config="", *, workers=2, http="", more="", **options):
    return t.nginx(f"weir_plugin p {{guests}}/shared.wasm 'config_inline={config}'; weir_plugin other {{guests}}/shared.wasm; {more}", LOCATIONS,
                   http=http, workers=workers, **options)


@site
def two_workers(t):
    return shared(t, "define 0 reporter=.=me;.;tagged")


@case(two_workers)
def data_is_seen_by_all_workers(t, n):
    equal(do(n, "set k v1")[0], "0")
    answers = everywhere(n, "get k")
    equal({lines[0].split()[-1] for lines in answers.values()}, {"v1"})
    cas = {lines[0].split()[1] for lines in answers.values()}
    equal(len(cas), 1)
    equal(do(n, f"set k v2 {cas.pop()}", "get k")[0], "0")
    equal(do(n, "set k v3 4294967295", "set missing v 1"), ["8", "8"])
    equal({lines[0].split()[-1] for lines in everywhere(n, "get k").values()}, {"v2"})
    equal(do(n, "get k", target="/other")[0].strip(), "1 0")  # another name space
    equal(do(n, "del k", "get k", "del k"), ["0", "1 0 ", "1"])


@case(two_workers)
def data_expires_in_all_workers(t, n):
    equal(do(n, "set t1 v", "ttl t1 300", "set t2 v", "ttl t2 300", "ttl t2 0", "ttl none 5"), ["0", "0", "0", "0", "0", "1"])
    equal({lines[0].split()[-1] for lines in everywhere(n, "get t1").values()}, {"v"})
    time.sleep(0.35)
    equal({lines[0] for lines in everywhere(n, "get t1").values()}, {"1 0 "})
    has(do(n, "get t2")[0], " v")
    equal(do(n, "keys")[0], "0 t2")


@case(two_workers)
def a_rate_limit_is_exact_across_workers(t, n):
    """Four clients at once, each request adds one by compare-and-swap: exactly as many pass as are allowed."""
    allowed, seen, pids, lock = 300, [], set(), threading.Lock()

    def client():
        for _ in range(150):
            with Connection(n.port) as c:
                c.send(message("GET", "/", [("x-do", f"limit rate {allowed}"), ("Connection", "close")]))
                r = c.read()
            with lock:
                seen.append((r.status, int(r.text)))
                pids.add(r.get("x-pid"))
    threads = [threading.Thread(target=client) for _ in range(4)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    equal(sorted(count for _, count in seen), list(range(1, 601)), "each number once")
    equal(sum(status == 200 for status, _ in seen), allowed)
    equal(sum(status == 429 for status, _ in seen), 600 - allowed)
    equal(len(pids), 2, "both workers took part")


@case()
def go_ratelimit_counts_for_all_workers(t):
    found = plugin("go-ratelimit.wasm")
    if not found:
        raise Skip("go-ratelimit.wasm is not built (make plugins)")
    n = t.nginx("", "", workers=2)
    n.write(f"""weir_plugin other {{guests}}/noop.wasm; weir_plugin p {found} 'config_inline={{"requests": 20, "seconds": 3600}}' memory=256m timeout=500ms;""", LOCATIONS)
    n.start()
    seen, pids = [], set()
    while len(seen) < 60 or len(pids) < 2:
        r = request(n.port, "/echo")
        seen.append(r.status)
        pids.add(r.get("x-pid"))
    equal((seen.count(200), seen[:20].count(200)), (20, 20))


def items(n, queue="q"):
    return re.findall(rf"\] item {queue} (\S+?)(?:[ ,]|$)", n.new_log(), re.M)


@case()
def a_queue_loses_and_doubles_nothing(t):
    """Many requests in two workers fill a queue; its consumers are in both."""
    n = shared(t, "consume q").start()
    n.mark()

    def client(name):
        for i in range(50):
            equal(do(n, f"enq p q {name}-{i}", f"bulk p q 4 {name}-{i}."), ["0", "0 4"])
    threads = [threading.Thread(target=client, args=(name,)) for name in "abcd"]
    [one.start() for one in threads]
    [one.join() for one in threads]
    wanted = sorted(f"{name}-{i}{end}" for name in "abcd" for i in range(50) for end in ("", ".0", ".1", ".2", ".3"))
    wait_for(lambda: len(items(n)) >= len(wanted), 10, lambda: f"{len(items(n))} items of {len(wanted)}")
    time.sleep(0.2)
    equal(sorted(items(n)), wanted)
    lines = [line for line in n.new_log().splitlines() if "] item q " in line]
    shares = [sum(f" {pid}#" in line for line in lines) for pid in n.pids()]
    assert min(shares) > len(wanted) / 10, f"one worker told nearly all: {shares}"
    equal(value(n, "weir_queue_items", vm_id="p", queue="q"), 0)
    equal(value(n, "weir_queue_consumers", vm_id="p", queue="q"), 2)


@case()
def a_queue_of_another_name_space(t):
    """Only the other plugin consumes; items come by vm_id and name, from both workers; their consumer takes them in order."""
    n = t.nginx("weir_plugin p {guests}/shared.wasm; weir_plugin c {guests}/shared.wasm vm_id=store 'config_inline=consume jobs';", LOCATIONS.replace("other", "c"), workers=2).start()
    equal(do(n, "resolve - jobs", "resolve store jobs", "resolve store job", "enq store none x", "deq store jobs"), ["1", "0", "1", "1", "7 "])
    n.mark()
    everywhere(n, "enq store jobs x")
    wait_for(lambda: items(n, "jobs").count("x") >= 2, 5, "both items")


@case(log="full")
def a_full_queue_refuses_and_loses_nothing(t):
    n = shared(t, "consume q\nkeep", http="weir_zone 2m;").start()
    n.mark()
    equal(do(n, "bulk p q 10000 item"), ["0 10000"])
    equal(do(n, "enq p q x", "enq p q y"), ["0", "0"])  # lenient: no SDK survives another answer; the log has it
    n.wait_log("proxy_enqueue_shared_queue answers INTERNAL_FAILURE: the queue is full")
    equal(len(re.findall(r'weir: queue "p/q" is full', n.new_log())), 1)
    equal(value(n, "weir_queue_refused_total"), 2)
    equal(value(n, "weir_hostcall_rejected_total", plugin="p", call="proxy_enqueue_shared_queue", reason="INTERNAL_FAILURE"), 2)
    equal(value(n, "weir_queue_items", vm_id="p", queue="q"), 10000)
    got = []
    while len(got) < 10000:
        got += [line.split(" ")[1] for line in do(n, *["deq p q"] * 500)]
    equal(got, [f"item{i}" for i in range(10000)])
    equal(do(n, "deq p q", "enq p q again", "deq p q"), ["7 ", "0", "0 again"])


@case(log="full")
def full_shared_data_refuses_and_loses_nothing(t):
    n = t.nginx("weir_zone 1m space=512k; weir_plugin p {guests}/shared.wasm statuses=strict; weir_plugin other {guests}/shared.wasm;", LOCATIONS, workers=2).start()
    n.mark()
    fit = 0
    while do(n, f"fill k{fit} 10000") == ["0"]:
        fit += 1
    assert 30 < fit < 60, fit
    equal(do(n, "fill more 10000", "fill k0 10000"), ["10", "0"])  # one that is there can be written again
    equal(len(re.findall("weir: shared data is full", n.new_log())) <= 2, True, "one line a worker and minute")
    has(n.new_log(), 'bytes for "p" were refused')
    for begin in range(0, fit, 5):
        lines = do(n, *[f"get k{i}" for i in range(begin, min(begin + 5, fit))])
        assert [line.split(" ")[2] == "f" * 10000 for line in lines] == [True] * min(5, fit - begin), begin
    assert value(n, "weir_shared_data_refused_total") >= 2
    equal(value(n, "weir_shared_data_entries", vm_id="p"), fit)
    equal(do(n, "fill more 10000", target="/other"), ["0"])  # lenient: swallowed
    equal(do(n, "get more", target="/other"), ["1 0 "])
    equal(do(n, "del k1", "fill more 10000"), ["0", "0"])


@each([("half by default", "weir_zone 1m;", 26, 262144), ("what is said", "weir_zone 1m space=64k;", 6, 65536)], log="is full")
def a_full_name_space_leaves_others_room(t, line, fits, limit):
    n = t.nginx(line + "weir_plugin p {guests}/shared.wasm statuses=strict; weir_plugin other {guests}/shared.wasm;", LOCATIONS, workers=2).start()
    n.mark()
    fit = 0
    while do(n, f"fill k{fit} 10000") == ["0"]:
        fit += 1
    equal(fit, fits)
    assert limit - 10100 < value(n, "weir_shared_data_bytes", vm_id="p") <= limit
    equal(len(set(line[0] for line in everywhere(n, "fill more 10000").values())), 1, "the same in each worker")
    has(n.new_log(), f'weir: shared data of "p" is full: it has its {limit} bytes, and 100')
    equal({line[0] for line in everywhere(n, "fill own 10000", target="/other").values()}, {"0"})
    has(do(n, "get own", target="/other")[0], " ffff")
    equal(do(n, "del k0", "fill more 10000", "fill yet 10000"), ["0", "0", "10"])
    # A reload changes the limit, and keeps what is there; the last plugin of its kind may have all.
    n.write("weir_zone 1m; weir_plugin p {guests}/shared.wasm statuses=strict; weir_plugin other {guests}/shared.wasm vm_id=p;", LOCATIONS)
    n.reload()
    equal(do(n, *[f"fill more{i} 10000" for i in range(15)]), ["0"] * 15)
    equal(value(n, "weir_shared_data_entries", vm_id="p"), fit + 15)


@case()
def full_shared_data_may_evict(t):
    n = shared(t, http="weir_zone 1m full=evict;").start()
    for i in range(200):
        equal(do(n, f"fill k{i} 10000", "set hot v" if i == 0 else "get hot")[0], "0")
    has(do(n, "get hot")[0], " v")
    has(do(n, "get k199")[0], "ffff")
    equal(do(n, "get k0"), ["1 0 "])
    assert value(n, "weir_shared_data_evicted_total") > 100


@case(workers="change")
def a_reload_keeps_data_queues_and_counters(t):
    n = shared(t, "consume other").start()
    before = set(n.pids())
    do(n, "set k v", "inc 0 hits 5")
    for _ in range(2):
        n.reload()
    has(do(n, "get k")[0], " v")
    equal(do(n, "inc 0 hits 1", "value 0 hits"), ["0", "0 6"])
    assert not before & set(n.pids())
    # Another name space part: a zone anew; and so with another size.
    for line in ("weir_zone 8m data=1m;", "weir_zone 16m;"):
        do(n, "set k v")
        has(do(n, "get k")[0], " v")
        n.write("weir_plugin p {guests}/shared.wasm; weir_plugin other {guests}/shared.wasm;", LOCATIONS, http=line)
        n.reload()
        equal(do(n, "get k", "value 0 hits"), ["1 0 ", "0 0"])
        wait_for(lambda: len(n.all_pids()) == 2, 5, "the old workers are gone")
    size = metrics(n)["weir_zone_size_bytes"]
    assert 14 << 20 < sum(size.values()) < 16 << 20, size


@case(workers="change")
def metrics_live_as_long_as_their_plugin(t):
    n = t.nginx("weir_plugin p {guests}/shared.wasm 'config_inline=define 0 of_p\ndefine 0 of_both'; weir_plugin other {guests}/shared.wasm 'config_inline=define 0 of_both';", LOCATIONS, workers=2).start()
    found = metrics(n)
    equal((found["of_p_total"], found["of_both_total"]), ({(): 2.0}, {(): 4.0}))  # one for each worker and definition
    n.write("weir_plugin other {guests}/shared.wasm 'config_inline=define 0 of_both'; weir_plugin p2 {guests}/noop.wasm;", LOCATIONS.replace("weir p;", "weir p2;"))
    n.reload()
    wait_for(lambda: len(n.all_pids()) == 2, 5, "the old workers are gone")
    found = metrics(n)
    equal((found.get("of_p_total"), found["of_both_total"]), (None, {(): 6.0}))
    equal({dict(labels)["plugin"] for labels in found["weir_plugin_up"]}, {"other", "p2"})


@case(workers="change", log="exited on signal 9|was locked by")
def a_killed_worker_takes_nothing_with_it(t):
    """kill -9 again and again under load: every write and item that was answered is there, and nobody waits."""
    n = shared(t, "consume q\nbusy 1").start()
    n.mark()
    counted, sent, lock = [], [], threading.Lock()
    stop = threading.Event()

    def client(name):
        i = 0
        while not stop.is_set():
            i += 1
            try:
                with Connection(n.port, timeout=5) as c:
                    c.send(message("GET", "/", [("x-do", f"count n;enq p q {name}-{i}"), ("Connection", "close")]))
                    lines = c.read().text.splitlines()
            except ConnectionError:  # its worker was killed
                continue
            if len(lines) == 2 and lines[1] == "0":
                with lock:
                    counted.append(int(lines[0]))
                    sent.append(f"{name}-{i}")
    threads = [threading.Thread(target=client, args=(name,)) for name in "abcd"]
    [one.start() for one in threads]
    for i in range(12):
        time.sleep(0.15)
        pids = n.pids()
        os.kill(pids[i % len(pids)], signal.SIGKILL)
    time.sleep(0.3)
    stop.set()
    [one.join(15) for one in threads]
    assert not any(one.is_alive() for one in threads), "a client waits for ever"
    equal(len(counted), len(set(counted)), "no number twice")
    total = int(do(n, "get n")[0].split()[2])
    assert len(counted) <= total <= len(counted) + 12 * 5, (len(counted), total)
    wait_for(lambda: value(n, "weir_queue_items", vm_id="p", queue="q") == 0, 20, "the queue is empty")
    time.sleep(0.2)
    got = items(n)
    equal(len(got), len(set(got)), "no item twice")
    lost = set(sent) - set(got)
    assert len(lost) <= 12, f"more lost than consumers that were killed with one in hand: {lost}"
    equal(value(n, "weir_workers"), 2)
    equal(value(n, "weir_callbacks_total", plugin="p", callback="proxy_on_request_headers") >= len(sent) / 2, True)


@case(two_workers)
def the_text_is_what_prometheus_reads(t, n):
    everywhere(n, "inc 0 requests{code=200,path=\"/a\"} 2", "rec 2 sizes{k=v} 7", "rec 2 sizes{k=v} 4000000", "rec 1 level 5", "inc 1 level -2",
               "inc 0 weird.name-1 1")
    found = metrics(n)
    assert len(found) > 20
    count = found["requests_total"]
    assert count[(("code", "200"), ("path", "/a"))] >= 4, count
    level = found["level"][()]
    assert level >= 6 and level % 3 == 0, level  # 3 of each worker that was asked (again: 5 - 2)
    buckets = {float(dict(labels)["le"]): v for labels, v in found["sizes_bucket"].items()}
    samples = found["sizes_count"][(("k", "v"),)]
    equal((buckets[5], buckets[10], buckets[3600000], buckets[float("inf")]), (0, samples / 2, samples / 2, samples))
    equal(found["sizes_sum"][(("k", "v"),)], samples / 2 * 4000007)
    assert found["weird_name_1_total"][()] >= 2 and found["tagged_total"][(("reporter", "me"),)] == 2
    assert value(n, "weir_callbacks_total", plugin="p", callback="proxy_on_request_headers") >= 2
    timed = value(n, "weir_callback_duration_seconds_count", plugin="p", callback="proxy_on_request_headers")
    assert 1 <= timed <= value(n, "weir_callbacks_total", plugin="p", callback="proxy_on_request_headers"), timed
    equal(value(n, "weir_plugin_up", plugin="p"), 2)
    assert value(n, "weir_plugin_memory_bytes", plugin="p") >= 65536


@case(two_workers)
def metrics_location_is_a_good_resource(t, n):
    r = request(n.port, "/metrics", method="HEAD")
    equal((r.status, r.body), (200, b""))
    equal(request(n.port, "/metrics", body=b"x" * 100000).status, 405)
    equal(request(n.port, "/metrics", method="DELETE").status, 405)
    r = request(n.port, "/metrics", [("Accept-Encoding", "gzip")])
    equal(r.status, 200)


@case(two_workers, log="trap")
def failures_and_notes_are_counted(t, n):
    before = value(n, "weir_plugin_failures_total", plugin="other", reason="trap") or 0
    equal(request(n.port, "/other", [("x-do", "trap")]).status, 503)
    found = metrics(n)
    equal(found["weir_plugin_failures_total"][(("plugin", "other"), ("reason", "trap"))], before + 1)
    equal(found["weir_stream_notes_total"][(("note", "failed_closed"), ("plugin", "other"))], before + 1)
    do(n, target="/other")
    assert value(n, "weir_plugin_instances_total", plugin="other") >= 2


@case(two_workers)
def streams_that_are_alive(t, n):
    equal(value(n, "weir_streams"), 0)
    with Connection(n.port) as c:
        c.send(message("GET", "/slow/400", [("Connection", "close")]))
        wait_for(lambda: value(n, "weir_streams") == 1, 2, "one stream")
        c.read()
    wait_for(lambda: value(n, "weir_streams") == 0, 2, "no stream")


@case()
def every_metric_is_documented(t):
    n = shared(t, "consume q").start()
    do(n, "set k v", "enq p q x")
    text = (ROOT / "docs" / "metrics.md").read_text()
    table = re.findall(r'"(weir_[a-z_]+)"', (ROOT / "include/weir/own_metrics.h").read_text())
    assert len(table) > 8
    shown = [name for name in re.findall(r"^# TYPE (\S+)", request(n.port, "/metrics").text, re.M)]
    for name in {*table, *shown}:
        has(text, f"`{name}`")


@each([("over the limit of a name", "n" * 1025, "10000", "proxy_define_metric"), ("at the limit", "n" * 1024, "", "")], log="")
def metric_names(t, name, _, refused):
    n = t.nginx("weir_plugin p {guests}/shared.wasm statuses=strict; weir_plugin other {guests}/shared.wasm;", LOCATIONS).start()
    equal(do(n, f"def 0 {name}"), ["2" if refused else "0"])
    equal(do(n, f"inc 0 {name} 1", target="/other"), ["0" if not refused else "1"])
    if refused:
        equal(value(n, "weir_hostcall_rejected_total", plugin="other", call=refused, reason="BAD_ARGUMENT"), 1)
        n.wait_log(f"{refused} answers BAD_ARGUMENT")


@case()
def metrics_have_a_cap(t):
    n = t.nginx("weir_zone 16m; weir_plugin p {guests}/shared.wasm statuses=strict timeout=2s; weir_plugin other {guests}/shared.wasm;", LOCATIONS).start()
    for begin in range(0, 10000, 100):
        equal(do(n, *[f"def 0 m{i}" for i in range(begin, begin + 100)]), ["0"] * 100)
    equal(do(n, "def 0 onemore", "def 0 m9999", "def 1 m0"), ["2", "0", "2"])
    found = metrics(n)
    equal((found["weir_metric_series"][()], found["weir_metric_series_refused_total"][()]), (10000, 1))
    assert found["weir_callbacks_total"], "Weir's own are not of the cap"


@case()
def a_name_with_another_type(t):
    n = shared(t, workers=1).start()
    equal(do(n, "inc 0 x 3", "rec 1 x 9", "value 1 x", "value 0 x"), ["0", "0", "0 9", "0 3"])
    equal((value(n, "x_total"), value(n, "x_gauge")), (3, 9))
    has(n.log(), "metric x exists with another type: defined as x_gauge")


@each([("a word", "weir_zone many;", "is not a size"), ("too small", "weir_zone 511k;", "the least is 512k"), ("too large", "weir_zone 100g;", "the most is"),
       ("no part", "weir_zone 1m data=1m;", "must leave"), ("part too small", "weir_zone 1m queues=1k;", "the least is 64k"), ("twice", "weir_zone 1m; weir_zone 1m;", "given twice"),
       ("unknown", "weir_zone 1m date=2m;", 'did you mean "data='), ("policy", "weir_zone 1m full=maybe;", "must be refuse"), ("too large a share", "weir_zone 1m space=513k;", "all shared data has 512k"), ("too small a share", "weir_zone 1m space=4095;", "space= is too small"),
        ("in a server", "server { weir_zone 1m; }", "not allowed here"),
       ("metrics twice", "server { location / { weir_metrics; weir_metrics; } }", "given twice")], log="emerg")
def mistakes_are_told(t, lines, wanted):
    code, text = t.nginx("weir_plugin p {guests}/shared.wasm; weir_plugin other {guests}/shared.wasm;", LOCATIONS, http=lines).check()
    equal(code, 1)
    has(text, wanted)


@each([("the least zone", "weir_zone 512k;"), ("a large one", "weir_zone 64m;"), ("parts", "weir_zone 4m data=64k queues=64k;")])
def zones_that_work(t, line):
    n = shared(t, "consume q", http=line).start()
    equal(do(n, "set k v", "inc 0 m 1", "value 0 m"), ["0", "0", "0 1"])
    n.mark()
    equal(do(n, "enq p q x"), ["0"])
    wait_for(lambda: items(n) == ["x"], 5, "the item")


@case()
def metrics_without_plugins(t):
    n = t.nginx("", "location = /metrics { weir_metrics; } location / { proxy_pass http://up; }").start()
    r = request(n.port, "/metrics")
    equal((r.status, list(text_string_to_metric_families(r.text))), (200, []))


@case()
def without_a_master(t):
    n = t.nginx("weir_plugin p {guests}/shared.wasm 'config_inline=consume q'; weir_plugin other {guests}/shared.wasm;", LOCATIONS, main="master_process off;")
    n.workers = 0
    n.start()
    equal(do(n, "set k v", "enq p q x", "get k")[:2], ["0", "0"])
    wait_for(lambda: items(n) == ["x"], 5, "the item")
    equal(value(n, "weir_workers"), 1)
