// L5: the envelope around a wire function's call.
#include "cclb/debug_text.h"
#include "cclb/protocol_tables.h"
#include "cclb/utf8.h"
#include "weir/cclb/host.h"
#include "weir/cclb/samples.h"

namespace weir::cclb {
namespace {

constexpr std::string_view kVersionKey = "_v";
constexpr std::string_view kStages[] = {"version_lookup",       "request_envelope",  "serialize_request", "plugin_call",
                                        "deserialize_response", "response_envelope", "response_decode"};

DispatchError Plain(DispatchStage stage, std::string_view variant) { return {stage, std::string(variant), std::string(variant)}; }
DispatchError WithReason(DispatchStage stage, std::string_view variant, std::string_view reason) {
  return {stage, std::string(variant), std::string(variant) + " { reason: " + DebugText(reason) + " }"};
}

// The plugin's answer as a tree, and its `_v` checked. The tree's text is the instance's output.
std::optional<DispatchError> CallWire(PluginInstance& instance, std::string_view function, uint32_t version, std::string_view request,
                                      JsonTree* tree) {
  const PlainOutcome outcome = instance.Call(function, request);
  if (!outcome.ok) return WithReason(DispatchStage::kPluginCall, "PluginCall", outcome.error);
  if (!IsValidUtf8(outcome.output)) return WithReason(DispatchStage::kPluginCall, "PluginCall", Utf8Fault(outcome.output));
  if (!tree->Parse(outcome.output)) {
    return WithReason(DispatchStage::kDeserializeResponse, "DeserializeResponseEnvelope", tree->error());
  }
  const JsonNode& root = tree->node(JsonTree::kRoot);
  if (root.kind != JsonKind::kObject) return Plain(DispatchStage::kResponseEnvelope, "ResponseNotObject");
  size_t found = 0;  // the last one wins
  for (size_t key = JsonTree::kRoot + 1; key != root.end; key = tree->Next(key + 1)) {
    if (tree->node(key).text() == kVersionKey) found = key + 1;
  }
  if (found == 0) return Plain(DispatchStage::kResponseEnvelope, "ResponseVersionMissing");
  if (tree->node(found).kind != JsonKind::kUint) return Plain(DispatchStage::kResponseEnvelope, "ResponseVersionInvalid");
  if (const uint64_t actual = tree->node(found).uint; actual != version) {
    return DispatchError{DispatchStage::kResponseEnvelope, "ResponseVersionMismatch",
                         "ResponseVersionMismatch { expected: " + std::to_string(version) + ", actual: " + std::to_string(actual) + " }"};
  }
  return std::nullopt;
}

void Report(PluginInstance& instance, std::string_view function, DispatchError* error) {
  const WireFunctionRow* row = FindWireFunction(function);
  error->fallback = row->fallback;
  const Pair labels[] = {{"function", function}, {"stage", DispatchStageName(error->stage)}};
  instance.telemetry().Count("cc_lb_plugin_dispatch_errors_total", labels, 1);
  const Pair fields[] = {{"function", function}, {"error", error->debug}};
  instance.telemetry().Log(Level::kWarn, "cc_lb_plugin.dispatch",
                           "dispatch error, applying fallback " + std::string(PolicyDebug(error->fallback)), fields);
}

// The request with `_v` in front: it sorts before all names of fields.
template <class T>
Out Envelope(const T& request, uint32_t version) {
  static_assert(kFieldCount<T> == 0 || kVersionKey < kFieldNames<T>[kWriteOrder<T, Order::kSorted>[0]]);
  Out out(2048);
  out.append("{\"_v\":");
  AppendUint(version, &out);
  WriteMembers<Order::kSorted>(request, {}, {}, true, &out);
  out.push_back('}');
  return out;
}

template <class T>
bool ReadResponse(Reading& in, T* out) {
  return ReadObject(in, JsonTree::kRoot, kVersionKey, out, std::make_index_sequence<kFieldCount<T>>());
}

}  // namespace

std::string_view DispatchStageName(DispatchStage stage) { return kStages[static_cast<size_t>(stage)]; }

template <class Fn>
DispatchOutcome<typename Fn::Response> Dispatch(PluginInstance& instance, const AugmentedMetadata& metadata,
                                                const typename Fn::Request& request) noexcept {
  DispatchOutcome<typename Fn::Response> outcome;
  const auto version = metadata.negotiated_functions.find(std::string(Fn::kName));
  if (version == metadata.negotiated_functions.end()) {
    outcome.error = Plain(DispatchStage::kVersionLookup, "MissingNegotiatedVersion");
  } else {
    JsonTree tree;
    outcome.error = CallWire(instance, Fn::kName, version->second, Envelope(request, version->second).view(), &tree);
    if (!outcome.error) {
      Reading in{tree, Duplicates::kLastWins, {}};
      if (!ReadResponse(in, &outcome.response.emplace())) {
        outcome.response.reset();
        outcome.error = WithReason(DispatchStage::kResponseDecode, "ResponseDecode", in.error);
      }
    }
  }
  if (outcome.error) Report(instance, Fn::kName, &*outcome.error);
  return outcome;
}
#define WEIR_CCLB_DEFINE(Name)                                                                                       \
  template DispatchOutcome<fn::Name::Response> Dispatch<fn::Name>(PluginInstance&, const AugmentedMetadata&,         \
                                                                  const fn::Name::Request&) noexcept;
WEIR_CCLB_FUNCTIONS(WEIR_CCLB_DEFINE)
#undef WEIR_CCLB_DEFINE

namespace {

template <class Fn>
Result<TextOutcome> ByText(PluginInstance& instance, const AugmentedMetadata& metadata, std::string_view text) {
  typename Fn::Request request = DryRunRequest<Fn>();
  std::string error;
  if (!text.empty()) {
    if (!IsValidUtf8(text)) return Error{ErrorCode::kInvalidArgument, "request: " + Utf8Fault(text)};
    if (!ReadText(text, Duplicates::kLastWins, &request, &error)) return Error{ErrorCode::kInvalidArgument, "request: " + error};
  }
  auto outcome = Dispatch<Fn>(instance, metadata, request);
  TextOutcome out{{}, std::move(outcome.error)};
  if (outcome.response) out.response = WriteText<Order::kSorted>(*outcome.response);
  return out;
}

struct ByNameRow {
  std::string_view name;
  Result<TextOutcome> (*call)(PluginInstance& instance, const AugmentedMetadata& metadata, std::string_view text);
};
constexpr ByNameRow kByName[] = {
    {"shape", &ByText<fn::Shape>},           {"shape_v2", &ByText<fn::ShapeV2>},
    {"normalize_error", &ByText<fn::NormalizeError>}, {"build_signer", &ByText<fn::BuildSigner>},
    {"sign", &ByText<fn::Sign>},             {"on_unauthorized", &ByText<fn::OnUnauthorized>},
    {"observe", &ByText<fn::Observe>},       {"filter", &ByText<fn::Filter>},
};

}  // namespace

Result<TextOutcome> DispatchText(PluginInstance& instance, const AugmentedMetadata& metadata, std::string_view function,
                                 std::string_view request) {
  std::string known;
  for (const ByNameRow& row : kByName) {
    if (row.name == function) return row.call(instance, metadata, request);
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return Error{ErrorCode::kInvalidArgument, "unknown function \"" + std::string(function) + "\": it is one of " + known};
}

}  // namespace weir::cclb
