// How the protocol's own messages are written.
#pragma once

#include "cclb/wire_tables.h"
#include "weir/cclb/protocol.h"

namespace weir::cclb {

WEIR_CCLB_TABLE(PluginIdentity, F("magic", &T::magic), F("abi_envelope", &T::abi_envelope), F("plugin_name", &T::plugin_name),
                F("plugin_version", &T::plugin_version));
WEIR_CCLB_TABLE(HandshakeOffer, F("handshake_schema_version", &T::handshake_schema_version), F("envelope_version", &T::envelope_version),
                F("function_versions", &T::function_versions), F("host_capabilities", &T::host_capabilities));
WEIR_CCLB_TABLE(FunctionVersions, F("function", &T::function), F("versions", &T::versions));
WEIR_CCLB_TABLE(HandshakeOfferRaw, F("handshake_schema_version", &T::handshake_schema_version),
                F("envelope_version", &T::envelope_version), F("function_versions", &T::function_versions),
                F("host_capabilities", &T::host_capabilities));
WEIR_CCLB_TABLE(HandshakeAccept, F("handshake_schema_version", &T::handshake_schema_version), F("envelope_version", &T::envelope_version),
                F("chosen_versions", &T::chosen_versions), F("plugin_supported", &T::plugin_supported),
                F("implemented_functions", &T::implemented_functions), F("required_capabilities", &T::required_capabilities));
WEIR_CCLB_ENUM(SelfCheckStatus, "success", "failure");
WEIR_CCLB_ENUM(SelfCheckStage, "request_preparation", "wire_function_test", "capability_verification", "response_validation");
WEIR_CCLB_TABLE(SelfCheckFailure, F("stage", &T::stage), F("message", &T::message));
WEIR_CCLB_TABLE(SelfCheckRequest, F("functions_to_test", &T::functions_to_test), F("initiated_at", &T::initiated_at));
WEIR_CCLB_TABLE(SelfCheckResponse, F("status", &T::status), F("failures", &T::failures), F("completed_at", &T::completed_at));
WEIR_CCLB_TABLE(AugmentedMetadata, F("identity", &T::identity), F("negotiated_functions", &T::negotiated_functions),
                F("negotiated_capabilities", &T::negotiated_capabilities), F("handshake_completed_at", &T::handshake_completed_at),
                F("self_check_passed", &T::self_check_passed), F("self_check_completed_at", &T::self_check_completed_at),
                F("expires_at", &T::expires_at));
WEIR_CCLB_TABLE(PluginRegistryRecord, F("plugin_id", &T::plugin_id), F("augmented_metadata", &T::augmented_metadata),
                F("registered_at", &T::registered_at));
WEIR_CCLB_ENUM(FallbackPolicy, "fail_request", "silent_skip", "use_default", "pass_through");
WEIR_CCLB_ENUM(PluginKind, "dialect", "signer_factory", "observability");
WEIR_CCLB_ENUM(Slot, "router", "observability_hook", "shape");

/// `text` (any bytes) as a T; variant "serde".
template <class T>
Checked<T> ReadChecked(std::string_view text);

}  // namespace weir::cclb
