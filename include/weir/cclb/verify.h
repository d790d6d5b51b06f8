// The checks of the reference's conformance suite: whether a plugin is fit for what it says it is.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "weir/cclb/host.h"

namespace weir::cclb {

enum class VerifyKind : uint8_t { kShape, kRouter, kObservability };

struct LayerResult {
  std::string layer;
  bool passed = true;
  std::optional<std::string> detail;
};
struct ExtraInfo {
  std::string kind, message;
};
/// The nine checks of the module's bytes.
struct StaticCheck {
  std::string_view name;
  bool passed = true;
  std::string detail;  ///< why not
};
struct VerifyReport {
  LayerResult identity, handshake, self_check;
  std::vector<LayerResult> dispatch;
  std::vector<ExtraInfo> extras;
  std::vector<StaticCheck> static_checks;
};
std::vector<StaticCheck> RunStaticChecks(PluginCode& code, std::string_view wasm);
/// The report, or the text of the first error. The plugin runs under the handshake's limits, as in the reference; or under `limits`.
struct VerifyOutcome {
  std::optional<VerifyReport> report;
  std::string error;
};
VerifyOutcome Verify(Host& host, std::string_view wasm, VerifyKind kind, const std::set<std::string>& capabilities,
                     const std::optional<InstanceLimits>& limits = std::nullopt);
/// As the reference prints it.
std::string DebugText(const VerifyReport& report);

}  // namespace weir::cclb
