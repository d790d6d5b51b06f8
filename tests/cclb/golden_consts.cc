// consts.json: limits, names, policies and samples.
#include "cclb/protocol_tables.h"
#include "golden.h"
#include "weir/cclb/samples.h"

namespace weir::cclb::golden {
namespace {

struct LimitRow {
  std::string_view name;
  uint64_t value;
};
constexpr LimitRow kLimits[] = {
    {"AUGMENTED_METADATA_MAX_BYTES", Limit::kMetadataBytes},
    {"CAPABILITIES_MAX_COUNT", Limit::kCapabilities},
    {"CAPABILITY_NAME_MAX_BYTES", Limit::kCapabilityNameBytes},
    {"CUSTOM_SECTION_FIELD_COUNT", Limit::kCustomSectionFields},
    {"CUSTOM_SECTION_MAX_SIZE", Limit::kCustomSectionBytes},
    {"FUNCTION_VERSIONS_KEYS_MAX", Limit::kFunctions},
    {"FUNCTION_VERSIONS_PER_FN_MAX", Limit::kVersionsPerFunction},
    {"HANDSHAKE_FUEL", Limit::kHandshakeFuel},
    {"HANDSHAKE_OUTPUT_MAX_BYTES", Limit::kHandshakeOutputBytes},
    {"HANDSHAKE_WALL_MS", Limit::kHandshakeWallMs},
    {"IMPLEMENTED_FUNCTIONS_MAX", Limit::kImplementedFunctions},
    {"PLUGIN_NAME_MAX_BYTES", Limit::kPluginNameBytes},
    {"PLUGIN_VERSION_MAX_BYTES", Limit::kPluginVersionBytes},
    {"REGISTRY_ROW_COUNT_HARD_REJECT", Limit::kRegistryRowsMost},
    {"REGISTRY_ROW_COUNT_SOFT_WARN", Limit::kRegistryRowsWarn},
    {"SELF_CHECK_FUEL", Limit::kSelfCheckFuel},
    {"SELF_CHECK_OUTPUT_MAX_BYTES", Limit::kSelfCheckOutputBytes},
    {"SELF_CHECK_WALL_MS", Limit::kSelfCheckWallMs},
    {"SKIP_HANDSHAKE_IF_FRESH_TTL_SECS", Limit::kFreshSeconds},
    {"STARTUP_HANDSHAKE_PARALLEL_MAX", Limit::kStartupParallel},
    {"STARTUP_HANDSHAKE_TOTAL_BUDGET_MS", Limit::kStartupBudgetMs},
    {"VERSION_MAX", Limit::kVersionMost},
    {"VERSION_MIN", Limit::kVersionLeast},
};
struct TextRow {
  std::string_view name, value;
};
constexpr TextRow kTexts[] = {
    {"CAPABILITY_PATTERN", Limit::kCapabilityPattern},
    {"PLUGIN_NAME_PATTERN", Limit::kPluginNamePattern},
};

template <class T>
std::string Names(const T& names) {
  std::string out = "[";
  for (const auto& name : names) out += (out.size() > 1 ? "," : "") + Quoted(name);
  return out + "]";
}

std::string AllLimits() {
  std::map<std::string_view, std::string> all;
  for (const LimitRow& row : kLimits) all[row.name] = std::to_string(row.value);
  for (const TextRow& row : kTexts) all[row.name] = Quoted(row.value);
  std::string out;
  for (const auto& [name, value] : all) out += (out.empty() ? "{" : ",") + Quoted(name) + ":" + value;
  return out + "}";
}

template <class Fn>
std::string Function() {
  const WireFunctionRow* row = FindWireFunction(Fn::kName);
  return R"({"dry_run_request":)" + Quoted(WriteText(DryRunRequest<Fn>())) + R"(,"dry_run_response":)" +
         Quoted(WriteText(DryRunResponse<Fn>())) + R"(,"fallback":)" + Quoted(PolicyName(row->fallback)) + R"(,"fallback_debug":)" +
         Quoted(PolicyDebug(row->fallback)) + R"(,"name":)" + Quoted(row->name) + R"(,"versions":[)" + std::to_string(row->version) + "]}";
}
template <class Shape>
std::string Functions() {
  return "[" + Function<Shape>() + "," + Function<fn::NormalizeError>() + "," + Function<fn::BuildSigner>() + "," + Function<fn::Sign>() + "," +
         Function<fn::OnUnauthorized>() + "," + Function<fn::Observe>() + "]";
}

std::string Kinds() {
  std::string out = "[";
  for (const PluginKindRow& row : PluginKinds()) {
    out += std::string(out.size() > 1 ? "," : "") + R"({"allowed":)" + Names(row.allowed) + R"(,"kind":)" + Quoted(row.name) +
           R"(,"required":)" + Names(row.required) + "}";
  }
  return out + "]";
}

std::string Samples() {
  const v1::CandidateWire candidate = SampleCandidate();
  return R"({"CandidateWire":)" + Quoted(WriteText(candidate)) + R"(,"ObserveEvent":)" + Quoted(WriteText(SampleEvent())) +
         R"(,"Principal":)" + Quoted(WriteText(SamplePrincipal())) + R"(,"Quota":)" + Quoted(WriteText(SampleQuota())) + R"(,"RateLimit":)" +
         Quoted(WriteText(SampleRateLimit())) + "}";
}

}  // namespace

Answer RunConsts(const View& consts) {
  std::vector<std::string_view> functions;
  for (const WireFunctionRow& row : kWireFunctions) functions.push_back(row.name);
  const std::map<std::string, std::string> mine = {
      {"all_wire_functions", Names(functions)},
      {"functions_v1", Functions<fn::Shape>()},
      {"functions_v2", Functions<fn::ShapeV2>()},
      {"functions_v3", "[" + Function<fn::Filter>() + "]"},
      {"kinds", Kinds()},
      {"limits", AllLimits()},
      {"samples", Samples()},
  };
  for (const auto& [name, value] : consts.members()) {
    const auto found = mine.find(name);
    if (found == mine.end()) return Failed("unknown constant " + name);
    const Answer answer = Compare(name, value.text(), found->second);
    if (answer.verdict != Verdict::kPassed) return answer;
  }
  return Passed();
}

}  // namespace weir::cclb::golden
