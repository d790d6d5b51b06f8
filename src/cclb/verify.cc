#include "weir/cclb/verify.h"

#include "cclb/debug_text.h"
#include "weir/cclb/samples.h"

namespace weir::cclb {
namespace {

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out.push_back(i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 0x3F]);
  }
  return out;
}

// The suite's own words for what went wrong in the handshake.
std::string HandshakeText(const Fault& fault) {
  const std::string_view variant = fault.variant;
  const auto field = [&](std::string_view name) { return "invalid identity field " + std::string(name) + ": " + fault.message; };
  const auto after = [&](std::string_view prefix) { return fault.message.substr(prefix.size()); };
  const auto quoted = [&](size_t nth) {
    size_t at = 0;
    for (size_t i = 0; i < 2 * nth + 1; ++i) at = fault.message.find('\'', at) + 1;
    return fault.message.substr(at, fault.message.find('\'', at) - at);
  };
  if (variant == "Instantiate") return "plugin instantiation failed: " + fault.reason;
  if (variant == "MissingHandshakeExport") return "plugin does not export cc_lb_handshake";
  if (variant == "DecodeAccept" || variant == "OutputTooLarge") return "handshake serialization failed: " + fault.message;
  if (variant == "Timeout") return "wasm execution failed: " + fault.message;
  if (variant == "Call") {
    constexpr std::string_view kBefore = "required capability '", kAfter = "' not available in host capabilities";
    if (fault.reason.starts_with(kBefore) && fault.reason.ends_with(kAfter) && fault.reason.size() >= kBefore.size() + kAfter.size()) {
      return "missing host capability: " + fault.reason.substr(kBefore.size(), fault.reason.size() - kBefore.size() - kAfter.size());
    }
    return "wasm execution failed: " + fault.reason;
  }
  if (variant == "ImplementedFunctionCountExceeded" || variant == "ImplementedUnknownFunction" || variant == "UndeclaredExport") {
    return field("implemented_functions");
  }
  if (variant == "SupportedUnknownFunction" || variant == "SupportedVersionOutOfRange") return field("plugin_supported");
  if (variant == "ChosenFunctionNotImplemented") {
    return "declared function missing wasm export: " + after("chosen function not listed as implemented: ");
  }
  if (variant == "DeclaredFunctionMissing") return fault.message;
  if (variant == "ChosenVersionNotSupported" || variant == "Validation.ChosenVersionNotOffered" ||
      variant == "Validation.ChosenForUnknownFunction") {
    return field("chosen_versions");
  }
  if (variant == "Validation.CapabilityCountExceeded") return field("host_capabilities");
  if (variant == "Validation.RequiredCapabilityUnavailable") return "missing host capability: " + quoted(0);
  if (variant == "Validation.HandshakeSchemaVersionMismatch") return field("handshake_schema_version");
  if (variant == "Validation.DowngradeAttempt") {
    const std::string rest = fault.message.substr(fault.message.rfind("' chosen version ") + 17);
    const size_t but = rest.find(" but max intersection is ");
    return "downgrade attempt for function " + quoted(0) + ": host offered max " + rest.substr(but + 25) + ", plugin chose " + rest.substr(0, but);
  }
  return field("function_versions");
}

std::string SelfCheckText(const Fault& fault) {
  const std::string_view variant = fault.variant;
  if (variant == "Instantiate") return "plugin instantiation failed: " + fault.reason;
  if (variant == "MissingSelfCheckExport") return "plugin does not export cc_lb_self_check";
  if (variant == "FailureStatus") return "self-check reported failure status";
  if (variant == "Call") return "wasm execution failed: " + fault.reason;
  return "self-check output invalid: " + fault.message;
}

std::string_view RequiredFunction(VerifyKind kind) {
  constexpr std::string_view kNames[] = {"shape", "filter", "observe"};
  return kNames[static_cast<size_t>(kind)];
}

class Session {
 public:
  Session(PluginInstance& instance, const AugmentedMetadata& metadata, VerifyOutcome& outcome)
      : instance_(instance), metadata_(metadata), outcome_(outcome) {}

  /// The response; nullopt: the outcome has the error.
  template <class Fn>
  std::optional<typename Fn::Response> Ok(const typename Fn::Request& request) {
    auto answer = Dispatch<Fn>(instance_, metadata_, request);
    if (answer.response) return std::move(answer.response);
    outcome_.error = "dispatch verification failed: " + std::string(Fn::kName) + " dispatch fell back with policy " +
                     std::string(PolicyDebug(answer.error->fallback));
    return std::nullopt;
  }
  void Passed(std::string layer, std::string detail) { outcome_.report->dispatch.push_back({std::move(layer), true, std::move(detail)}); }

  bool Shape() {
    struct Case {
      std::string_view layer;
      std::string body;
    };
    const Case cases[] = {
        {"dispatch:shape:basic", "e30="},
        {"dispatch:robustness:empty_body", ""},
        {"dispatch:robustness:malformed_json", Base64("{")},
        {"dispatch:robustness:invalid_utf8", Base64("\xFF\xFE\xFD")},
        {"dispatch:robustness:large_body", Base64(std::string(64 << 10, 'x'))},
        {"dispatch:robustness:unicode_preservation", Base64("\uD55C\uAE00\U0001F642")},
    };
    for (const Case& row : cases) {
      auto request = DryRunRequest<fn::ShapeV2>();
      request.request.body_base64 = row.body;
      if (!Ok<fn::ShapeV2>(request)) return false;
      Passed(std::string(row.layer), "shape dispatch returned a decodable response");
    }
    return true;
  }

