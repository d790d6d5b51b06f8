#include "cclb/registry/record.h"

#include <algorithm>

#include "base/sha256.h"

namespace weir::cclb {
namespace {

constexpr std::string_view kNames[] = {"InvalidRecord", "InvalidSource", "PluginMissing",      "PluginNameMismatch", "PluginDisabled",
                                       "PluginExpired", "PluginFailed",  "BlobMissing",        "BlobSha256Mismatch", "RegistryFull",
                                       "SchemaNewer",   "Corrupt",       "ImportMalformed",    "Unavailable",        "Io"};
static_assert(std::size(kNames) == static_cast<size_t>(RegistryErrorName::kIo) + 1);

/// Bytes of the UTF-8 character at the start of `text`; 0: there is none (RFC 3629: shortest form, no surrogates).
size_t CharacterBytes(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  const size_t size = lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = at(1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return 0;
  if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return 0;
  return size;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = CharacterBytes(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool IsPluginName(std::string_view name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && letter(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

RegistryFault Invalid(std::string what) { return {RegistryErrorName::kInvalidRecord, std::move(what)}; }

template <class T>
bool Take(const SqlValue& value, T* out) {
  const T* found = std::get_if<T>(&value);
  if (found) *out = *found;
  return found != nullptr;
}
bool TakeUint(const SqlValue& value, uint32_t* out) {
  int64_t number = 0;
  if (!Take(value, &number) || number < 0 || number > UINT32_MAX) return false;
  *out = static_cast<uint32_t>(number);
  return true;
}
bool TakeHash(const SqlValue& value, ModuleHash* out) {
  const auto* found = std::get_if<SqlBytes>(&value);
  if (!found || found->bytes.size() != out->size()) return false;
  std::ranges::copy(found->bytes, reinterpret_cast<char*>(out->data()));
  return true;
}
bool TakeBytes(const SqlValue& value, std::string* out) {
  const auto* found = std::get_if<SqlBytes>(&value);
  if (found) *out = found->bytes;
  return found != nullptr;
}
bool TakeStatus(const SqlValue& value, PluginStatus* out) {
  std::string text;
  if (!Take(value, &text)) return false;
  for (const PluginStatus status : {PluginStatus::kActive, PluginStatus::kDisabled}) {
    if (text == StatusName(status)) return *out = status, true;
  }
  return false;
}

}  // namespace

std::string_view NameOf(RegistryErrorName name) { return kNames[static_cast<size_t>(name)]; }
std::string_view StatusName(PluginStatus status) { return status == PluginStatus::kActive ? "active" : "disabled"; }
std::string_view View(const ModuleHash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }
std::string HexOf(const ModuleHash& hash) { return Hex(hash); }

RegistryStatus CheckRecord(const PluginRecord& record, const RegistryLimits& limits) {
  if (!IsPluginName(record.plugin_name) || record.plugin_name.size() > limits.name_bytes_max) {
    return Invalid("plugin_name: 1 to " + std::to_string(limits.name_bytes_max) + " characters of ^[a-z][a-z0-9_-]*$");
  }
  if (record.plugin_version.empty() || record.plugin_version.size() > limits.version_bytes_max || !IsUtf8(record.plugin_version)) {
    return Invalid("plugin_version: 1 to " + std::to_string(limits.version_bytes_max) + " bytes of UTF-8");
  }
  const std::string& metadata = record.augmented_metadata;
  if (metadata.size() > limits.metadata_bytes_max) {
    return Invalid("augmented metadata serialization exceeds max size of " + std::to_string(limits.metadata_bytes_max) + " bytes");
  }
  if (metadata.size() < 2 || metadata.front() != '{' || metadata.back() != '}' || metadata.find('\0') != metadata.npos || !IsUtf8(metadata)) {
    return Invalid("augmented_metadata: a JSON object in UTF-8");
  }
  if (record.registered_at <= 0) return Invalid("invalid timestamp: registered_at must be positive");
  if (record.last_handshake_at <= 0) return Invalid("invalid timestamp: last_handshake_at must be positive");
  if (record.expires_at <= 0) return Invalid("invalid timestamp: expires_at must be positive");
  if (record.disabled_reason != KeptReason(record.disabled_reason, limits.reason_bytes_max)) {
    return Invalid("disabled_reason: at most " + std::to_string(limits.reason_bytes_max) + " bytes of UTF-8 without NUL");
  }
  return std::monostate();
}

std::vector<SqlParameter> RecordParameters(const PluginRecord& record) {
  return {SqlBytesView{View(record.sha256)},
          std::string_view(record.plugin_name),
          SqlBytesView{record.plugin_version},
          int64_t{record.abi_envelope},
          std::string_view(record.augmented_metadata),
          SqlBytesView{View(record.host_offer_hash)},
          int64_t{record.handshake_schema_version},
          record.registered_at,
          record.last_handshake_at,
          record.expires_at,
          StatusName(record.status),
          std::string_view(record.disabled_reason)};
}

RegistryResult<PluginRecord> ReadRecord(const SqlRow& row, const std::string& where) {
  PluginRecord record;
  if (row.size() == kRecordColumnCount && TakeHash(row[0], &record.sha256) && Take(row[1], &record.plugin_name) &&
      TakeBytes(row[2], &record.plugin_version) && TakeUint(row[3], &record.abi_envelope) && Take(row[4], &record.augmented_metadata) &&
      TakeHash(row[5], &record.host_offer_hash) && TakeUint(row[6], &record.handshake_schema_version) && Take(row[7], &record.registered_at) &&
      Take(row[8], &record.last_handshake_at) && Take(row[9], &record.expires_at) && TakeStatus(row[10], &record.status) &&
      Take(row[11], &record.disabled_reason)) {
    return record;
  }
  return RegistryFault{RegistryErrorName::kCorrupt, where + ": the row of plugin " + HexOf(record.sha256) + " is damaged"};
}

std::string KeptReason(std::string_view reason, uint64_t bytes_max) {
  std::string kept;
  while (!reason.empty()) {
    size_t size = CharacterBytes(reason);
    const bool bad = size == 0 || reason[0] == '\0';
    const std::string_view character = bad ? "\xEF\xBF\xBD" : reason.substr(0, size);
    if (kept.size() + character.size() > bytes_max) break;
    kept += character;
    reason.remove_prefix(bad ? 1 : size);
  }
  return kept;
}

RegistryFault Missing(const ModuleHash& sha256) {
  return {RegistryErrorName::kPluginMissing, "no plugin " + HexOf(sha256) + " is registered"};
}

RegistryFault NameMismatch(const ModuleHash& sha256, const std::string& registered, const std::string& found) {
  return {RegistryErrorName::kPluginNameMismatch,
          "plugin " + HexOf(sha256) + " is registered as \"" + registered + "\", its identity says \"" + found + "\""};
}

RegistryFault BlobMismatch(const ModuleHash& expected, const ModuleHash& found) {
  return {RegistryErrorName::kBlobSha256Mismatch, "the module of plugin " + HexOf(expected) + " is damaged (its SHA-256 is " + HexOf(found) +
                                                      "): register the plugin again from its file"};
}

RegistryStatus CheckUsable(const PluginRecord& record, int64_t now) {
  const std::string plugin = "plugin \"" + record.plugin_name + "\" (" + HexOf(record.sha256) + ")";
  if (record.status == PluginStatus::kDisabled) {
    return RegistryFault{RegistryErrorName::kPluginDisabled,
                         plugin + " is disabled" + (record.disabled_reason.empty() ? "" : ": " + record.disabled_reason)};
  }
  if (record.IsExpired(now)) {
    return RegistryFault{RegistryErrorName::kPluginExpired, plugin + " expired at " + std::to_string(record.expires_at) + ": re-handshake it"};
  }
  return std::monostate();
}

}  // namespace weir::cclb
