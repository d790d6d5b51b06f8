#!/usr/bin/env python3
"""Registers the example plugins of plugins/cclb, verifies each as the reference's suite does, and compares what they answer.

usage: examples.py [WEIR [MODULES]]. The C++ and the Rust example of a kind do the same, so one table of calls serves both.
Prints a line for what failed and `N passed, N failed, N skipped`; exit 1 on a failure.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIR, MODULES = [*sys.argv[1:], *(str(ROOT / "build/bin/weir"), str(ROOT / "build/plugins"))[len(sys.argv) - 1:]]

HEADERS = [{"name": "Host", "value_base64": "YQ=="}, {"name": "X-é\"\\]}", "value_base64": "Yg=="}, {"name": "Authorization", "value_base64": "cw=="}]
UPSTREAM = {"kind": "anthropic_direct"}
PRINCIPAL = {"id": "p", "kind": "api_key", "claims": {"body_base64": [1, {"b": "]}\""}]}}
REQUEST = {"request_id": "r", "headers": HEADERS, "method": "POST", "path": "/v1/messages", "query": "a=b", "body_base64": "e30="}
SHAPED = {"url": "u", "method": "M", "headers": HEADERS, "body_base64": ""}
STATE = {"key_base64": "c2VjcmV0", "renewals": 0}
KEY_HEADER = {"name": "x-api-key", "value_base64": "c2VjcmV0"}
BY = {"cpp": "Y3BwLXNoYXBl", "rust": "cnVzdC1zaGFwZQ=="}


class Error(str):
    """The plugin refuses, with this text."""


def shaped(base, language, **other):
    return {"url": base + "/v1/messages?a=b", "method": "POST", "headers": [HEADERS[1], {"name": "x-shaped-by", "value_base64": BY[language]}],
            "body_base64": "e30=", **other}


def candidate(name, *utilizations):
    quotas = [{"window": "5h", "source": "s", "data_state": "d", "utilization": used} for used in utilizations]
    return {"upstream_id": name, "name": "n", "kind": "k", "observed_rate_limits": [], "subscription_quotas": quotas, "observed_at_unix_secs": 1}


def verdicts(text):
    return {"results": [{"upstream_id": f"u{i}", "decision": "accept" if c == "+" else "reject", "reason": "" if c == "+" else "quota"}
                        for i, c in enumerate(text)]}


USED = [[], [0.1, 0.951], [0.95, None], [1.5], [1e-9], [1e300], [1], [0]]
EVENTS = [{"kind": "request_started", "request_id": "a"}, {"kind": "authn_complete", "principal_id": "a", "principal_kind": "b"},
          {"kind": "upstream_chosen", "upstream": UPSTREAM}, {"kind": "chunk", "batch_index": 1, "event_count": 2, "total_bytes": 3},
          {"kind": "request_finished", "status": 200, "input_tokens": 5, "duration_ms": 5}, {"kind": "error", "code": "a", "message": "b", "source": "c"}]
LONG = "eA==" * 16384
# kind, kind for `verify` (none of them is for signers), calls: function, request, response (a function: of the language)
KINDS = [
    ("shape", "shape", [
        ("shape", {"request": REQUEST, "upstream": UPSTREAM, "principal": PRINCIPAL}, lambda by: shaped("https://api.anthropic.com", by)),
        ("shape", {"request": {**REQUEST, "body_base64": LONG}, "upstream": UPSTREAM, "principal": PRINCIPAL},
         lambda by: shaped("https://api.anthropic.com", by, body_base64=LONG)),
        ("shape_v2", {"request": REQUEST, "upstream": UPSTREAM, "principal": PRINCIPAL, "upstream_base_url": "https://x.test"},
         lambda by: shaped("https://x.test", by)),
        ("normalize_error", {"status": 500, "body_base64": ""}, {"body_base64": "eyJlcnJvciI6InVwc3RyZWFtIn0="}),
        ("normalize_error", {"status": 499, "body_base64": "e30="}, {"body_base64": None}),
    ]),
    ("router", "router", [
        ("filter", {**REQUEST, "principal": PRINCIPAL, "candidates": []}, {"results": []}),
        ("filter", {**REQUEST, "principal": PRINCIPAL, "candidates": [candidate(f"u{i}", *used) for i, used in enumerate(USED)]}, verdicts("+-+-+--+")),
    ]),
    ("signer", None, [
        ("build_signer", {"upstream": UPSTREAM, "factory_state": {"key_base64": "c2VjcmV0"}}, {"signer_state": STATE}),
        ("build_signer", {"upstream": UPSTREAM, "factory_state": None}, Error("factory_state has no key_base64")),
        ("sign", {"shaped": SHAPED, "signer_state": STATE}, {"url": None, "method": None, "headers": [*HEADERS, KEY_HEADER], "body_base64": None}),
        ("sign", {"shaped": SHAPED, "signer_state": {}}, Error("signer_state has no key_base64")),
        ("on_unauthorized", {"error": {"status": 401, "category": "unauthorized"}, "signer_state": STATE},
         {"decision": "refresh", "signer_state": {**STATE, "renewals": 1}}),
        ("on_unauthorized", {"error": {"status": 401, "category": "unauthorized"}, "signer_state": {**STATE, "renewals": 2}},
         {"decision": "fail", "signer_state": {**STATE, "renewals": 2}}),
        ("on_unauthorized", {"error": {"status": 403, "category": "failed"}, "signer_state": STATE}, {"decision": "fail", "signer_state": STATE}),
        ("on_unauthorized", {"error": {"status": 401, "category": "unauthorized"}, "signer_state": None}, {"decision": "fail", "signer_state": None}),
    ]),
    ("observer", "observability", [("observe", {"events": []}, {}), ("observe", {"events": EVENTS}, {})]),
]


def weir(*arguments, text=None):
    return subprocess.run([WEIR, "cclb", *arguments], input=text, capture_output=True, text=True, timeout=300)


def checks(registry, language, kind, verify, calls):
    """(what, failed: why or None) for one example."""
    name, module = f"{language}-{kind}", f"{MODULES}/cclb-{language}-{kind}.wasm"
    done = weir("register", "--registry", registry, module)
    yield "register", None if done.returncode == 0 else done.stdout + done.stderr
    if verify:
        done = weir("verify", module, "--kind", verify)
        yield "verify", None if done.returncode == 0 else done.stdout + done.stderr
    for number, (function, request, expected) in enumerate(calls):
        done = weir("dispatch", "--registry", registry, name, "--function", function, "--request", "-", text=json.dumps(request))
        expected = expected(language) if callable(expected) else expected
        what = f"{function} {number}"
        if isinstance(expected, Error):
            yield what, None if done.returncode == 1 and expected in done.stdout + done.stderr else f"not {expected!r}: {done.stdout + done.stderr}"
        elif done.returncode != 0:
            yield what, done.stdout + done.stderr
        else:
            yield what, None if json.loads(done.stdout) == expected else f"{done.stdout[:2000]} is not {json.dumps(expected)[:2000]}"


def stores(folder):
    """What a plugin stores: rs_hostfns counts its calls, and fails at the third."""
    registry, storage = ("--registry", f"{folder}/stores.db"), ("--storage", f"{folder}/storage.db")

    def observe(*arguments):
        done = weir("dispatch", *registry, "hostfns", "--function", "observe", *arguments)
        return done.returncode if "count=3" not in done.stdout + done.stderr else "third"

    done = weir("register", *registry, "--host-functions", f"{MODULES}/rs_hostfns.wasm")
    yield "register", None if done.returncode == 0 else done.stdout + done.stderr
    for what, got, expected in (("in memory", [observe() for _ in range(4)], [0] * 4), ("kept", [observe(*storage) for _ in range(3)], [0, 0, "third"]),
                                ("in the registry itself", [observe("--storage", registry[1]) for _ in range(3)], [0, 0, "third"]),
                                ("over the quota", [observe("--quota", "13")], [1]), ("at the quota", [observe("--quota", "14")], [0])):
        yield what, None if got == expected else f"{got} is not {expected}"
    done = weir("check", *registry)
    yield "check", None if (done.returncode, done.stdout) == (0, "1 plugins, 0 faults\n") else done.stdout + done.stderr


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, why in stores(folder):
            passed, failed = passed + (why is None), failed + (why is not None)
            if why is not None:
                print(f"FAIL stores {what}: {why}")
        for language in BY:
            for kind, verify, calls in KINDS:
                for what, why in checks(f"{folder}/plugins.db", language, kind, verify, calls):
                    passed, failed = passed + (why is None), failed + (why is not None)
                    if why is not None:
                        print(f"FAIL {language}-{kind} {what}: {why}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
