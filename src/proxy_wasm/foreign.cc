#include "proxy_wasm/foreign.h"

#include <zlib.h>

#include <charconv>
#include <cstring>

#include "base/sha256.h"
#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/proto.h"

namespace weir::proxy_wasm {
namespace {

using Code = ForeignAnswer::Status;
constexpr size_t kKeysMax = 10'000;

Bytef* Writable(std::string& bytes) { return reinterpret_cast<Bytef*>(bytes.data()); }
const Bytef* Readable(std::string_view bytes) { return reinterpret_cast<const Bytef*>(bytes.data()); }

ForeignAnswer Of(StoreStatus status) {
  if (status == StoreStatus::kOk) return {Code::kOk, {}};
  return {status == StoreStatus::kNotFound ? Code::kNotFound : Code::kInternalFailure, {}};
}

ForeignAnswer SharedDelete(HostCalls& calls, std::string_view key) {
  return Of(calls.core().host.shared_data.Delete(calls.core().space(), key, 0));
}

ForeignAnswer SharedSetTtl(HostCalls& calls, std::string_view argument) {
  uint64_t ttl_ms;
  if (argument.size() < sizeof ttl_ms) return {Code::kBadArgument, {}};
  std::memcpy(&ttl_ms, argument.data(), sizeof ttl_ms);
  return Of(calls.core().host.shared_data.SetTtl(calls.core().space(), argument.substr(sizeof ttl_ms), ttl_ms));
}

ForeignAnswer SharedKeys(HostCalls& calls, std::string_view) {
  ForeignAnswer answer{Code::kOk, {}};
  for (const std::string& key : calls.core().host.shared_data.Keys(calls.core().space(), kKeysMax)) {
    answer.bytes += key;
    answer.bytes += '\0';
  }
  return answer;
}

ForeignAnswer ClearRouteCache(HostCalls& calls, std::string_view) {
  if (calls.stream() == nullptr) return {Code::kBadArgument, {}};
  calls.stream()->ClearRouteCache();
  return {Code::kOk, {}};
}

// ---- what plugins of Envoy call

ForeignAnswer Compress(HostCalls& calls, std::string_view bytes) {
  if (bytes.size() > calls.core().spec.limits.foreign_bytes) return {Code::kBadArgument, {}};
  uLongf size = compressBound(bytes.size());
  ForeignAnswer answer{Code::kOk, std::string(size, '\0')};
  if (compress(Writable(answer.bytes), &size, Readable(bytes), bytes.size()) != Z_OK) return {Code::kSerializationFailure, {}};
  answer.bytes.resize(size);
  return answer;
}

// Grows with what comes out, not with what a few bytes say that they hold.
ForeignAnswer Uncompress(HostCalls& calls, std::string_view bytes) {
  const uint64_t max = calls.core().spec.limits.foreign_bytes;
  if (bytes.size() > max) return {Code::kBadArgument, {}};
  ForeignAnswer answer{Code::kOk, {}};
  for (uint64_t room = std::min<uint64_t>(bytes.size() * 2 + 64, max);; room = std::min(room * 4, max)) {
    answer.bytes.resize(room);
    uLongf size = room;
    const int result = uncompress(Writable(answer.bytes), &size, Readable(bytes), bytes.size());
    if (result == Z_OK) {
      answer.bytes.resize(size);
      return answer;
    }
    if (result == Z_MEM_ERROR || (result == Z_BUF_ERROR && room == max)) return {Code::kInternalFailure, {}};
    if (result != Z_BUF_ERROR) return {Code::kSerializationFailure, {}};
  }
}

// Weir's properties have no types and live as long as their stream: nothing is left to declare, and any may be set.
ForeignAnswer DeclareProperty(HostCalls&, std::string_view message) {
  return {ProtoField(message, 1).empty() ? Code::kBadArgument : Code::kOk, {}};
}

// ---- small things that every plugin would carry itself

ForeignAnswer UriEncode(HostCalls&, std::string_view bytes) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", kDigits = "0123456789ABCDEF";
  ForeignAnswer answer{Code::kOk, {}};
  for (unsigned char c : bytes) {
    if (kPlain.find(char(c)) != kPlain.npos) {
      answer.bytes += char(c);
    } else {
      (answer.bytes += '%').append({kDigits[c >> 4], kDigits[c & 15]});
    }
  }
  return answer;
}

ForeignAnswer UriDecode(HostCalls&, std::string_view text) {
  ForeignAnswer answer{Code::kOk, {}};
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      answer.bytes += text[at];
      continue;
    }
    uint8_t byte = 0;
    const std::string_view digits = text.substr(at + 1, 2);
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (fault != std::errc() || digits.size() != 2 || end != digits.data() + 2) return {Code::kBadArgument, {}};
    answer.bytes += char(byte);
    at += 2;
  }
  return answer;
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

ForeignAnswer Base64Encode(HostCalls&, std::string_view bytes) {
  ForeignAnswer answer{Code::kOk, {}};
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view three = bytes.substr(at, 3);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < three.size() ? uint8_t(three[i]) : 0);
    for (size_t i = 0; i < 4; ++i) answer.bytes += i <= three.size() ? kBase64[bits >> (18 - 6 * i) & 63] : '=';
  }
  return answer;
}

