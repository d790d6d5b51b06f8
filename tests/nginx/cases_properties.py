"""Every property over NGINX, with Envoy's encodings: values against what openssl, the sockets and NGINX's own variables say."""
import hashlib
import re
import socket
import ssl
import struct
import subprocess
import time

from cases import case, equal, has, site
from client import Connection, h2, message, request
from harness import free_port

PATHS = """request.id request.protocol request.scheme request.time request.duration request.size request.total_size request.path
request.url_path request.query request.host request.method request.useragent request.referer request.headers.x-a response.headers.x-upstream
response.code response.code_details response.flags
response.grpc_status response.size response.total_size response.backend_latency source.address source.port destination.address
destination.port connection.id connection.mtls connection.requested_server_name connection.tls_version
connection.subject_local_certificate connection.subject_peer_certificate connection.dns_san_local_certificate
connection.dns_san_peer_certificate connection.uri_san_local_certificate connection.uri_san_peer_certificate
connection.sha256_peer_certificate_digest connection.termination_details upstream.address upstream.port upstream.local_address
upstream.tls_version upstream.subject_local_certificate upstream.subject_peer_certificate upstream.dns_san_local_certificate
upstream.dns_san_peer_certificate upstream.uri_san_local_certificate upstream.uri_san_peer_certificate
upstream.sha256_peer_certificate_digest upstream.transport_failure_reason node cluster_name route_name listener_direction
plugin_name plugin_root_id plugin_vm_id ngx.mine ngx.mapped ngx.host ngx.request_uri ngx.connection ngx.arg_q ngx.args ngx.limit_rate ngx.nosuch
ngx.uri ngx.http_x_a my.own""".split()


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


def values(n, phase):
    """{path: bytes, or the status when it is not OK} of the request since mark()."""
    n.wait_log(r"prop log my\.own" if phase == "log" else f"prop {phase} " + r"my\.own")
    found = {}
    for path, status, value in re.findall(rf"prop {phase} (\S+) (\d+) ([0-9a-f]*)", n.new_log()):
        found[path] = bytes.fromhex(value) if status == "0" else int(status)
    return found


def number(value):
    equal(len(value), 8, "bytes of an integer")
    return struct.unpack("<q", value)[0]


@site
def main(t):
    n = t.nginx("weir_plugin p {guests}/properties.wasm config=paths statuses=strict;", """
      weir p;
      set $mine "before";
      add_header x-mine $mine; add_header x-mapped $mapped;
      location / { proxy_pass http://up; }
      location /static/ { root {dir}/www; }
      location /tls { proxy_ssl_certificate {dir}/client.pem; proxy_ssl_certificate_key {dir}/client.key; proxy_ssl_server_name on;
                      proxy_set_header Connection ""; proxy_pass https://secure; }
      location ~ ^/regex/ { proxy_pass http://up; }
      location /dead { proxy_pass http://127.0.0.1:1; }
    """, http="""
      map $arg_q $mapped { default "m-$arg_q"; }
      upstream secure { server 127.0.0.1:%d; keepalive 4; }
      server { listen 127.0.0.1:%d ssl; ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;
               ssl_client_certificate {dir}/ca.pem; ssl_verify_client on; location / { add_header x-client $ssl_client_s_dn; return 200 "secure\\n"; } }
      server { listen 127.0.0.1:%d ssl http2; ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key; weir p;
               ssl_client_certificate {dir}/ca.pem; ssl_verify_client %s; location / { proxy_pass http://up; } }
    """ % (secure := free_port(), secure, mtls := free_port(), "optional_no_ca"))
    n.file("paths", "\n".join(PATHS))
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
         response__code=1, upstream__address=1, node=1, my__own=1, ngx__nosuch=1, ngx__host="weir.test", ngx__arg_q="1", ngx__mapped="m-1")
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
        if path == "my.own":
            equal(values(n, "log")["my.own"], b"after")
        if path == "ngx.mine":
            equal(values(n, "sh")["ngx.mine"], b"after")
    n.mark()
    equal(request(n.port, "/echo", [("x-set", "ngx.limit_rate=100k")]).status, 200)


def mtls(n, client=None, host="server.test", version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(n.ca[1])
    if client:
        context.load_cert_chain(client[1], client[0])
    if version:
        context.maximum_version = version
    with socket.create_connection(("127.0.0.1", n.mtls), 5) as raw, context.wrap_socket(raw, server_hostname=host) as s:
        s.sendall(message("GET", "/echo", [("Connection", "close")]))
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
