#include "weir/cclb/registration.h"

#include "base/sha256.h"
#include "cclb/registry/record.h"

namespace weir::cclb {
namespace {

/// Handshake and self-check; `record` (its module's hash, its times) with what they gave.
RegistryStatus ExamineInto(PluginExaminer& examiner, std::string_view module, const ModuleIdentity& identity, uint64_t ms_left,
                           const std::stop_token& stop, PluginRecord* record) {
  WEIR_TRY(Examination examined, examiner.Examine(module, identity, ms_left, stop));
  record->plugin_name = identity.plugin_name;
  record->plugin_version = identity.plugin_version;
  record->abi_envelope = identity.abi_envelope;
  record->augmented_metadata = std::move(examined.augmented_metadata);
  record->host_offer_hash = examiner.OfferHash();
  record->handshake_schema_version = examined.handshake_schema_version;
  record->last_handshake_at = examined.handshake_completed_at;
  record->expires_at = examined.expires_at;
  record->status = PluginStatus::kActive;
  record->disabled_reason.clear();
  return std::monostate();
}

}  // namespace

RegistryResult<Registration> RegisterPlugin(Registry& registry, PluginExaminer& examiner, std::string_view module, int64_t now) {
  Registration done;
  done.record.sha256 = Sha256({module});
  WEIR_TRY(const ModuleIdentity identity, examiner.Identify(module));
  WEIR_TRY(auto there, registry.Find(done.record.sha256));
  if (there && there->plugin_name != identity.plugin_name) return NameMismatch(done.record.sha256, there->plugin_name, identity.plugin_name);
  if (there && there->status == PluginStatus::kActive && there->host_offer_hash == examiner.OfferHash()) {
    return Registration{.record = *std::move(there), .reused = true, .stored = {}};
  }
  WEIR_TRY_VOID(ExamineInto(examiner, module, identity, UINT64_MAX, {}, &done.record));
  done.record.registered_at = there ? there->registered_at : now;
  WEIR_TRY(done.stored, registry.Store(done.record, module));
  return done;
}

RegistryResult<PluginRecord> RehandshakePlugin(Registry& registry, PluginExaminer& examiner, const ModuleHash& sha256, uint64_t ms_left,
                                               const std::stop_token& stop) {
  WEIR_TRY(auto there, registry.Find(sha256));
  if (!there) return Missing(sha256);
  WEIR_TRY(const std::string module, registry.ReadModule(sha256));
  WEIR_TRY(const ModuleIdentity identity, examiner.Identify(module));
  if (there->plugin_name != identity.plugin_name) return NameMismatch(sha256, there->plugin_name, identity.plugin_name);
  if (const ModuleHash found = Sha256({module}); found != sha256) return BlobMismatch(sha256, found);
  PluginRecord record = *std::move(there);
  WEIR_TRY_VOID(ExamineInto(examiner, module, identity, ms_left, stop, &record));
  WEIR_TRY_VOID(registry.Update(record));
  return record;
}

}  // namespace weir::cclb
