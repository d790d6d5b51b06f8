// What cc-lb host and plugin agree on before any request: identity (L1), handshake (L2), self-check (L3), metadata (L4).
// The pure parts: values, their checks in the reference's order, and its error texts. Running a plugin is host.h.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weir::cclb {

/// An error of the protocol.
struct Fault {
  std::string variant;  ///< "Validation.DowngradeAttempt": the reference's name, outermost first
  std::string message;  ///< the reference's text
  std::string reason;   ///< of a failed call or instantiation: what the plugin or the engine said
};

/// A `T` or a Fault.
template <class T>
class [[nodiscard]] Checked {
 public:
  Checked(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Checked(Fault fault) : state_(std::in_place_index<1>, std::move(fault)) {}
  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() { return *std::get_if<0>(&state_); }
  const T& value() const { return *std::get_if<0>(&state_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Fault& fault() { return *std::get_if<1>(&state_); }
  const Fault& fault() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Fault> state_;
};

/// Limits of the protocol; bytes, milliseconds, counts.
struct Limit {
  static constexpr uint32_t kCustomSectionBytes = 65536, kCustomSectionFields = 4;
  static constexpr uint32_t kHandshakeWallMs = 200, kHandshakeFuel = 10'000'000, kHandshakeOutputBytes = 32768;
  static constexpr uint32_t kSelfCheckWallMs = 200, kSelfCheckFuel = 10'000'000, kSelfCheckOutputBytes = 8192;
  static constexpr uint32_t kFunctions = 32, kVersionsPerFunction = 16, kCapabilities = 32, kCapabilityNameBytes = 64;
  static constexpr uint32_t kImplementedFunctions = 16, kSelfCheckFunctions = 16, kSelfCheckFailures = 16;
  static constexpr uint32_t kPluginNameBytes = 64, kPluginVersionBytes = 32, kVersionLeast = 1, kVersionMost = 65535;
  static constexpr uint32_t kMetadataBytes = 262144, kRegistryRowsWarn = 1000, kRegistryRowsMost = 10000;
  static constexpr uint32_t kStartupBudgetMs = 60000, kStartupParallel = 8, kFreshSeconds = 604800, kRandomBytes = 65536;
  static constexpr std::string_view kPluginNamePattern = "^[a-z][a-z0-9_-]*$";
  static constexpr std::string_view kCapabilityPattern = "^[a-z][a-z0-9_]*(?::[a-z][a-z0-9_]*)*$";
};

// ---- wire functions -----------------------------------------------------------------------------------------------------
/// What a host does instead when a call failed.
enum class FallbackPolicy : uint8_t {
  kFailRequest,  ///< answer 5xx
  kSilentSkip,   ///< drop the batch
  kUseDefault,   ///< accept all candidates
  kPassThrough,  ///< keep the error body; surface the 401
};
std::string_view PolicyName(FallbackPolicy policy);   ///< "fail_request"
std::string_view PolicyDebug(FallbackPolicy policy);  ///< "FailRequest"

struct WireFunctionRow {
  std::string_view name;
  FallbackPolicy fallback;
  uint32_t version;  ///< the one that there is
};
/// In canonical order, which shows in the self-check request and in the scan for undeclared exports.
inline constexpr WireFunctionRow kWireFunctions[] = {
    {"shape", FallbackPolicy::kFailRequest, 1},
    {"normalize_error", FallbackPolicy::kPassThrough, 1},
    {"build_signer", FallbackPolicy::kFailRequest, 1},
    {"sign", FallbackPolicy::kFailRequest, 1},
    {"on_unauthorized", FallbackPolicy::kPassThrough, 1},
    {"observe", FallbackPolicy::kSilentSkip, 1},
    {"filter", FallbackPolicy::kUseDefault, 1},
};
const WireFunctionRow* FindWireFunction(std::string_view name);

enum class PluginKind : uint8_t { kDialect, kSignerFactory, kObservability };
/// Advisory: nothing enforces them.
struct PluginKindRow {
  PluginKind kind;
  std::string_view name;
  std::vector<std::string_view> required, allowed;
};
const std::vector<PluginKindRow>& PluginKinds();

enum class Slot : uint8_t { kRouter, kObservabilityHook, kShape };
std::string_view SlotName(Slot slot);
/// Of what a plugin implements, without duplicates, in the order of the enum.
std::vector<Slot> SlotsOf(const std::set<std::string>& functions);

// ---- L1 -----------------------------------------------------------------------------------------------------------------
inline constexpr std::array<uint8_t, 8> kMagic = {0xCC, 0x1B, 0x70, 0x10, 0, 1, 0, 0};
inline constexpr std::string_view kIdentitySection = "cc_lb.plugin.v1";

struct PluginIdentity {
  std::array<uint8_t, 8> magic = kMagic;
  uint32_t abi_envelope = 1;  ///< any value passes
  std::string plugin_name, plugin_version;
};
std::optional<Fault> Validate(const PluginIdentity& identity);
/// From the module's bytes alone; nothing is compiled or run.
Checked<PluginIdentity> ReadIdentity(std::string_view wasm);

// ---- L2 -----------------------------------------------------------------------------------------------------------------
struct HandshakeOffer {
  uint32_t handshake_schema_version = 1, envelope_version = 1;
  std::map<std::string, std::vector<uint32_t>> function_versions;
  std::set<std::string> host_capabilities;
};
struct FunctionVersions {
  std::string function;
  std::vector<uint32_t> versions;
};
/// An offer as it was put together, duplicates and all: for hashing.
struct HandshakeOfferRaw {
  uint32_t handshake_schema_version = 1, envelope_version = 1;
  std::vector<FunctionVersions> function_versions;
  std::vector<std::string> host_capabilities;
};
struct HandshakeAccept {
  uint32_t handshake_schema_version = 1, envelope_version = 1;
  std::map<std::string, uint32_t> chosen_versions;
  std::map<std::string, std::vector<uint32_t>> plugin_supported;
  std::set<std::string> implemented_functions, required_capabilities;
};
using Sha256Bytes = std::array<uint8_t, 32>;

/// Schema 1, envelope 1, every wire function in version 1, and these capabilities as they are.
HandshakeOffer BuildOffer(std::set<std::string> capabilities);
std::optional<Fault> Validate(const HandshakeOffer& offer);
/// Functions merged, versions sorted and once, capabilities in ASCII lower case.
HandshakeOffer Canonicalize(const HandshakeOfferRaw& offer);
HandshakeOffer Canonicalize(const HandshakeOffer& offer);
/// SHA-256 of the canonical form.
Sha256Bytes OfferHash(const HandshakeOffer& offer);
Sha256Bytes OfferHash(const HandshakeOfferRaw& offer);
std::string ToText(const HandshakeOffer& offer);
std::string ToText(const HandshakeAccept& accept);
/// variant "serde".
Checked<HandshakeOffer> ReadOffer(std::string_view text);
Checked<HandshakeAccept> ReadAccept(std::string_view text);
/// Schema, chosen functions and downgrades, capabilities: the accept against the offer. Variants without "Validation.".
std::optional<Fault> ValidateAgainstOffer(const HandshakeAccept& accept, const HandshakeOffer& offer);
/// Counts, unknown functions, versions out of range, chosen but not implemented or supported.
std::optional<Fault> ValidateShape(const HandshakeAccept& accept, const HandshakeOffer& offer);

// ---- L3 -----------------------------------------------------------------------------------------------------------------
enum class SelfCheckStatus : uint8_t { kSuccess, kFailure };
enum class SelfCheckStage : uint8_t { kRequestPreparation, kWireFunctionTest, kCapabilityVerification, kResponseValidation };
std::string_view StageName(SelfCheckStage stage);
struct SelfCheckFailure {
  SelfCheckStage stage = SelfCheckStage::kRequestPreparation;
  std::string message;
};
struct SelfCheckRequest {
  std::vector<std::string> functions_to_test;
  int64_t initiated_at = 0;  ///< seconds since 1970
};
struct SelfCheckResponse {
  SelfCheckStatus status = SelfCheckStatus::kSuccess;
  std::vector<SelfCheckFailure> failures;
  int64_t completed_at = 0;  ///< seconds since 1970, by the plugin's word
};
/// All wire functions, whatever was negotiated.
SelfCheckRequest BuildSelfCheckRequest(int64_t now);
std::optional<Fault> Validate(const SelfCheckRequest& request);
std::optional<Fault> Validate(const SelfCheckResponse& response);
std::string ToText(const SelfCheckRequest& request);
std::string ToText(const SelfCheckResponse& response);
Checked<SelfCheckResponse> ReadSelfCheckResponse(std::string_view text);

// ---- L4 -----------------------------------------------------------------------------------------------------------------
struct AugmentedMetadata {
  PluginIdentity identity;
  std::map<std::string, uint32_t> negotiated_functions;
  std::set<std::string> negotiated_capabilities;
  int64_t handshake_completed_at = 0;
  bool self_check_passed = false;
  int64_t self_check_completed_at = 0, expires_at = 0;

  bool IsExpired(int64_t now) const { return now >= expires_at; }
  /// Seconds that it is still good for.
  uint64_t TtlSeconds(int64_t now) const;
};
std::optional<Fault> Validate(const AugmentedMetadata& metadata);
/// Expires `ttl_seconds` after the handshake; validated.
Checked<AugmentedMetadata> BuildMetadata(PluginIdentity identity, std::map<std::string, uint32_t> functions,
                                         std::set<std::string> capabilities, int64_t handshake_completed_at, bool self_check_passed,
                                         int64_t self_check_completed_at, uint64_t ttl_seconds);
std::string ToText(const AugmentedMetadata& metadata);
Checked<AugmentedMetadata> ReadMetadata(std::string_view text);

struct PluginRegistryRecord {
  std::string plugin_id;
  AugmentedMetadata augmented_metadata;
  int64_t registered_at = 0;
};
std::optional<Fault> Validate(const PluginRegistryRecord& record);
std::string ToText(const PluginRegistryRecord& record);
Checked<PluginRegistryRecord> ReadRecord(std::string_view text);

}  // namespace weir::cclb
