"""Every property over NGINX, with Envoy's encodings: values against what openssl, the sockets and NGINX's own variables say."""
import hashlib
import json
import re
import socket
import ssl
import struct
import subprocess
import time
import urllib.parse

import cases_grpc
from cases import Skip, case, equal, has, site
from client import Connection, h2, message, request
from harness import Settings, free_port

EXTRA = """request.headers.x-a response.headers.x-upstream response.headers.X-Upstream xds.route_name xds.node.id node.metadata.NAMESPACE
ngx.mine ngx.mapped ngx.host ngx.request_uri ngx.connection ngx.arg_q ngx.args ngx.limit_rate ngx.nosuch ngx.uri ngx.http_x_a no.such my.own""".split()


def rows():
    """The table that `weir inspect --properties` prints."""
    out = subprocess.run([Settings.weir, "inspect", "--properties", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["properties"]


def openssl(*arguments, **more):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True, **more).stdout


def issue(folder, name, subject, alternatives, ca=None):
    """A key and a certificate, of the authority `ca` or its own."""
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-utf8", "-subj", subject,
               "-addext", f"subjectAltName={alternatives}", "-keyout", str(key), "-out", str(cert)]
    if ca:
        command += ["-CA", str(ca[1]), "-CAkey", str(ca[0])]
    try:
        openssl(*command)
    except subprocess.CalledProcessError as e:
        raise AssertionError(e.stderr)
    return key, cert


def subject(cert):
    return openssl("x509", "-in", str(cert), "-noout", "-subject", "-nameopt", "RFC2253").removeprefix("subject=").strip()


def digest(cert):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).hexdigest()


def decoded(value):
    return value[1:].encode() if value.startswith("=") else bytes.fromhex(value)


def values(n, phase):
    """{path: bytes, or the status when it is not OK} of the request since mark()."""
    n.wait_log(r"prop log my\.own" if phase == "log" else f"prop {phase} " + r"my\.own")
    found = {}
    for path, status, value in re.findall(rf"prop {phase} (\S+) (\d+) (=[^,\s]*|[0-9a-f]*)", n.new_log()):
        found[path] = decoded(value) if status == "0" else int(status)
    return found


def number(value):
    equal(len(value), 8, "bytes of an integer")
    return struct.unpack("<q", value)[0]


