"""weir_cluster and weir_allow_hosts: what `nginx -t` takes and what it refuses, with which words."""
import subprocess

from cases import case, each, equal, has

GOOD = [
    ("one", "weir_cluster a http://127.0.0.1:1;"), ("a name without a port", "weir_cluster a http://localhost/;"), ("TLS", "weir_cluster a https://[::1]:8443;"),
    ("several", "weir_cluster a http://127.0.0.1:1 http://127.0.0.1:2 unix:/run/x.sock timeout=5s;"), ("a socket as of proxy_pass", "weir_cluster a http://unix:/run/x.sock:;"),
    ("all arguments", "weir_cluster a https://h timeout=300ms connect_timeout=1s ca={cert} host=weir.test cert={cert} key={key} http2=auto max_answer=1m max_calls=10 idle=5s;"),
    ("cert and key in one file", "weir_cluster a https://h cert={dir}/both.pem;"), ("not verified", "weir_cluster a https://h verify=off http2=off;"),
    ("least", "weir_cluster a http://h timeout=1ms max_answer=1 max_calls=1;"), ("most", "weir_cluster a http://h timeout=24h max_answer=1g max_calls=1000000;"),
    ("no hosts but these", "weir_allow_hosts api.example.org *.example.org 10.0.0.1:8080 [::1]:80; weir_allow_hosts other;"), ("any host", "weir_allow_hosts any;"),
    ("the name of an upstream block", "weir_cluster up https://h;"),
]


def configured(t, directives, conf=""):
    n = t.nginx("weir_plugin s {guests}/script.wasm; " + directives, conf)
    n.file("both.pem", b"".join((n.dir / name).read_bytes() for name in ("key.pem", "cert.pem")))
    n.file("text.pem", "not a certificate\n")
    n.file("empty.pem", "")
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", n.dir / "other.key"], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", n.dir / "key.pem", "-aes128", "-passout", "pass:secret", "-out", n.dir / "locked.key"], check=True, capture_output=True)
    return n


@each(GOOD)
def taken(t, directives):
    code, text = configured(t, directives).check()
    equal(code, 0, text)


BAD = [
    ("no URL", "weir_cluster a timeout=1s;", "cluster \"a\": has no URL"),
    ("no scheme", "weir_cluster a 127.0.0.1:80;", "\"127.0.0.1:80\" is not http://HOST"),
    ("another scheme", "weir_cluster a ftp://h;", "\"ftp://h\" is not http://"),
    ("a path", "weir_cluster a http://h/x;", "\"http://h/x\" is not http://"),
    ("a user", "weir_cluster a http://me:secret@h;", "is not http://"),
    ("a query with an argument's look", "weir_cluster a http://h/?a=b;", "is not http://"),
    ("port 0", "weir_cluster a http://h:0;", "is not http://"),
    ("port 65536", "weir_cluster a http://h:65536;", "is not http://"),
    ("a socket without a path", "weir_cluster a unix:x.sock;", "is not http://"),
    ("a socket's path too long", "weir_cluster a unix:/" + "x" * 107 + ";", "is not http://"),
    ("a bad name", "weir_cluster a/b http://h;", "\"a/b\" cannot name a cluster"),
    ("twice", "weir_cluster a http://h; weir_cluster a http://i;", "cluster \"a\": is declared twice, first in "),
    ("unknown argument", "weir_cluster a http://h timout=1s;", "weir_cluster has no argument \"timout\"; did you mean \"timeout=\"?"),
    ("strange argument", "weir_cluster a http://h colour=red;", "it knows timeout= connect_timeout="),
    ("argument twice", "weir_cluster a http://h timeout=1s timeout=2s;", "timeout is given twice"),
    ("no time", "weir_cluster a http://h timeout=fast;", "\"fast\" is not a time"),
    ("time 0", "weir_cluster a http://h timeout=0;", "between 1ms and 24h"),
    ("no size", "weir_cluster a http://h max_answer=big;", "\"big\" is not a size"),
    ("size 0", "weir_cluster a http://h max_answer=0;", "between 1 and 1g"),
    ("calls 0", "weir_cluster a http://h max_calls=0;", "a number from 1 to 1000000"),
    ("http2", "weir_cluster a http://h http2=yes;", "http2=yes: must be auto"),
    ("verify", "weir_cluster a https://h verify=no;", "verify=no: must be on, or off"),
    ("host", "weir_cluster a https://h host=a/b;", "must be the name in the server's certificate"),
    ("TLS without https", "weir_cluster a http://h ca={cert};", "ca= is for TLS, and no URL here begins with https://"),
    ("CA and no verification", "weir_cluster a https://h ca={cert} verify=off;", "ca= verifies nothing with verify=off"),
    ("no CA file", "weir_cluster a https://h ca=nosuch.pem;", "nosuch.pem cannot be read"),
    ("CA that is none", "weir_cluster a https://h ca={dir}/text.pem;", "text.pem has no certificate in PEM"),
    ("empty CA", "weir_cluster a https://h ca={dir}/empty.pem;", "empty.pem has no certificate in PEM"),
    ("key without certificate", "weir_cluster a https://h key={key};", "key= is given without cert="),
    ("certificate without key", "weir_cluster a https://h cert={cert};", "has no private key in PEM"),
    ("key of another", "weir_cluster a https://h cert={cert} key={dir}/other.key;", "do not belong together"),
    ("key with a password", "weir_cluster a https://h cert={cert} key={dir}/locked.key;", "opens without a password"),
    ("a bad host", "weir_allow_hosts http://h;", "weir_allow_hosts: \"http://h\" is not HOST"),
    ("a bad pattern", "weir_allow_hosts a.*.org;", "weir_allow_hosts: \"a.*.org\" is not HOST"),
    ("a bad port", "weir_allow_hosts h:99999;", "weir_allow_hosts: \"h:99999\" is not HOST"),
]


@each(BAD, log="emerg")
def refused(t, directives, wanted):
    n = configured(t, directives)
    code, text = n.check()
    equal(code, 1, text)
    has(text, wanted)
    has(text, f"{n.conf}:")
    has(text, "weir: ")
