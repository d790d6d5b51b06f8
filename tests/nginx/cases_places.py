"""Where plugins run: chains, inheritance, weir off, static and redirected requests, subrequests."""
from cases import case, each, equal, has, site
from client import h2, request


@site
def main(t):
    n = t.nginx("""
      weir_plugin a {guests}/script.wasm 'config_inline=do rh add x-order a;sh add x-order a;sb append A';
      weir_plugin b {guests}/script.wasm 'config_inline=do rh add x-order b;sh add x-order b;sb append B';
      weir_plugin c {guests}/script.wasm config=c.conf;
      weir_plugin s {guests}/script.wasm 'config_inline=trace';
      weir_plugin empty {guests}/noop.wasm;
    """, """
      weir a;
      root {dir}/www;
      location / { proxy_pass http://up; }
      location /inherit { proxy_pass http://up; }
      location /off { weir off; proxy_pass http://up; }
      location /off/nested { weir off; location /off/nested/on { weir b; proxy_pass http://up; } proxy_pass http://up; }
      location /chain { weir a b c; proxy_pass http://up; }
      location /reverse { weir c b a; proxy_pass http://up; }
      location /once { weir empty; proxy_pass http://up; }
      location /files/ { weir s; }
      location /index/ { weir s; index page.txt; }
      location /try/ { weir s; try_files $uri /fallback; }
      location = /fallback { weir s; proxy_pass http://up/sized/3; }
      location /named/ { weir s; try_files $uri @named; }
      location @named { weir s; proxy_pass http://up; }
      location /nf { weir s; proxy_intercept_errors on; error_page 404 /errpage; proxy_pass http://up/status/404; }
      location /nf2 { weir s; proxy_intercept_errors on; error_page 404 = @errors; proxy_pass http://up/status/404; }
      location @errors { weir s; try_files /error.txt =500; }
      location /errpage { weir s; internal; default_type text/plain; alias {dir}/www/error.txt; }
      location /rewrite { weir s; rewrite ^/rewrite(.*)$ /echo/rewritten$1 break; proxy_pass http://up; }
      location /last { rewrite ^/last(.*)$ /echo/moved$1 last; }
      location /ssi/ { weir s; ssi on; ssi_types text/plain; }
      location /part { weir s; proxy_pass http://up/sized/4; }
      location /auth/ { weir s; auth_request /check; proxy_pass http://up/echo/; }
      location = /check { weir s; internal; proxy_pass http://up/status/204; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
      location /denied/ { weir s; auth_request /check403; proxy_pass http://up; }
      location = /check403 { weir s; internal; proxy_pass http://up/status/403; }
      location /mirrored { weir s; mirror /mirror; proxy_pass http://up; }
      location = /mirror { internal; proxy_pass http://up/mirror$request_uri; }
      location /closed { weir s; deny all; }
      location /return { weir s; return 200 "returned"; }
      location /slice { weir s; proxy_pass http://up; proxy_buffering off; }
    """)
    n.file("c.conf", "do rh add x-order c;sh add x-order c;sb append C")
    n.file("www/files/page.txt", "page")
    n.file("www/index/page.txt", "index page")
    n.file("www/try/there.txt", "there")
    n.file("www/error.txt", "custom error page")
    n.file("www/ssi/page.txt", '<!--# include virtual="/part" --> and <!--# include virtual="/part" -->')
    return n


def order(t, n, target):
    r = request(n.port, target)
    return t.up.last().values("x-order"), r.values("x-order"), r.text


@case(main)
def chain_order(t, n):
    """Requests in order, responses in reverse, so do bodies."""
    up, down, text = order(t, n, "/chain")
    equal((up, down, text[-3:]), (["a", "b", "c"], ["c", "b", "a"], "CBA"))


@case(main)
def chain_order_reversed(t, n):
    up, down, text = order(t, n, "/reverse")
    equal((up, down, text[-3:]), (["c", "b", "a"], ["a", "b", "c"], "ABC"))


@case(main)
def inherited(t, n):
    equal(order(t, n, "/inherit")[:2], (["a"], ["a"]))


@case(main)
def off(t, n):
    equal(order(t, n, "/off")[:2], ([], []))


