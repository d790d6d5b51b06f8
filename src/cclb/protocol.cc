#include <algorithm>

#include "base/sha256.h"
#include "cclb/protocol_tables.h"
#include "cclb/utf8.h"

namespace weir::cclb {

template <class T>
Checked<T> ReadChecked(std::string_view text) {
  if (!IsValidUtf8(text)) return Fault{"serde", Utf8Fault(text)};
  T value;
  std::string error;
  if (!ReadText(text, Duplicates::kError, &value, &error)) return Fault{"serde", error};
  return value;
}
template Checked<PluginIdentity> ReadChecked(std::string_view);

// ---- wire functions -----------------------------------------------------------------------------------------------------
std::string_view PolicyName(FallbackPolicy policy) { return Table<FallbackPolicy>::kNames[static_cast<size_t>(policy)]; }
std::string_view PolicyDebug(FallbackPolicy policy) {
  constexpr std::string_view kNames[] = {"FailRequest", "SilentSkip", "UseDefault", "PassThrough"};
  return kNames[static_cast<size_t>(policy)];
}

const WireFunctionRow* FindWireFunction(std::string_view name) {
  for (const WireFunctionRow& row : kWireFunctions) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

const std::vector<PluginKindRow>& PluginKinds() {
  static const std::vector<PluginKindRow> kKinds = {
      {PluginKind::kDialect, "dialect", {"shape"}, {"shape", "normalize_error"}},
      {PluginKind::kSignerFactory, "signer_factory", {"build_signer", "sign"}, {"build_signer", "sign", "on_unauthorized"}},
      {PluginKind::kObservability, "observability", {"observe"}, {"observe"}},
  };
  return kKinds;
}

std::string_view SlotName(Slot slot) { return Table<Slot>::kNames[static_cast<size_t>(slot)]; }

std::vector<Slot> SlotsOf(const std::set<std::string>& functions) {
  constexpr std::string_view kFunctionOfSlot[] = {"filter", "observe", "shape"};
  std::vector<Slot> slots;
  for (size_t i = 0; i < std::size(kFunctionOfSlot); ++i) {
    if (functions.contains(std::string(kFunctionOfSlot[i]))) slots.push_back(static_cast<Slot>(i));
  }
  return slots;
}

// ---- L2: the offer --------------------------------------------------------------------------------------------------------
namespace {

std::string InQuotes(std::string_view name) { return "'" + std::string(name) + "'"; }
std::string Range() { return "[" + std::to_string(Limit::kVersionLeast) + ", " + std::to_string(Limit::kVersionMost) + "]"; }
bool InRange(uint32_t version) { return version >= Limit::kVersionLeast && version <= Limit::kVersionMost; }
bool Has(const std::vector<uint32_t>& versions, uint32_t version) {
  return std::find(versions.begin(), versions.end(), version) != versions.end();
}

void AddCanonical(std::string_view function, const std::vector<uint32_t>& versions, HandshakeOffer* out) {
  std::vector<uint32_t>& merged = out->function_versions[std::string(function)];
  merged.insert(merged.end(), versions.begin(), versions.end());
}
void SortVersions(HandshakeOffer* out) {
  for (auto& [function, versions] : out->function_versions) {
    std::sort(versions.begin(), versions.end());
    versions.erase(std::unique(versions.begin(), versions.end()), versions.end());
  }
}
std::string AsciiLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

HandshakeOffer BuildOffer(std::set<std::string> capabilities) {
  HandshakeOffer offer;
  for (const WireFunctionRow& row : kWireFunctions) offer.function_versions[std::string(row.name)] = {row.version};
  offer.host_capabilities = std::move(capabilities);
  return offer;
}

std::optional<Fault> Validate(const HandshakeOffer& offer) {
  if (offer.function_versions.size() > Limit::kFunctions) {
    return Fault{"FunctionCountExceeded", "function count " + std::to_string(offer.function_versions.size()) + " exceeds maximum " +
                                              std::to_string(Limit::kFunctions)};
  }
  for (const auto& [function, versions] : offer.function_versions) {
    if (versions.size() > Limit::kVersionsPerFunction) {
      return Fault{"FunctionVersionCountExceeded", "function " + InQuotes(function) + " has " + std::to_string(versions.size()) +
                                                       " versions, exceeds maximum " + std::to_string(Limit::kVersionsPerFunction)};
    }
    for (const uint32_t version : versions) {
      if (!InRange(version)) return Fault{"VersionOutOfRange", "version " + std::to_string(version) + " outside valid range " + Range()};
    }
  }
  if (offer.host_capabilities.size() > Limit::kCapabilities) {
    return Fault{"CapabilityCountExceeded", "capability count " + std::to_string(offer.host_capabilities.size()) + " exceeds maximum " +
                                                std::to_string(Limit::kCapabilities)};
  }
  return std::nullopt;
}

HandshakeOffer Canonicalize(const HandshakeOfferRaw& offer) {
  HandshakeOffer out{.handshake_schema_version = offer.handshake_schema_version, .envelope_version = offer.envelope_version};
  for (const FunctionVersions& entry : offer.function_versions) AddCanonical(entry.function, entry.versions, &out);
  SortVersions(&out);
  for (const std::string& capability : offer.host_capabilities) out.host_capabilities.insert(AsciiLower(capability));
  return out;
}

HandshakeOffer Canonicalize(const HandshakeOffer& offer) {
  HandshakeOffer out{.handshake_schema_version = offer.handshake_schema_version, .envelope_version = offer.envelope_version};
  out.function_versions = offer.function_versions;
  SortVersions(&out);
  for (const std::string& capability : offer.host_capabilities) out.host_capabilities.insert(AsciiLower(capability));
  return out;
}

Sha256Bytes OfferHash(const HandshakeOffer& offer) { return Sha256({ToText(Canonicalize(offer))}); }
Sha256Bytes OfferHash(const HandshakeOfferRaw& offer) { return Sha256({ToText(Canonicalize(offer))}); }
std::string ToText(const HandshakeOffer& offer) { return WriteText(offer); }
std::string ToText(const HandshakeAccept& accept) { return WriteText(accept); }
Checked<HandshakeOffer> ReadOffer(std::string_view text) { return ReadChecked<HandshakeOffer>(text); }
Checked<HandshakeAccept> ReadAccept(std::string_view text) { return ReadChecked<HandshakeAccept>(text); }

// ---- L2: the accept -------------------------------------------------------------------------------------------------------
namespace {

std::optional<Fault> ValidateChosen(const std::string& function, uint32_t chosen, const HandshakeAccept& accept,
                                    const HandshakeOffer& offer) {
  const auto supported = accept.plugin_supported.find(function);
  const auto offered = offer.function_versions.find(function);
  if (supported == accept.plugin_supported.end() || offered == offer.function_versions.end()) {
    return Fault{"ChosenForUnknownFunction", "chosen for unknown function: " + InQuotes(function) + " not in host offer"};
  }
  if (!Has(offered->second, chosen)) {
    return Fault{"ChosenVersionNotOffered", "chosen version not offered: function " + InQuotes(function) + " version " +
                                                std::to_string(chosen) + " not in offer"};
  }
  std::optional<uint32_t> most;  // that both know
  for (const uint32_t version : supported->second) {
    if (Has(offered->second, version) && (!most || version > *most)) most = version;
  }
  if (most && chosen < *most) {
    return Fault{"DowngradeAttempt", "downgrade attempt detected: function " + InQuotes(function) + " chosen version " +
                                         std::to_string(chosen) + " but max intersection is " + std::to_string(*most)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> ValidateAgainstOffer(const HandshakeAccept& accept, const HandshakeOffer& offer) {
  if (accept.handshake_schema_version != offer.handshake_schema_version) {
    return Fault{"HandshakeSchemaVersionMismatch", "handshake schema version mismatch: got " +
                                                       std::to_string(accept.handshake_schema_version) + ", expected " +
                                                       std::to_string(offer.handshake_schema_version)};
  }
  for (const auto& [function, chosen] : accept.chosen_versions) {
    if (auto fault = ValidateChosen(function, chosen, accept, offer)) return fault;
  }
  for (const std::string& capability : accept.required_capabilities) {
    if (!offer.host_capabilities.contains(capability)) {
      return Fault{"RequiredCapabilityUnavailable", "required capability " + InQuotes(capability) + " not available in host capabilities"};
    }
  }
  return std::nullopt;
}

std::optional<Fault> ValidateShape(const HandshakeAccept& accept, const HandshakeOffer& offer) {
  if (accept.implemented_functions.size() > Limit::kImplementedFunctions) {
    return Fault{"ImplementedFunctionCountExceeded", "implemented function count " + std::to_string(accept.implemented_functions.size()) +
                                                         " exceeds maximum " + std::to_string(Limit::kImplementedFunctions)};
  }
  for (const std::string& function : accept.implemented_functions) {
    if (!offer.function_versions.contains(function)) return Fault{"ImplementedUnknownFunction", "implemented unknown function: " + function};
  }
  for (const auto& [function, versions] : accept.plugin_supported) {
    if (!offer.function_versions.contains(function)) return Fault{"SupportedUnknownFunction", "supported unknown function: " + function};
    for (const uint32_t version : versions) {
      if (InRange(version)) continue;
      return Fault{"SupportedVersionOutOfRange",
                   "supported version " + std::to_string(version) + " for function " + function + " outside valid range " + Range()};
    }
  }
  for (const auto& [function, chosen] : accept.chosen_versions) {
    if (!accept.implemented_functions.contains(function)) {
      return Fault{"ChosenFunctionNotImplemented", "chosen function not listed as implemented: " + function};
    }
    const auto supported = accept.plugin_supported.find(function);
    if (supported == accept.plugin_supported.end() || !Has(supported->second, chosen)) {
      return Fault{"ChosenVersionNotSupported",
                   "chosen version " + std::to_string(chosen) + " for function " + function + " not listed as plugin-supported"};
    }
  }
  return std::nullopt;
}

// ---- L3 -------------------------------------------------------------------------------------------------------------------
std::string_view StageName(SelfCheckStage stage) { return Table<SelfCheckStage>::kNames[static_cast<size_t>(stage)]; }

SelfCheckRequest BuildSelfCheckRequest(int64_t now) {
  SelfCheckRequest request;
  for (const WireFunctionRow& row : kWireFunctions) request.functions_to_test.emplace_back(row.name);
  request.initiated_at = now;
  return request;
}

namespace {
Fault BadTimestamp(std::string_view what) { return {"InvalidTimestamp", "invalid timestamp: " + std::string(what)}; }
Fault TooManyFunctions() {
  return {"TooManyFunctions", "self-check function list exceeds maximum of " + std::to_string(Limit::kSelfCheckFunctions)};
}
}  // namespace

std::optional<Fault> Validate(const SelfCheckRequest& request) {
  if (request.functions_to_test.empty()) return Fault{"EmptyRequest", "self-check request is empty (no functions to test)"};
  if (request.functions_to_test.size() > Limit::kSelfCheckFunctions) return TooManyFunctions();
  if (request.initiated_at <= 0) return BadTimestamp("initiated_at must be positive");
  return std::nullopt;
}

std::optional<Fault> Validate(const SelfCheckResponse& response) {
  if (response.completed_at <= 0) return BadTimestamp("completed_at must be positive");
  if (response.failures.size() > Limit::kSelfCheckFailures) return TooManyFunctions();
  return std::nullopt;
}

std::string ToText(const SelfCheckRequest& request) { return WriteText(request); }
std::string ToText(const SelfCheckResponse& response) { return WriteText(response); }
Checked<SelfCheckResponse> ReadSelfCheckResponse(std::string_view text) { return ReadChecked<SelfCheckResponse>(text); }

// ---- L4 -------------------------------------------------------------------------------------------------------------------
uint64_t AugmentedMetadata::TtlSeconds(int64_t now) const {
  // As 128 bits: the times may be anything that a file says.
  const __int128 left = static_cast<__int128>(expires_at) - now;
  return left > 0 ? static_cast<uint64_t>(left) : 0;
}

std::optional<Fault> Validate(const AugmentedMetadata& metadata) {
  if (auto fault = Validate(metadata.identity)) return Fault{"IdentityValidationFailed", "identity validation failed: " + fault->message};
  if (metadata.handshake_completed_at <= 0) return BadTimestamp("handshake_completed_at must be positive");
  if (metadata.self_check_completed_at <= 0) return BadTimestamp("self_check_completed_at must be positive");
  if (metadata.expires_at <= 0) return BadTimestamp("expires_at must be positive");
  if (metadata.expires_at <= metadata.handshake_completed_at) {
    return Fault{"ExpirationBeforeHandshake", "expires_at must be after handshake_completed_at"};
  }
  if (metadata.negotiated_functions.empty()) return Fault{"NoNegotiatedFunctions", "no negotiated functions"};
  if (ToText(metadata).size() > Limit::kMetadataBytes) {
    return Fault{"SizeLimitExceeded",
                 "augmented metadata serialization exceeds max size of " + std::to_string(Limit::kMetadataBytes) + " bytes"};
  }
  return std::nullopt;
}

Checked<AugmentedMetadata> BuildMetadata(PluginIdentity identity, std::map<std::string, uint32_t> functions,
                                         std::set<std::string> capabilities, int64_t handshake_completed_at, bool self_check_passed,
                                         int64_t self_check_completed_at, uint64_t ttl_seconds) {
  AugmentedMetadata metadata{std::move(identity), std::move(functions), std::move(capabilities), handshake_completed_at,
                             self_check_passed,   self_check_completed_at};
  // The sum wraps, as the reference's does.
  metadata.expires_at = static_cast<int64_t>(static_cast<uint64_t>(handshake_completed_at) + ttl_seconds);
  if (auto fault = Validate(metadata)) return std::move(*fault);
  return metadata;
}

std::string ToText(const AugmentedMetadata& metadata) { return WriteText(metadata); }
Checked<AugmentedMetadata> ReadMetadata(std::string_view text) { return ReadChecked<AugmentedMetadata>(text); }

std::optional<Fault> Validate(const PluginRegistryRecord& record) {
  if (record.plugin_id.empty()) return BadTimestamp("plugin_id must not be empty");
  if (record.registered_at <= 0) return BadTimestamp("registered_at must be positive");
  return Validate(record.augmented_metadata);
}
std::string ToText(const PluginRegistryRecord& record) { return WriteText(record); }
Checked<PluginRegistryRecord> ReadRecord(std::string_view text) { return ReadChecked<PluginRegistryRecord>(text); }

}  // namespace weir::cclb