// Of the standard and of the URL's alphabet, with or without padding.
ForeignAnswer Base64Decode(HostCalls&, std::string_view text) {
  for (size_t i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  if (text.size() % 4 == 1) return {Code::kBadArgument, {}};
  ForeignAnswer answer{Code::kOk, {}};
  uint32_t bits = 0, have = 0;
  for (char c : text) {
    const size_t value = kBase64.find(c == '-' ? '+' : c == '_' ? '/' : c);
    if (value == kBase64.npos) return {Code::kBadArgument, {}};
    bits = bits << 6 | uint32_t(value);
    if ((have += 6) < 8) continue;
    answer.bytes += char(bits >> (have -= 8) & 0xff);
  }
  return answer;
}

ForeignAnswer Sha256Of(HostCalls&, std::string_view bytes) {
  const Sha256Digest digest = Sha256({bytes});
  return {Code::kOk, std::string(digest.begin(), digest.end())};
}

constexpr BuiltinForeign kBuiltins[] = {
    {"weir.shared_delete", "the key", "nothing; NOT_FOUND without such an entry", SharedDelete},
    {"weir.shared_set_ttl", "milliseconds as 8 bytes little-endian (0: for ever), then the key", "nothing; NOT_FOUND without such an entry",
     SharedSetTtl},
    {"weir.shared_keys", "nothing", "the name space's keys, each followed by 0x00", SharedKeys},
    {"weir.uri_encode", "bytes", "percent-encoded but for `A-Z a-z 0-9 - . _ ~`", UriEncode},
    {"weir.uri_decode", "percent-encoded bytes", "the bytes; BAD_ARGUMENT for a bad escape. `+` stays", UriDecode},
    {"weir.base64_encode", "bytes", "base64 with padding", Base64Encode},
    {"weir.base64_decode", "base64 of either alphabet, padded or not", "the bytes; BAD_ARGUMENT for another character or length", Base64Decode},
    {"weir.sha256", "bytes", "the 32 bytes of their SHA-256", Sha256Of},
    {"clear_route_cache", "nothing", "nothing: the route is chosen anew; BAD_ARGUMENT outside of a stream", ClearRouteCache},
    {"compress", "bytes", "as zlib's `compress` makes them; BAD_ARGUMENT over the limit", Compress},
    {"uncompress", "what `compress` made", "the bytes; SERIALIZATION_FAILURE when it is not that, INTERNAL_FAILURE over the limit", Uncompress},
    {"declare_property", "Envoy's message `DeclarePropertyArguments`",
     "nothing: any property may be set here without it, has no type and lives as long as its stream; BAD_ARGUMENT without a name",
     DeclareProperty},
};

}  // namespace

const BuiltinForeign* BuiltinForeign::Find(std::string_view name) {
  for (const BuiltinForeign& row : kBuiltins)
    if (row.name == name) return &row;
  return nullptr;
}

std::string ForeignFunctionsDocument() {
  std::string text =
      "# Foreign functions\n\n"
      "Generated from the table in `src/proxy_wasm/foreign.cc` (a test compares; `WEIR_UPDATE_DOCS=1 build/bin/proxy_wasm_test` writes it).\n\n"
      "A plugin calls them by name with `proxy_call_foreign_function` (Rust: `hostcalls::call_foreign_function`, C++:\n"
      "`proxy_call_foreign_function`). An unknown name is NOT_FOUND. `allow=foreign:NAME` names the ones that a plugin may call.\n\n"
      "| function | argument | answer |\n|---|---|---|\n";
  for (const BuiltinForeign& row : kBuiltins)
    text += "| `" + std::string(row.name) + "` | " + std::string(row.argument) + " | " + std::string(row.answer) + " |\n";
  text += "\nArguments and answers of `compress` and `uncompress` are at most Limits::foreign_bytes (" +
          std::to_string(Limits().foreign_bytes >> 20) +
          " MiB).\n\n"
          "Functions that only make sense inside Envoy are not here, and answer NOT_FOUND as they do there when nothing is registered:\n"
          "`set_envoy_filter_state` (objects that Envoy's own filters read), `expr_create`, `expr_evaluate` and `expr_delete` (CEL), `sign` and\n"
          "`verify_signature`.\n\n"
          "## Your own\n\n"
          "A program that embeds Weir adds functions to the map `Host::foreign_functions` (include/weir/host.h) before it loads plugins:\n\n"
          "```cpp\n"
          "weir::ForeignFunctions functions;\n"
          "functions[\"geo.country\"] = [&db](weir::Plugin&, std::string_view address) -> weir::ForeignAnswer {\n"
          "  auto country = db.Find(address);\n"
          "  if (!country) return {weir::ForeignAnswer::Status::kBadArgument, {}};\n"
          "  return {weir::ForeignAnswer::Status::kOk, *country};\n"
          "};\n"
          "weir::Host host{log, clock, shared_data, queues, metrics, timers, functions, calls};\n"
          "```\n\n"
          "They run on the thread that serves the plugin, so they must not wait. The other way round, `Plugin::OnForeignFunction` calls the\n"
          "plugin's `proxy_on_foreign_function`, which reads its argument from buffer 8.\n";
  return text;
}

}  // namespace weir::proxy_wasm