@case(main)
def off_then_on_inside(t, n):
    equal(order(t, n, "/off/nested/x")[:2], ([], []))
    equal(order(t, n, "/off/nested/on")[:2], (["b"], ["b"]))


@case(main)
def replaced_not_added(t, n):
    equal(order(t, n, "/once")[:2], ([], []))


def traced(n, target, headers=(), body=b"", wanted=None):
    """The response, and how often the request header callback ran."""
    n.mark()
    r = request(n.port, target, headers, body)
    n.wait_log("trace delete")
    return r, n.new_log().count("trace rh")


@each([("static", "/files/page.txt", 200, "page"), ("static 404", "/files/none.txt", 404, None), ("index", "/index/", 200, "index page"), ("try_files hit", "/try/there.txt", 200, "there"),
       ("try_files fallback", "/try/none", 200, "sss"), ("named location", "/named/none", 200, None), ("error_page", "/nf", 404, "custom error page"),
       ("error_page named", "/nf2", 200, "custom error page"), ("rewrite break", "/rewrite/x", 200, None)], main)
def plugin_runs_once(t, n, target, status, text):
    r, calls = traced(n, target, [("x-do", "rh add x-seen 1;sh add x-out 1")])
    equal((r.status, calls, r.values("x-out")), (status, 1, ["1"]))
    if text:
        equal(r.text, text)


@case(main)
def rewrite_last_finds_the_new_location(t, n):
    up, down, _ = order(t, n, "/last/x")
    equal((t.up.last().target, up, down), ("/echo/moved/x", ["a"], ["a"]))


@case(main)
def ssi_parts_have_no_plugin(t, n):
    r, calls = traced(n, "/ssi/page.txt", [("x-do", "sh add x-out 1;sb prepend >")])
    equal((calls, r.status, r.text.count("ssss"), r.values("x-out")), (1, 200, 2, ["1"]))
    equal(r.complete, True)


@case(main)
def ssi_with_pauses(t, n):
    r, calls = traced(n, "/ssi/page.txt", [("x-do", "rh pause 30;sh pause 30;sb pause 30")])
    equal((calls, r.status, r.text), (1, 200, "ssss and ssss"))


@case(main)
def auth_request_lets_pass(t, n):
    r, calls = traced(n, "/auth/x", [("x-do", "rh add x-seen 1;sh add x-out 1")])
    equal((r.status, calls, t.up.last().values("x-seen"), r.values("x-out")), (200, 1, ["1"], ["1"]))


@case(main)
def auth_request_denies(t, n):
    r, calls = traced(n, "/denied/x", [("x-do", "sh add x-out 1")])
    equal((r.status, r.values("x-out")), (403, ["1"]))


@case(main)
def auth_request_with_pauses_and_body(t, n):
    r, calls = traced(n, "/auth/x", [("x-do", "rh pause 30;rb pause 30;sh pause 30;rb append !")], b"hello")
    equal((r.status, calls, t.up.last().body), (200, 1, b"hello!"))


@case(main)
def mirror_beside_us(t, n):
    before = t.up.count
    r, calls = traced(n, "/mirrored", [("x-do", "rh add x-seen 1;rb append !")], b"hello")
    equal((r.status, calls), (200, 1))
    assert t.up.count >= before + 1


@case(main)
def access_rules_still_deny(t, n):
    equal(request(n.port, "/closed", [("x-do", "rh add x 1")]).status, 403)


@case(main)
def return_directive_gets_the_response_phases(t, n):
    r = request(n.port, "/return", [("x-do", "sh add x-out 1;sb append !")])
    equal((r.status, r.body[:8]), (200, b"returned"))


@case(main)
def nginx_own_error_page_is_a_response(t, n):
    """400 made by nginx before any location: must not crash, whatever runs."""
    r = request(n.port, "/files/%00")
    equal(r.status, 400)


@case(main)
def http2_many_streams(t, n):
    import subprocess
    urls = [f"https://127.0.0.1:{n.tls}/chain?{i}" for i in range(30)]
    done = subprocess.run(["curl", "-sk", "--http2", "--parallel", "--parallel-max", "30", *urls], capture_output=True, timeout=20)
    equal(done.stdout.count(b"CBA"), 30, done.stdout + done.stderr)