@site
def main(t):
    n = t.nginx("weir_plugin p {guests}/properties.wasm config=paths statuses=strict; weir_node id=edge-7 region=eu metadata.NAMESPACE=shop;", """
      weir p;
      set $mine "before";
      add_header x-mine $mine; add_header x-mapped $mapped;
      location / { proxy_pass http://up; }
      location /static/ { root {dir}/www; }
      location /tls { proxy_ssl_certificate {dir}/client.pem; proxy_ssl_certificate_key {dir}/client.key; proxy_ssl_server_name on;
                      proxy_set_header Connection ""; proxy_pass https://secure; }
      location ~ ^/regex/ { proxy_pass http://up; }
      location /dead { proxy_pass http://127.0.0.1:1; }
      location /nobody { proxy_pass http://nobody; }
      location /late { proxy_read_timeout 300ms; proxy_pass http://up/slow/3000; }
      location /refused { proxy_ssl_trusted_certificate {dir}/stranger.pem; proxy_ssl_verify on; proxy_pass https://secure; }
      location /pair { proxy_next_upstream error; proxy_pass http://pair; }
      location /cached { add_header x-cache $upstream_cache_status always; proxy_cache kept; proxy_cache_valid 1m; proxy_ignore_headers Set-Cookie; proxy_pass http://up; }
    """, http="""
      map $arg_q $mapped { default "m-$arg_q"; }
      proxy_cache_path {dir}/kept keys_zone=kept:1m;
      upstream nobody { server 127.0.0.1:1 down; server 127.0.0.1:2 down; }
      upstream pair { server 127.0.0.1:1 max_fails=0; server {up} backup; }
      server { listen unix:{dir}/sock; weir p; location / { proxy_pass http://up; } }
      upstream secure { server 127.0.0.1:%d; keepalive 4; }
      server { listen 127.0.0.1:%d ssl; ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;
               ssl_client_certificate {dir}/ca.pem; ssl_verify_client on; location / { add_header x-client $ssl_client_s_dn; return 200 "secure\\n"; } }
      server { listen 127.0.0.1:%d ssl http2; server_name server.test; ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key; weir p;
               ssl_client_certificate {dir}/ca.pem; ssl_verify_client %s; location / { proxy_pass http://up; }
               location /both { proxy_ssl_certificate {dir}/client.pem; proxy_ssl_certificate_key {dir}/client.key; proxy_pass https://secure; } }
    """ % (secure := free_port(), secure, mtls := free_port(), "optional_no_ca"))
    n.file("paths", "\n".join([row["path"] for row in rows()] + EXTRA))
    n.file("www/static/page.txt", "page")
    n.ca = issue(n.dir, "ca", "/CN=ca", "DNS:ca.test")
    n.server = issue(n.dir, "server", "/C=DE/O=Weir, \"Inc\"/OU=a+b/CN=server.test", "URI:spiffe://weir/server,DNS:server.test,DNS:other.test,IP:127.0.0.1", n.ca)
    n.client = issue(n.dir, "client", "/O=Größe <x>/CN=client.test/emailAddress=c@weir.test", "email:c@weir.test,DNS:client.test,URI:spiffe://weir/client,URI:spiffe://weir/second", n.ca)
    n.stranger = issue(n.dir, "stranger", "/CN=stranger", "DNS:stranger.test")
    n.mtls = mtls
    return n



def text(found, **wanted):
    for name, value in wanted.items():
        path = name.replace("__", ".")
        equal(found[path], value.encode() if isinstance(value, str) else value, path)


@case(main)
def request_attributes(t, n):
    before = time.time_ns()
    with Connection(n.port) as c:
        mine = c.socket.getsockname()
        body = b"b" * 1000
        data = message("POST", "/echo/x?q=1&r=%20", [("User-Agent", "ua/1"), ("Referer", "http://r/"), ("X-A", "va")], body)
        c.send(data)
        c.read()
    found = values(n, "rh")
    text(found, request__protocol="HTTP/1.1", request__scheme="http", request__path="/echo/x?q=1&r=%20", request__url_path="/echo/x",
         request__query="q=1&r=%20", request__host="weir.test", request__method="POST", request__useragent="ua/1", request__referer="http://r/",
         source__address=f"127.0.0.1:{mine[1]}", destination__address=f"127.0.0.1:{n.port}", connection__mtls=b"\0", route_name="/",
         plugin_name="p", plugin_root_id="", plugin_vm_id="p", connection__tls_version=1, connection__requested_server_name=1,
         response__code=1, upstream__address=1, my__own=1, no__such=1, request=3, connection=3, ngx__nosuch=1, ngx__host="weir.test", ngx__arg_q="1", ngx__mapped="m-1")
    has(found, "request.headers.x-a")
    equal(found["request.headers.x-a"], b"va")
    equal(number(found["source.port"]), mine[1])
    equal(number(found["destination.port"]), n.port)
    equal(number(found["listener_direction"]), 1)
    equal(number(found["request.size"]), 1000)
    assert before - 2_000_000 <= number(found["request.time"]) + 1_000_000 <= time.time_ns(), number(found["request.time"])
    assert 0 <= number(found["request.duration"]) < 10**10
    assert len(found["request.id"]) == 32, found["request.id"]
    equal(number(found["connection.id"]), int(found["ngx.connection"]))
    after = values(n, "log")
    equal(number(after["request.total_size"]), len(data))
    equal(after["request.id"], found["request.id"])


