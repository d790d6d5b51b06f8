// weir cclb check: is everything in a registry what it should be?
#include <boost/json.hpp>
#include <cstdio>

#include "cli/cclb.h"
#include "cli/text.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

/// What the protocol says of a record whose module is whole: metadata that decode, of the identity that the module has.
std::string RecordFault(const cclb::PluginRecord& record, std::string_view wasm) {
  const std::string title = "plugin " + HashText(record.sha256) + " (" + record.plugin_name + "): ";
  const auto metadata = cclb::ReadMetadata(record.augmented_metadata);
  if (!metadata) return title + "its metadata: " + metadata.fault().message;
  const auto identity = cclb::ReadIdentity(wasm);
  if (!identity) return title + "its module: " + identity.fault().message;
  const auto same = [&](const cclb::PluginIdentity& other) {
    return other.plugin_name == record.plugin_name && other.plugin_version == record.plugin_version && other.abi_envelope == record.abi_envelope;
  };
  if (!same(*identity)) return title + "its module says it is " + identity->plugin_name + "@" + identity->plugin_version;
  if (!same(metadata->identity)) return title + "its metadata are of " + metadata->identity.plugin_name + "@" + metadata->identity.plugin_version;
  return "";
}

}  // namespace

Result<int> CclbCheck(CclbSession& session) {
  WEIR_TRY(cclb::Registry * registry, session.registry());
  const auto refused = [](const cclb::RegistryFault& fault) { return Error{ErrorCode::kIo, fault.message}; };
  auto faults = registry->Check();
  if (!faults) return refused(faults.error());
  const auto count = registry->Count();
  if (!count) return refused(count.error());
  // A damaged row keeps the list from being read; Check has named it then.
  if (const auto records = registry->List()) {
    for (const cclb::PluginRecord& record : *records) {
      const auto module = cclb::LoadModule(*registry, record.sha256);
      if (!module) continue;  // named above
      if (std::string fault = RecordFault(record, *module); !fault.empty()) faults->push_back(std::move(fault));
    }
  } else if (faults->empty()) {
    return refused(records.error());
  }
  if (session.request().json) {
    std::printf("%s\n", json::serialize(json::object{{"plugins", *count}, {"faults", json::array(faults->begin(), faults->end())}}).c_str());
  } else {
    for (const std::string& fault : *faults) std::printf("fault: %s\n", Printable(fault).c_str());
    std::printf("%llu plugins, %zu faults\n", static_cast<unsigned long long>(*count), faults->size());
  }
  return faults->empty() ? 0 : 1;
}

}  // namespace weir::cli
