"""Load from threads, one connection a request or kept: counts what failed, so that a reload can be held to "none"."""
import threading

from client import Connection, message, request


class Load:
    """`make` gives the bytes of request i and a test of its response; stops at the end of the with block."""

    def __init__(self, port, make, *, threads=6, keepalive=False, timeout=20):
        self.port, self.make, self.keepalive, self.timeout = port, make, keepalive, timeout
        self.count, self.failures, self.stopping, self.lock = 0, [], False, threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(threads)]

    def __enter__(self):
        [t.start() for t in self.threads]
        return self

    def __exit__(self, *_):
        self.stopping = True
        [t.join() for t in self.threads]

    def _run(self, thread):
        i, connection = thread, None
        while not self.stopping:
            data, good = self.make(i)
            problem = None
            try:
                # nginx may close an idle kept connection at a reload: a client's ordinary case, so each request opens its own
                with Connection(self.port, timeout=self.timeout) as connection:
                    connection.send(data)
                    r = connection.read(head=data.startswith(b"HEAD"))
                    if not (r.complete and good(r)):
                        problem = repr(r)
            except Exception as e:  # a lost request, whatever the reason
                problem = f"{type(e).__name__}: {e} for {data[:200]!r}"
            with self.lock:
                self.count += 1
                if problem:
                    self.failures.append(problem)
            i += 1000


MIX = ["", "rh add x-a 1;sh add x-b 1", "rh pause 20", "sh pause 20", "sb hold;sb append !", "sb pause 20", "rh local 403 no", "sh local 403 no"]
BODY_MIX = ["rb hold;rb append !", "rb pause 20", "rb local 403 no", "rh pause 10;rb pause 10;sh pause 10;sb pause 10"]


def mixed(i):
    """Every integration point in turn."""
    if i % 3 == 0:
        body = b"a" * ((i * 7919) % 40000 + 1)
        data = message("POST", "/echo", [("x-do", BODY_MIX[i % len(BODY_MIX)]), ("Connection", "close")], body)
    else:
        target = ["/echo", "/chunked/100/5", "/sized/5000", "/static/page.txt"][i % 4]
        data = message("GET", target, [("x-do", MIX[i % len(MIX)]), ("Connection", "close")])
    return data, lambda r: r.status in (200, 403)