  bool Router() {
    for (size_t count = 0; count < 2; ++count) {
      auto request = DryRunRequest<fn::Filter>();
      request.candidates.assign(count, SampleCandidate());
      const auto response = Ok<fn::Filter>(request);
      if (!response) return false;
      if (response->results.size() != count) {
        outcome_.error = "dispatch verification failed: filter response failed conformance check: expected " + std::to_string(count) +
                         " decision(s), got " + std::to_string(response->results.size());
        return false;
      }
      count == 0 ? Passed("dispatch:filter:empty_candidates", "0 candidates -> 0 decisions")
                 : Passed("dispatch:filter:candidate_count", "1 candidate(s) -> matching decisions");
    }
    return true;
  }

  bool Observability() {
    v1::ObserveRequest request;
    if (!Ok<fn::Observe>(request)) return false;
    Passed("dispatch:robustness:empty_events", "empty event batch accepted");
    request.events = {SampleEvent(), {AuthnComplete{"dry-run-principal", "api_key"}}};
    if (!Ok<fn::Observe>(request)) return false;
    Passed("dispatch:robustness:multi_event_batch", "multi-event batch accepted");
    return true;
  }

 private:
  PluginInstance& instance_;
  const AugmentedMetadata& metadata_;
  VerifyOutcome& outcome_;
};

VerifyReport Begin(PluginCode& code, std::string_view wasm, const HandshakeAccept& accept, const PluginIdentity& identity,
                   std::string_view required) {
  VerifyReport report;
  report.static_checks = RunStaticChecks(code, wasm);
  report.identity = {"identity", true, identity.plugin_name};
  for (const StaticCheck& check : report.static_checks) report.identity.passed = report.identity.passed && check.passed;
  report.handshake = {"handshake", true, std::to_string(accept.chosen_versions.size()) + " function(s) negotiated"};
  report.self_check = {"self_check", true, std::nullopt};
  for (const auto& [function, version] : accept.chosen_versions) {
    if (function != required) report.extras.push_back({"extra_function", "plugin also declares '" + function + "'"});
  }
  return report;
}

std::string DebugLayer(const LayerResult& layer) {
  return "LayerResult { layer: " + DebugText(layer.layer) + ", passed: " + (layer.passed ? "true" : "false") + ", detail: " +
         (layer.detail ? "Some(" + DebugText(*layer.detail) + ")" : "None") + " }";
}

}  // namespace

VerifyOutcome Verify(Host& host, std::string_view wasm, VerifyKind kind, const std::set<std::string>& capabilities,
                     const std::optional<InstanceLimits>& limits) {
  VerifyOutcome outcome;
  const auto code = host.Open(std::string(wasm));
  const auto accept = code->Handshake(BuildOffer(capabilities));
  const auto fail = [&](std::string_view layer, const std::string& text) {
    outcome.error = std::string(layer) + " verification failed: " + text;
    outcome.report.reset();
    return outcome;
  };
  if (!accept) return fail("handshake", HandshakeText(accept.fault()));
  const auto identity = ReadIdentity(wasm);
  if (!identity) {
    const std::string_view variant = identity.fault().variant;
    const std::string_view field = variant == "WasmParseError" ? "wasm" : variant == "MagicMismatch" ? "magic"
                                   : variant == "MalformedPayload" ? "payload" : variant.starts_with("Validation.PluginName") ? "name"
                                   : variant.starts_with("Validation.") ? "version" : "custom_section";
    return fail("handshake", "invalid identity field " + std::string(field) + ": " + identity.fault().message);
  }
  const std::string_view required = RequiredFunction(kind);
  const auto chosen = accept->chosen_versions.find(std::string(required));
  if (chosen == accept->chosen_versions.end()) return fail("handshake", "declared function missing wasm export: " + std::string(required));
  const uint32_t known = FindWireFunction(required)->version;
  if (chosen->second != known) {
    return fail("handshake", "invalid identity field chosen_versions: function " + std::string(required) + " chose unsupported version " +
                                 std::to_string(chosen->second) + "; host supports [" + std::to_string(known) + "]");
  }
  if (const auto checked = code->SelfCheck(); !checked) return fail("self-check", SelfCheckText(checked.fault()));
  outcome.report = Begin(*code, wasm, *accept, *identity, required);
  const auto instance =
      code->NewInstance(limits.value_or(InstanceLimits{Limit::kHandshakeWallMs, Limit::kHandshakeFuel, std::nullopt}));
  if (!instance) return fail("handshake", "plugin instantiation failed: " + instance.fault().reason);
  const AugmentedMetadata metadata{*identity, accept->chosen_versions, accept->required_capabilities, 1, true, 1, 1 + Limit::kFreshSeconds};
  Session session(**instance, metadata, outcome);
  const bool good = kind == VerifyKind::kShape ? session.Shape() : kind == VerifyKind::kRouter ? session.Router() : session.Observability();
  if (!good) outcome.report.reset();
  return outcome;
}

std::string DebugText(const VerifyReport& report) {
  std::string out = "VerifyReport { identity: " + DebugLayer(report.identity) + ", handshake: " + DebugLayer(report.handshake) +
                    ", self_check: " + DebugLayer(report.self_check) + ", dispatch: [";
  for (size_t i = 0; i < report.dispatch.size(); ++i) out += (i == 0 ? "" : ", ") + DebugLayer(report.dispatch[i]);
  out += "], extras: [";
  for (size_t i = 0; i < report.extras.size(); ++i) {
    out += std::string(i == 0 ? "" : ", ") + "ExtraInfo { kind: " + DebugText(report.extras[i].kind) + ", message: " +
           DebugText(report.extras[i].message) + " }";
  }
  return out + "] }";
}

}  // namespace weir::cclb
