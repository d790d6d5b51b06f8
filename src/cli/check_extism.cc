// Checks of a plugin of Extism.
#include "cli/check.h"

namespace weir::cli {

void CheckExtism(CheckReport& report) {
  const Inspection& in = report.inspection;
  std::vector<std::string> brought;
  for (const ImportReport& import : in.imports) {
    const std::string name = import.module + "." + import.name + import.signature;
    if (import.offer == Offer::kApplication) brought.push_back(name);
    if (import.offer == Offer::kWrongSignature) report.findings.push_back({CheckId::kImportSignature, name, import.detail, {}});
    if (import.offer == Offer::kUnknown) report.findings.push_back({CheckId::kImportUnknown, name, import.detail, {}});
  }
  report.findings.push_back({CheckId::kExtismNotRun, "", "is a plugin of Extism: weir call runs its functions, NGINX does not", {}});
  if (in.callbacks.empty()) report.findings.push_back({CheckId::kExtismNoFunctions, "", "exports no function () -> i32", {}});
  std::vector<std::string> uncallable = UncallableExports(in.module);
  const std::string wrong = std::to_string(uncallable.size()), wanted = std::to_string(brought.size());
  if (!uncallable.empty()) report.findings.push_back({CheckId::kExtismExport, "", wrong + " exported functions are not () -> i32", std::move(uncallable)});
  if (!brought.empty()) report.findings.push_back({CheckId::kExtismHostFunction, "", "wants " + wanted + " host functions of the application", std::move(brought)});
}

}  // namespace weir::cli