@case(main)
def response_attributes(t, n):
    r = request(n.port, "/sized/5000")
    for phase in ("sh", "sb", "done", "log"):
        found = values(n, phase)
        equal(number(found["response.code"]), 200, phase)
        text(found, response__code_details="via_upstream", upstream__address=f"127.0.0.1:{t.up.port}", cluster_name="up")
        equal(number(found["upstream.port"]), t.up.port, phase)
        assert 0 <= number(found["response.backend_latency"]) < 10**10
        equal(found["response.headers.x-upstream"], b"1", phase)
    found = values(n, "log")
    assert 5000 <= number(found["response.size"]) < 5050, found  # $body_bytes_sent: with the framing of chunks
    assert number(found["response.total_size"]) > 5100, found
    equal(len(r.body), 5000)


@case(main)
def response_size_of_kept_connections_and_http2(t, n):
    with Connection(n.port) as c:
        for size in (5000, 30, 70):
            n.mark()
            c.send(message("GET", f"/sized/{size}"))
            c.read()
            sent = number(values(n, "log")["response.size"])
            assert size <= sent < size + 50, f"HTTP/1.1: {sent}"
    n.mark()
    h2(n.h2, "/sized/4000")
    found = values(n, "log")
    text(found, request__protocol="HTTP/2", source__address=found["source.address"])
    size = number(found["response.size"])
    assert 4000 <= size < 4100, f"HTTP/2: {size}"  # with the frames' heads, as $body_bytes_sent


@case(main)
def response_code_of_errors(t, n):
    for target, code in (("/static/none.txt", 404), ("/static/page.txt", 200), ("/dead", 502)):
        n.mark()
        equal(request(n.port, target).status, code)
        equal(number(values(n, "log")["response.code"]), code, target)


@case(main)
def client_gone_is_499_or_0(t, n):
    with Connection(n.port) as c:
        c.send(message("GET", "/slow/2000"))
        time.sleep(0.2)
    found = values(n, "log")
    assert found["response.code"] == 1 or number(found["response.code"]) in (0, 499), found["response.code"]


@case(main)
def variables_are_set(t, n):
    for path, status, header, wanted in (("ngx.mine", 0, "x-mine", "after"), ("ngx.host", 1, None, None), ("ngx.nosuch", 1, None, None),
                                         ("my.own", 0, None, None), ("request.path", 1, None, None), ("ngx.args", 0, None, None),
                                         ("ngx.mapped", 0, "x-mapped", "after"), ("ngx.MINE", 0, "x-mine", "after"), ("ngx.request_uri", 1, None, None)):
        n.mark()
        r = request(n.port, "/echo?q=1", [("x-set", f"{path}=after")])
        equal(int(re.search(rf"\] set {re.escape(path)} (\d+)", n.new_log())[1]), status, path)
        if header:
            equal(r.get(header), wanted, path)
        logged = values(n, "log")  # of each: the next request's lines are to be its own
        if path == "my.own":
            equal(logged["my.own"], b"after")
        if path == "ngx.mine":
            equal(values(n, "sh")["ngx.mine"], b"after")
    n.mark()
    equal(request(n.port, "/echo", [("x-set", "ngx.limit_rate=100k")]).status, 200)


