// A record as a row of cc_lb_plugins, and what may stand in one.
#pragma once

#include <string_view>
#include <vector>

#include "cclb/registry/sql.h"

namespace weir::cclb {

/// The columns, in the order of ReadRecord and of the parameters.
inline constexpr char kRecordColumns[] =
    "sha256, plugin_name, plugin_version, abi_envelope, augmented_metadata, host_offer_hash, handshake_schema_version, registered_at, "
    "last_handshake_at, expires_at, status, disabled_reason";
constexpr size_t kRecordColumnCount = 12;

/// kInvalidRecord, with the name of the field.
RegistryStatus CheckRecord(const PluginRecord& record, const RegistryLimits& limits);

/// Views into `record`, which outlives them.
std::vector<SqlParameter> RecordParameters(const PluginRecord& record);
/// A row of kRecordColumns. kCorrupt: `where` names the database.
RegistryResult<PluginRecord> ReadRecord(const SqlRow& row, const std::string& where);

std::string_view View(const ModuleHash& hash);
std::string HexOf(const ModuleHash& hash);
/// `reason` as it is kept: valid UTF-8 without NUL, at most `bytes_max` long.
std::string KeptReason(std::string_view reason, uint64_t bytes_max);

RegistryFault Missing(const ModuleHash& sha256);
RegistryFault NameMismatch(const ModuleHash& sha256, const std::string& registered, const std::string& found);
RegistryFault BlobMismatch(const ModuleHash& expected, const ModuleHash& found);

}  // namespace weir::cclb
