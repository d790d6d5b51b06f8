#include "weir/cclb/examiner.h"

namespace weir::cclb {
namespace {

class Examiner final : public PluginExaminer {
 public:
  Examiner(Host& host, ExaminerOptions options) : host_(host), options_(std::move(options)), offer_(BuildOffer(options_.capabilities)) {}

  ModuleHash OfferHash() override { return cclb::OfferHash(offer_); }

  RegistryResult<ModuleIdentity> Identify(std::string_view module) override {
    const auto identity = ReadIdentity(module);
    if (!identity) return Refused(identity.fault());
    return ModuleIdentity{identity->plugin_name, identity->plugin_version, identity->abi_envelope};
  }

  // Both calls are bounded by the protocol (200 ms each) and cannot be cut shorter; between them there is time to stop.
  RegistryResult<Examination> Examine(std::string_view module, const ModuleIdentity& identity, uint64_t ms_left,
                                      const std::stop_token& stop) override {
    if (ms_left == 0 || stop.stop_requested()) return RegistryFault{RegistryErrorName::kPluginFailed, "stopped before its handshake"};
    HostFunctions functions;
    OpenOptions open;
    if (options_.functions != nullptr) {
      functions = *options_.functions;
      functions.plugin = identity.plugin_name;
      open.functions = &functions;
    }
    const auto code = host_.Open(std::string(module), open);
    auto accept = code->Handshake(offer_);
    if (!accept) return Refused(accept.fault());
    const int64_t handshaken = host_.now_ms() / 1000;
    if (stop.stop_requested()) return RegistryFault{RegistryErrorName::kPluginFailed, "stopped before its self-check"};
    if (const auto checked = code->SelfCheck(); !checked) return Refused(checked.fault());
    auto whole = ReadIdentity(module);
    if (!whole) return Refused(whole.fault());
    const auto metadata = BuildMetadata(std::move(*whole), std::move(accept->chosen_versions), std::move(accept->required_capabilities),
                                        handshaken, true, host_.now_ms() / 1000, options_.ttl_seconds);
    if (!metadata) return Refused(metadata.fault());
    return Examination{ToText(*metadata), accept->handshake_schema_version, handshaken, metadata->expires_at};
  }

 private:
  static RegistryFault Refused(const Fault& fault) { return {RegistryErrorName::kPluginFailed, fault.message}; }

  Host& host_;
  const ExaminerOptions options_;
  const HandshakeOffer offer_;
};

}  // namespace

std::unique_ptr<PluginExaminer> NewExaminer(Host& host, ExaminerOptions options) { return std::make_unique<Examiner>(host, std::move(options)); }

}  // namespace weir::cclb