def mtls(n, client=None, host="server.test", version=None, target="/echo", headers=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(n.ca[1])
    if client:
        context.load_cert_chain(client[1], client[0])
    if version:
        context.maximum_version = version
    with socket.create_connection(("127.0.0.1", n.mtls), 5) as raw, context.wrap_socket(raw, server_hostname=host) as s:
        s.sendall(message("GET", target, [("Connection", "close"), *headers]))
        while s.recv(65536):
            pass
        return s.version()


@case(main)
def client_certificate(t, n):
    n.mark()
    version = mtls(n, n.client)
    for phase in ("rh", "sb", "log"):
        text(values(n, phase), connection__mtls=b"\1", connection__tls_version=version, connection__requested_server_name="server.test",
             connection__subject_local_certificate=subject(n.server[1]), connection__subject_peer_certificate=subject(n.client[1]),
             connection__dns_san_local_certificate="server.test", connection__dns_san_peer_certificate="client.test",
             connection__uri_san_local_certificate="spiffe://weir/server", connection__uri_san_peer_certificate="spiffe://weir/client",
             connection__sha256_peer_certificate_digest=digest(n.client[1]), request__scheme="https")


@case(main)
def stranger_is_not_mtls(t, n):
    mtls(n, n.stranger, version=ssl.TLSVersion.TLSv1_2)
    text(values(n, "rh"), connection__mtls=b"\0", connection__subject_peer_certificate="CN=stranger", connection__tls_version="TLSv1.2",
         connection__sha256_peer_certificate_digest=digest(n.stranger[1]), connection__uri_san_peer_certificate=1)


@case(main)
def no_client_certificate(t, n):
    mtls(n)
    text(values(n, "rh"), connection__mtls=b"\0", connection__subject_peer_certificate=1, connection__sha256_peer_certificate_digest=1,
         connection__dns_san_peer_certificate=1, connection__subject_local_certificate=subject(n.server[1]))


@case(main)
def client_certificate_over_http2(t, n):
    equal(h2(n.mtls, tls=True, arguments=["--cert", str(n.client[1]), "--key", str(n.client[0])]).status, 200)
    text(values(n, "rh"), connection__mtls=b"\1", connection__subject_peer_certificate=subject(n.client[1]), request__protocol="HTTP/2")


@case(main)
def upstream_certificate(t, n):
    equal(request(n.port, "/tls").text, "secure\n")
    for phase in ("sh", "log"):
        text(values(n, phase), upstream__tls_version="TLSv1.2", upstream__subject_local_certificate=subject(n.client[1]),
             upstream__subject_peer_certificate=subject(n.server[1]), upstream__dns_san_local_certificate="client.test",
             upstream__dns_san_peer_certificate="server.test", upstream__uri_san_local_certificate="spiffe://weir/client",
             upstream__uri_san_peer_certificate="spiffe://weir/server", upstream__sha256_peer_certificate_digest=digest(n.server[1]),
             cluster_name="secure")
        assert found_port(values(n, phase)["upstream.local_address"]) > 1024


def found_port(address):
    return int(address.decode().rpartition(":")[2])


def pem(cert):
    """As Envoy gives it."""
    text = cert.read_text()
    for char, code in (("\n", "%0A"), (" ", "%20"), ("+", "%2B"), ("/", "%2F"), ("=", "%3D")):
        text = text.replace(char, code)
    return text


@case(main)
def every_property_of_the_table(t, n):
    """What the table says of NGINX is so: each row has a value in some phase of one request that has all there is, and of the type said."""
    mtls(n, n.client, target="/both?q=1", headers=[("User-Agent", "ua"), ("Referer", "r"), ("X-A", "1")])
    phases = {phase: values(n, phase) for phase in ("rh", "sh", "log")}
    # Seen by other cases: an end before its time, failures, what NGINX's upstream did not send here.
    elsewhere = {"connection.termination_details", "connection.transport_failure_reason", "upstream.transport_failure_reason",
                 "response.trailers", "response.grpc_status", "node.cluster", "node.locality.zone", "node.locality.sub_zone"}
    for row in rows():
        path, answer = row["path"], row["answer"]
        got = {phase: found[path] for phase, found in phases.items()}
        if answer.startswith("SERIALIZATION_FAILURE"):
            equal(set(got.values()), {3}, path)
        elif answer.startswith("an empty message"):
            equal(set(got.values()), {b""}, path)
        elif "nginx" not in row["where"]:
            equal(set(got.values()), {1}, path)
        elif path not in elsewhere:
            value = got["log"]
            assert isinstance(value, bytes), f"{path}: status {value}"
            if "int64" in row["type"]:
                equal(len(value), 8, path)
            if row["type"] == "bool":
                equal(len(value), 1, path)
            if row["when"] in ("always", "in a stream"):
                assert isinstance(got["rh"], bytes), f"{path}: {got['rh']} in the request"
            if row["when"] == "from the response on":
                equal(got["rh"], 1, f"{path} in the request")
                assert isinstance(got["sh"], bytes), f"{path}: {got['sh']} in the response"


@case(main)
def node_is_what_weir_node_says(t, n):
    request(n.port, "/echo")
    found = values(n, "rh")
    text(found, node__id="edge-7", xds__node__id="edge-7", node__cluster=1, node__locality__region="eu", node__locality=b"\x0a\2eu",
         node__metadata__NAMESPACE="shop", node=b"\x0a\6edge-7\x1a\x15\x0a\x13\x0a\x09NAMESPACE\x12\6\x1a\4shop\x22\4\x0a\2eu")
    text(found, xds__route_name="/", xds__virtual_host_name=1, listener_direction=struct.pack("<q", 1))


@case(main)
def maps_are_pairs(t, n):
    request(n.port, "/echo", [("X-A", "va"), ("X-A", "vb")])
    found = values(n, "sh")
    data = found["request.headers"]
    count = struct.unpack_from("<I", data)[0]
    sizes = struct.unpack_from(f"<{2 * count}I", data, 4)
    at, parts = 4 + 8 * count, []
    for size in sizes:
        parts.append(data[at:at + size].decode())
        equal(data[at + size], 0)
        at += size + 1
    equal(at, len(data))
    pairs = list(zip(parts[::2], parts[1::2]))
    equal([p for p in pairs if p[0] in (":method", "x-a")], [(":method", "GET"), ("x-a", "va"), ("x-a", "vb")])
    equal(number(found["request.headers_bytes"]), sum(len(a) + len(b) for a, b in pairs))
    equal(found["request.headers.x-a"], b"va,vb")
    equal(found["response.headers.X-Upstream"], b"1")


@case(main)
def certificates_as_pem(t, n):
    mtls(n, n.client, target="/both")
    found = values(n, "log")
    text(found, connection__peer_certificate=pem(n.client[1]), upstream__peer_certificate=pem(n.server[1]), connection__transport_failure_reason=1)
    equal(urllib.parse.unquote(found["connection.peer_certificate"].decode()), n.client[1].read_text())


@case(main)
def why_a_client_certificate_is_not_good(t, n):
    mtls(n, n.stranger)
    reason = values(n, "rh")["connection.transport_failure_reason"].decode()
    has(reason.replace("-", " "), "self signed certificate")


@case(main)
def upstreams_that_do_not_answer(t, n):
    for target, status, flag, details, transport, attempts in (
            ("/dead", 502, 0x20, "upstream_reset_before_response_started{connection_failure}", "connection failure", 1),
            ("/nobody", 502, 0x2, "no_healthy_upstream", 1, 1),
            ("/late", 504, 0x4, "response_timeout", 1, 1),
            ("/reset", 502, 0x40, "upstream_reset_before_response_started{connection_termination}", 1, 1),
            ("/refused", 502, 0x20, "upstream_reset_before_response_started{connection_failure}", b"certificate", 1),
            ("/status/502", 502, 0, "via_upstream", 1, 1),
            ("/pair", 200, 0, "via_upstream", 1, 2),
            ("/static/none.txt", 404, 0, "direct_response", 1, 0)):
        n.mark()
        equal(request(n.port, target).status, status, target)
        for phase in ("sh", "log"):
            found = values(n, phase)
            equal(number(found["response.flags"]), flag, f"{target} {phase}")
            text(found, response__code_details=details)
            if transport == b"certificate":
                has(found["upstream.transport_failure_reason"].decode(), "certificate")
            else:
                text(found, upstream__transport_failure_reason=transport)
            equal(number(found["upstream.request_attempt_count"]), attempts, target)
        if target == "/nobody":
            text(found, upstream__address=1, upstream__port=1, cluster_name="nobody")
            equal(number(found["upstream.num_endpoints"]), 2)
        if target == "/pair":
            equal(found["upstream.address"], b"127.0.0.1:%d" % t.up.port)


@case(main)
def answers_from_the_cache(t, n):
    request(n.port, "/cached")
    equal(number(values(n, "log")["response.flags"]), 0)
    n.mark()
    equal(request(n.port, "/cached").get("x-cache"), "HIT")
    found = values(n, "log")
    equal(number(found["response.flags"]), 0x100000)
    text(found, upstream__address=1, upstream__local_address=1)
    equal(number(found["upstream.request_attempt_count"]), 0)


@case(main)
def a_client_that_leaves(t, n):
    with Connection(n.port) as c:
        c.send(message("GET", "/slow/2000"))
        time.sleep(0.2)
    found = values(n, "log")
    text(found, connection__termination_details="the client closed the connection")
    equal(number(found["response.flags"]), 0x4000)
    n.mark()
    request(n.port, "/echo")
    text(values(n, "log"), connection__termination_details=1)


@case(main)
def over_a_unix_socket(t, n):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(n.dir / "sock"))
        s.sendall(message("GET", "/echo", [("Connection", "close")]))
        while s.recv(65536):
            pass
    text(values(n, "rh"), source__address="unix:", source__port=1, destination__port=1, destination__address=f"unix:{n.dir}/sock")


