#!/usr/bin/env python3
"""Random and mutated offers, accepts, identities, self-checks, metadata and wire values, to ask the reference and Weir the same.

usage: differential.py --ops FILE [--seed N] [--count N]          writes operations, a JSON array
       differential.py --lines ANSWERS DIRECTORY                  the reference's answers to them, as golden lines for cclb_golden_test

  differential.py --ops ops.json && oracle eval ops.json answers.json && differential.py --lines answers.json lines
  WEIR_GOLDEN_DIR=lines build/bin/cclb_golden_test
"""
import argparse
import base64
import json
import pathlib
import random
import string

FUNCTIONS = ["shape", "normalize_error", "build_signer", "sign", "on_unauthorized", "observe", "filter", "route", "x", ""]
CAPS = ["log", "LOG", "storage", "a:b", "", "ünï", "trace-context", "z" * 70]
HEADER = {"name": "n", "value_base64": "dg=="}
QUOTA = {"window": "5h", "source": "s", "data_state": "d", "utilization": 0.5, "status": None, "resets_at_unix_secs": 1, "surpassed_threshold": True,
         "representative_claim": None, "disabled_reason": None, "observed_at_unix_millis": 2, "age_secs": 3}
RATE = {"kind": "k", "window": "w", "limit": 1, "remaining": None, "reset": "z"}
SCORE = {"predicted_cache_read_tokens": 1, "predicted_cache_creation_tokens_5m": 2, "predicted_cache_creation_tokens_1h": 3, "predicted_uncached_input_tokens": 4,
         "predicted_expires_at_unix_secs": 5, "matched_breakpoint_index": 6, "confidence": 0.85, "ambiguity_reason": "a"}
CANDIDATE = {"upstream_id": "u", "name": "n", "kind": "k", "observed_rate_limits": [RATE], "subscription_quotas": [QUOTA], "observed_at_unix_secs": 5}
PRINCIPAL = {"id": "i", "kind": "k", "claims": {"z": 1, "a": [True, None, 1.5]}}
REQUEST = {"request_id": "r", "headers": [HEADER], "method": "M", "path": "/", "query": "q", "body_base64": ""}
UPSTREAM = {"kind": "anthropic_direct"}
SHAPED = {"url": "u", "method": "m", "headers": [HEADER], "body_base64": ""}
ERROR = {"status": 401, "body_base64": "b", "category": "failed"}
IDENTITY = {"magic": [204, 27, 112, 16, 0, 1, 0, 0], "abi_envelope": 1, "plugin_name": "p-1", "plugin_version": "1.0.0"}
METADATA = {"identity": IDENTITY, "negotiated_functions": {"shape": 1}, "negotiated_capabilities": ["log"], "handshake_completed_at": 1000,
            "self_check_passed": True, "self_check_completed_at": 1100, "expires_at": 2000}
ACCEPT = {"handshake_schema_version": 1, "envelope_version": 1, "chosen_versions": {"shape": 1}, "plugin_supported": {"shape": [1]},
          "implemented_functions": ["shape"], "required_capabilities": ["log"]}
