// Checks of a plugin of Extism. Its host functions are those of the kernel and of the runtime, in the module extism:host/env; what
// is imported from elsewhere (but WASI) the application brings. [extism.org, "Plugin ABI"]
#include <algorithm>

#include "base/nearest_name.h"
#include "cli/check.h"

namespace weir::cli {
namespace {

constexpr std::string_view kHostModule = "extism:host/env";

struct ExtismFunction {
  std::string_view name, signature;
};
constexpr ExtismFunction kFunctions[] = {
    {"alloc", "(i64) -> i64"},        {"free", "(i64)"},                 {"length", "(i64) -> i64"},        {"length_unsafe", "(i64) -> i64"},
    {"load_u8", "(i64) -> i32"},      {"load_u64", "(i64) -> i64"},      {"store_u8", "(i64, i32)"},        {"store_u64", "(i64, i64)"},
    {"input_load_u8", "(i64) -> i32"}, {"input_load_u64", "(i64) -> i64"}, {"input_length", "() -> i64"},   {"input_offset", "() -> i64"},
    {"input_set", "(i64, i64)"},      {"output_set", "(i64, i64)"},      {"output_length", "() -> i64"},    {"output_offset", "() -> i64"},
    {"error_set", "(i64)"},           {"error_get", "() -> i64"},        {"memory_bytes", "() -> i64"},     {"reset", "()"},
    {"config_get", "(i64) -> i64"},   {"var_get", "(i64) -> i64"},       {"var_set", "(i64, i64)"},         {"http_request", "(i64, i64) -> i64"},
    {"http_status_code", "() -> i32"}, {"http_headers", "() -> i64"},    {"log_trace", "(i64)"},            {"log_debug", "(i64)"},
    {"log_info", "(i64)"},            {"log_warn", "(i64)"},             {"log_error", "(i64)"},            {"get_log_level", "() -> i32"},
};
/// Exported by toolchains: not the plugin's functions.
constexpr std::string_view kOfToolchains[] = {"_start", "_initialize", "__wasm_call_ctors", "hs_init", "malloc", "free", "__main_void", "main", "memory_size"};

void CheckKernelImport(CheckReport& report, const ImportReport& import) {
  const std::string name = import.module + "." + import.name;
  std::vector<std::string_view> names;
  for (const ExtismFunction& known : kFunctions) {
    names.push_back(known.name);
    if (known.name != import.name) continue;
    if (known.signature != import.signature)
      report.findings.push_back({CheckId::kImportSignature, name + import.signature, "wrong signature; Extism has " + std::string(known.signature), {}});
    return;
  }
  const std::string_view near = NearestName(import.name, names);
  report.findings.push_back({CheckId::kImportUnknown, name + import.signature,
                             "unknown function" + (near.empty() ? std::string() : "; did you mean " + std::string(near) + "?"), {}});
}

}  // namespace

void CheckExtism(CheckReport& report) {
  const Inspection& in = report.inspection;
  std::vector<std::string> brought, callable, uncallable;
  for (const ImportReport& import : in.imports) {
    if (import.module == kHostModule) {
      CheckKernelImport(report, import);
    } else if (!import.module.starts_with("wasi_")) {
      brought.push_back(import.module + "." + import.name + import.signature);
    }
  }
  for (const WasmExport& exported : in.module.exports) {
    if (exported.kind != WasmExternKind::kFunction || std::find(std::begin(kOfToolchains), std::end(kOfToolchains), exported.name) != std::end(kOfToolchains)) continue;
    const bool fits = exported.signature == "() -> i32" || exported.signature == "()";
    (fits ? callable : uncallable).emplace_back(exported.name);
  }
  report.findings.push_back({CheckId::kExtismNotRun, "", "is a plugin of Extism: weir call runs its functions, NGINX does not", {}});
  if (callable.empty()) report.findings.push_back({CheckId::kExtismNoFunctions, "", "exports no function () -> i32", {}});
  const std::string wrong = std::to_string(uncallable.size()), wanted = std::to_string(brought.size());
  if (!uncallable.empty()) report.findings.push_back({CheckId::kExtismExport, "", wrong + " exported functions are not () -> i32", std::move(uncallable)});
  if (!brought.empty()) report.findings.push_back({CheckId::kExtismHostFunction, "", "wants " + wanted + " host functions of the application", std::move(brought)});
}

}  // namespace weir::cli
