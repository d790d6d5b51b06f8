// What a plugin of Extism is. Its host functions are those of the kernel and of the runtime, in the module extism:host/env; what is
// imported from elsewhere (but WASI) the application brings. [extism.org, "Plugin ABI"]
#include <algorithm>

#include "base/nearest_name.h"
#include "cli/inspect.h"

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


bool OfToolchain(std::string_view name) { return std::find(std::begin(kOfToolchains), std::end(kOfToolchains), name) != std::end(kOfToolchains); }
bool IsCallable(const WasmExport& exported) { return exported.signature == "() -> i32" || exported.signature == "()"; }

void JudgeHostFunction(ImportReport& report) {
  std::vector<std::string_view> names;
  for (const ExtismFunction& known : kFunctions) {
    names.push_back(known.name);
    if (known.name != report.name) continue;
    report.offer = known.signature == report.signature ? Offer::kWorks : Offer::kWrongSignature;
    if (report.offer == Offer::kWrongSignature) report.detail = "wrong signature; Extism has " + std::string(known.signature);
    return;
  }
  report.offer = Offer::kUnknown;
  const std::string_view near = NearestName(report.name, names);
  report.detail = "unknown function" + (near.empty() ? std::string() : "; did you mean " + std::string(near) + "?");
}

}  // namespace

std::vector<std::string> UncallableExports(const WasmModule& module) {
  std::vector<std::string> names;
  for (const WasmExport& exported : module.exports) {
    if (exported.kind == WasmExternKind::kFunction && !OfToolchain(exported.name) && !IsCallable(exported)) names.emplace_back(exported.name);
  }
  return names;
}

void InspectExtism(Inspection& out) {
  for (const WasmExport& exported : out.module.exports) {
    if (exported.kind != WasmExternKind::kFunction || OfToolchain(exported.name) || !IsCallable(exported)) continue;
    out.callbacks.push_back({std::string(exported.name), exported.signature, ""});
  }
  for (const WasmImport& import : out.module.imports) {
    ImportReport report{std::string(import.module), std::string(import.name), std::string(WasmExternKindName(import.kind)), import.signature};
    if (import.module == kHostModule) {
      JudgeHostFunction(report);
    } else {
      report.offer = import.module.starts_with("wasi_") ? Offer::kWorks : Offer::kApplication;
    }
    if (!out.refusal && (report.offer == Offer::kUnknown || report.offer == Offer::kWrongSignature)) {
      out.refusal = Error{ErrorCode::kLinkFailed, out.file + ": import " + report.module + "." + report.name + report.signature + ": " + report.detail};
    }
    out.imports.push_back(std::move(report));
  }
}

}  // namespace weir::cli