OFFER = {"handshake_schema_version": 1, "envelope_version": 1, "function_versions": {"shape": [1], "sign": [1, 2]}, "host_capabilities": ["log", "Z"]}
SELF_CHECK = {"status": "failure", "failures": [{"stage": "wire_function_test", "message": "m"}], "completed_at": 5}
EVENTS = [
    {"kind": "request_started", "request_id": "r", "downstream_user_agent": "ua"},
    {"kind": "authn_complete", "principal_id": "p", "principal_kind": "k"},
    {"kind": "upstream_chosen", "upstream": UPSTREAM},
    {"kind": "chunk", "batch_index": 1, "event_count": 2, "total_bytes": 3},
    {"kind": "request_finished", "status": 200, "input_tokens": 1, "output_tokens": None, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "duration_ms": 9},
    {"kind": "error", "code": "c", "message": "m", "source": "s"},
]
TYPES = {
    "PluginIdentity": [IDENTITY], "HandshakeOffer": [OFFER], "HandshakeAccept": [ACCEPT], "SelfCheckResponse": [SELF_CHECK],
    "SelfCheckRequest": [{"functions_to_test": ["shape"], "initiated_at": 1}], "AugmentedMetadata": [METADATA],
    "HandshakeOfferRaw": [{"handshake_schema_version": 1, "envelope_version": 1, "function_versions": [{"function": "shape", "versions": [1]}], "host_capabilities": ["a"]}],
    "PluginRegistryRecord": [{"plugin_id": "x", "augmented_metadata": METADATA, "registered_at": 900}],
    "HeaderWire": [HEADER], "Principal": [PRINCIPAL], "RequestWire": [REQUEST], "UpstreamWire": [UPSTREAM], "DialectBinding": [{"kind": "self"}],
    "UpstreamErrorCategory": ["failed", "retryable"], "UpstreamErrorWire": [ERROR], "ObserveEventWire": EVENTS, "CandidateWire": [CANDIDATE],
    "CandidateWireV2": [CANDIDATE, {**CANDIDATE, "cache_score": SCORE}], "CacheScoreWire": [SCORE],
    "CacheBreakpointWire": [{"block_index": 0, "source": "system", "path": "p", "message_index": 1, "prefix_hash": "h", "prefix_token_count": 1, "requested_ttl": "ephemeral5m", "origin": "explicit"}],
    "WarmCacheEntryWire": [{"prefix_hash": "h", "expires_at_unix_secs": 1, "ttl_class": "ephemeral1h", "last_observed_at_unix_secs": 2}],
    "RateLimitObservationWire": [RATE], "SubscriptionQuotaCandidateSnapshotWire": [QUOTA],
    "ShapeRequest": [{"request": REQUEST, "upstream": UPSTREAM, "principal": PRINCIPAL}],
    "ShapeRequestV2": [{"request": REQUEST, "upstream": UPSTREAM, "principal": PRINCIPAL, "upstream_base_url": "x"}],
    "ShapeResponse": [SHAPED], "NormalizeErrorRequest": [{"status": 500, "body_base64": ""}], "NormalizeErrorResponse": [{"body_base64": "x"}],
    "BuildSignerRequest": [{"upstream": UPSTREAM, "factory_state": {"b": 1, "a": 2}}], "BuildSignerResponse": [{"signer_state": [1, {"z": 0, "y": -1}]}],
    "SignRequest": [{"shaped": SHAPED, "signer_state": None}], "SignResponse": [{"url": "u", "method": "m", "headers": [HEADER], "body_base64": "b"}],
    "OnUnauthorizedRequest": [{"error": ERROR, "signer_state": 1}], "OnUnauthorizedResponse": [{"decision": "d", "signer_state": None}],
    "ObserveRequest": [{"events": EVENTS}], "ObserveResponse": [{}],
    "FilterRequest": [{**REQUEST, "principal": PRINCIPAL, "candidates": [{**CANDIDATE, "cache_score": SCORE}]}],
    "FilterResponse": [{"results": [{"upstream_id": "u", "decision": "accept", "reason": "r"}]}],
    "FallbackPolicy": ["fail_request", "use_default"], "PluginKind": ["dialect"],
}
RAW = ["-0", "0", "-1", "1.0", "1e0", "1e2", "255", "256", "65535", "65536", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
       "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "1e308", "1e309", "1e-324", "2.2250738585072011e-308",
       "0.1", "123456789012345678901234567890", "1.7976931348623159e308", "3.4028236e38", "01", "+1", ".5", "1.", "1e", "-", "NaN", "true", "null", '"x"', "[]", "{}",
       '"\\ud800"', '"\\u00e9\\ud83d\\ude00"', '"\\x"', '"a\\u0000b"', "[0]", '{"failed":null}', '{"shape":null}']