@case(main)
def latency_of_the_upstream(t, n):
    request(n.port, "/drip/3/100")
    head, end = number(values(n, "sh")["response.backend_latency"]), number(values(n, "log")["response.backend_latency"])
    assert head < end < 10**9 and end >= 200_000_000, (head, end)
    assert 0 <= number(values(n, "log")["upstream.cx_pool_ready_duration"]) < 10**9


@case()
def custom_ones_along_a_chain(t):
    """Set by one plugin, read by the next in the request, by the one before in the response, and at the end."""
    n = t.nginx("weir_plugin a {guests}/properties.wasm config=paths statuses=strict; weir_plugin b {guests}/properties.wasm config=paths statuses=strict;",
                  "location / { weir a b; proxy_pass http://up; }",)
    n.file("paths", "my.own")
    n.start()
    request(n.port, "/echo", [("x-set", "my.own=v")])
    n.wait_log(r"\[b\] prop log my\.own")
    got = re.findall(r"\[(\w)\] prop (\w+) my\.own (\d) (=?\w*)", n.new_log())
    equal({(plugin, phase): (status, decoded(value)) for plugin, phase, status, value in got},
          {(plugin, phase): ("0", b"v") for plugin in "ab" for phase in ("rh", "sh", "sb", "done", "log")})
    n.mark()
    request(n.port, "/echo")  # another stream
    n.wait_log(r"\[b\] prop log my\.own 1")


@site
def grpc_site(t):
    if cases_grpc.grpc is None:
        raise Skip("no grpcio here: apt-get install python3-grpcio")
    service = cases_grpc.Service()
    n = t.nginx("weir_plugin p {guests}/properties.wasm config=paths statuses=strict;",
                "location / { weir p; grpc_pass grpc://127.0.0.1:%d; }" % service.port)
    n.file("paths", "\n".join(("response.grpc_status", "response.trailers", "response.trailers.x-trailer", "response.trailers.grpc-status",
                               "request.protocol", "my.own")))
    n.service = service
    return n


@case(grpc_site)
def grpc_status_of_trailers(t, n):
    for method, status, trailer in (("Unary", 0, b"t"), ("Fail", 9, 1)):
        n.mark()
        with cases_grpc.grpc.insecure_channel(f"127.0.0.1:{n.h2}") as channel:
            try:
                channel.unary_unary(f"/weir.Test/{method}")(b"a", timeout=10)
            except cases_grpc.grpc.RpcError as e:
                equal(e.code().value[0], status)
        found = values(n, "log")
        equal(number(found["response.grpc_status"]), status, method)
        equal(found["response.trailers.x-trailer"], trailer)
        equal(found["request.protocol"], b"HTTP/2")