class Gen:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def number(self):
        kind = self.r.randrange(5)
        if kind == 0:
            return self.r.choice(RAW)
        digits = "".join(self.r.choice(string.digits) for _ in range(self.r.randrange(1, 25))).lstrip("0") or "0"
        text = self.r.choice(["", "-"]) + digits
        if kind >= 2:
            text += "." + "".join(self.r.choice(string.digits) for _ in range(self.r.randrange(1, 25)))
        if kind >= 3:
            text += self.r.choice("eE") + self.r.choice(["", "+", "-"]) + str(self.r.randrange(0, self.r.choice([10, 40, 330])))
        return text

    def dump(self, value, depth=0):
        """JSON with the members shuffled, some twice, some as arrays, some replaced."""
        roll = self.r.random()
        if roll < 0.02:
            return self.r.choice(RAW)
        space = self.r.choice(["", "", " ", "\n\t"])
        if isinstance(value, dict):
            items = list(value.items())
            if depth < 9 and roll < 0.10:
                return "[" + ",".join(self.dump(v, depth + 1) for _, v in items[: len(items) - (roll < 0.04)]) + (",null" if roll < 0.03 else "") + "]"
            if self.r.random() < 0.5:
                self.r.shuffle(items)
            out = []
            for key, item in items:
                if self.r.random() < 0.02:
                    continue
                name = json.dumps(key) if self.r.random() > 0.05 or not key else '"\\u%04x%s"' % (ord(key[0]), key[1:])
                out.append(f"{name}{space}:{space}{self.dump(item, depth + 1)}")
                if self.r.random() < 0.02:
                    out.append(f"{json.dumps(key)}:{self.dump(item, depth + 1)}")
            if self.r.random() < 0.03:
                out.append(f'"{self.r.choice(["x", "kind", "_v", ""])}":{self.r.choice(RAW)}')
            return "{" + space + ("," + space).join(out) + "}"
        if isinstance(value, list):
            return "[" + ",".join(self.dump(v, depth + 1) for v in value) + "]"
        if isinstance(value, bool) or value is None:
            return json.dumps(value)
        if isinstance(value, (int, float)):
            return self.number() if self.r.random() < 0.3 else json.dumps(value)
        if self.r.random() < 0.1:
            return json.dumps(self.r.choice(CAPS + ["\x7f", "\u2028", "a/b", 'q"\\']), ensure_ascii=self.r.random() < 0.5)
        return json.dumps(value)

    def mutate(self, text):
        if self.r.random() > 0.12 or not text:
            return text
        at = self.r.randrange(len(text))
        return self.r.choice([text[:at], text[:at] + text[at + 1:], text[:at] + self.r.choice(',:{}[]"0\\ \x01é') + text[at:], text + self.r.choice(["x", " ", ","])])

    def value(self, depth=0):
        kind = self.r.randrange(8 if depth < 4 else 5)
        if kind < 3:
            return self.number()
        if kind == 3:
            return json.dumps("".join(self.r.choice('abé\u2028\x1f"\\/\U0001f600') for _ in range(self.r.randrange(6))), ensure_ascii=self.r.random() < 0.5)
        if kind == 4:
            return self.r.choice(["true", "false", "null"])
        items = [self.value(depth + 1) for _ in range(self.r.randrange(4))]
        if kind == 5:
            return "[" + ",".join(items) + "]"
        return "{" + ",".join(f'"{self.r.choice(["a", "b", "Z", "_", "é", "aa"])}":{item}' for item in items) + "}"

    def versions(self):
        return [self.r.choice([0, 1, 1, 2, 3, 65535, 65536]) for _ in range(self.r.choice([0, 1, 1, 2, 3, 17]))]

    def functions(self):
        return self.r.sample(FUNCTIONS, self.r.randrange(len(FUNCTIONS)))

    def accept(self):
        offer = {"handshake_schema_version": 1, "envelope_version": 1, "function_versions": {f: self.versions() for f in self.functions()},
                 "host_capabilities": sorted(set(self.r.sample(CAPS, self.r.randrange(4))))}
        supported = {f: self.versions() for f in self.functions()}
        names = [f for f in supported if f in offer["function_versions"]] or ["shape"]
        chosen = {self.r.choice(names + self.r.sample(FUNCTIONS, 1)): self.r.choice([0, 1, 1, 2, 3, 65535]) for _ in range(self.r.randrange(3))}
        caps = offer["host_capabilities"] if self.r.random() < 0.8 else self.r.sample(CAPS, 2)
        accept = {"handshake_schema_version": self.r.choice([1] * 9 + [2]), "envelope_version": self.r.randrange(3), "chosen_versions": chosen,
                  "plugin_supported": supported, "implemented_functions": list(chosen), "required_capabilities": caps}
        return {"op": "accept_validate", "offer": json.dumps(offer), "accept": json.dumps(accept)}

    def raw_offer(self):
        entries = [{"function": self.r.choice(FUNCTIONS), "versions": self.versions()} for _ in range(self.r.randrange(8))]
        return json.dumps({"handshake_schema_version": self.r.randrange(3), "envelope_version": self.r.randrange(3), "function_versions": entries,
                           "host_capabilities": [self.r.choice(CAPS) for _ in range(self.r.randrange(6))]})

    @staticmethod
    def leb(value, padded=0):
        out = []
        while True:
            byte = value & 0x7F
            value >>= 7
            if value or len(out) < padded:
                out.append(byte | 0x80)
            else:
                return bytes(out + [byte])

    def section(self, number, content):
        return bytes([number]) + self.leb(len(content), self.r.choice([0] * 8 + [2, 4])) + content

    def custom(self):
        payload = self.dump(IDENTITY).encode() if self.r.random() < 0.6 else json.dumps(IDENTITY).encode()
        name = self.r.choice([b"cc_lb.plugin.v1"] * 6 + [b"name", b"cc_lb.plugin.v2", b"\xff", b""])
        return self.section(0, self.leb(len(name)) + name + payload)

    def module(self, depth=0):
        if depth < 3 and self.r.random() < 0.12:
            out = b"\0asm\x0d\0\1\0"
            for _ in range(self.r.randrange(4)):
                kind = self.r.randrange(4)
                out += self.custom() if kind == 0 else self.section(self.r.choice([1, 4]), self.module(depth + 1)) if kind < 3 else \
                    self.section(self.r.randrange(15), bytes(self.r.randrange(256) for _ in range(self.r.randrange(5))))
            return out
        out = b"\0asm\1\0\0\0"
        for number in [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]:
            if self.r.random() < 0.25:
                out += self.custom() if self.r.random() < 0.5 else b""
                content = self.leb(self.r.choice([0, 0, 1, 2])) + bytes(self.r.randrange(4) for _ in range(self.r.randrange(4)))
                if number == 10:
                    count = self.r.randrange(3)
                    content = self.leb(count) + b"".join(self.leb(2) + b"\0\x0b" for _ in range(count))
                    if self.r.random() < 0.7:
                        out = out + self.section(3, self.leb(count) + b"\0" * count) if self.r.random() < 0.2 else out
                out += self.section(number, content)
        if self.r.random() < 0.8:
            out += self.custom()
        if self.r.random() < 0.05:
            out += self.section(self.r.randrange(128), b"\0\1")
        return out

    def identity(self):
        wasm = bytearray(self.module())
        if self.r.random() < 0.3:
            for _ in range(self.r.randrange(1, 3)):
                at = self.r.randrange(len(wasm))
                what = self.r.randrange(3)
                if what == 0:
                    wasm[at] = self.r.randrange(256)
                elif what == 1:
                    del wasm[at:]
                    break
                else:
                    wasm.insert(at, self.r.randrange(256))
                if not wasm:
                    break
        return {"op": "identity", "wasm_b64": base64.b64encode(bytes(wasm)).decode()}

    def operation(self):
        kind = self.r.randrange(20)
        if kind < 10:
            name = self.r.choice(list(TYPES))
            return {"op": "wire", "type": name, "text": self.mutate(self.dump(self.r.choice(TYPES[name]))), "via_value": self.r.random() < 0.5}
        if kind < 12:
            return {"op": "json_value", "text": self.mutate(self.value())}
        if kind < 14:
            return self.accept()
        if kind < 15:
            return {"op": "offer_hash_raw", "text": self.mutate(self.raw_offer())}
        if kind < 16:
            return {"op": "offer_hash", "text": self.mutate(self.dump(OFFER))}
        if kind < 17:
            return {"op": self.r.choice(["self_check_response", "self_check_request"]), "text": self.mutate(self.dump(SELF_CHECK))}
        if kind < 18:
            return {"op": "metadata", "now": self.r.choice([0, 1999, 2000, -5]), "text": self.mutate(self.dump(METADATA))}
        return self.identity()


FILE_OF = {"identity": "identity", "accept_validate": "accept_pure", "offer_hash_raw": "offer", "offer_hash": "offer", "self_check_response": "self_check",
           "self_check_request": "self_check", "metadata": "metadata", "wire": "wire_types", "json_value": "wire_types"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--lines", nargs=2)
    arguments = parser.parse_args()
    if arguments.ops:
        gen = Gen(arguments.seed)
        pathlib.Path(arguments.ops).write_text(json.dumps([gen.operation() for _ in range(arguments.count)]))
    if arguments.lines:
        out = pathlib.Path(arguments.lines[1])
        out.mkdir(parents=True, exist_ok=True)
        files = {}
        for line in json.loads(pathlib.Path(arguments.lines[0]).read_text()):
            files.setdefault(FILE_OF[line["op"]], []).append(json.dumps(line, sort_keys=True))
        for name, lines in files.items():
            (out / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
