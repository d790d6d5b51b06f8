#include "cli/inspect.h"

#include <algorithm>
#include <span>

#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_functions.h"
#include "proxy_wasm/link.h"
#include "wasi/host_functions.h"
#include "weir/engine.h"
#include "weir/plugin.h"

namespace weir::cli {
namespace {

// What a module says of itself, in the form that the import check takes.
class ReadModule final : public Module {
 public:
  ReadModule(const WasmModule& module, std::string name) : name_(std::move(name)) {
    for (const WasmImport& import : module.imports) {
      imports_.push_back({KindOf(import.kind), std::string(import.module), std::string(import.name), import.signature});
    }
    for (const WasmExport& exported : module.exports) {
      exports_.push_back({KindOf(exported.kind), "", std::string(exported.name), exported.signature});
    }
  }
  /// One import of it: to ask about that one.
  ReadModule(const ReadModule& other, size_t import) : imports_{other.imports_[import]} {
    exports_.push_back({ExternInfo::Kind::kMemory, "", "memory", ""});  // that question is about the module, not the import
  }

  const std::string& name() const override { return name_; }
  std::span<const ExternInfo> imports() const override { return imports_; }
  std::span<const ExternInfo> exports() const override { return exports_; }
  const void* code() const override { return nullptr; }
  size_t code_bytes() const override { return 0; }

 private:
  static ExternInfo::Kind KindOf(WasmExternKind kind) {
    switch (kind) {
      case WasmExternKind::kFunction: return ExternInfo::Kind::kFunction;
      case WasmExternKind::kMemory: return ExternInfo::Kind::kMemory;
      case WasmExternKind::kTable: return ExternInfo::Kind::kTable;
      case WasmExternKind::kGlobal: return ExternInfo::Kind::kGlobal;
      case WasmExternKind::kTag: break;
    }
    return ExternInfo::Kind::kOther;
  }

  std::string name_;
  std::vector<ExternInfo> exports_, imports_;
};

// ---- what made it -----------------------------------------------------------------------------------------------------
enum class Where : uint8_t { kFunctionName, kExport, kProducer };
struct Sign {
  Where where;
  std::string_view text;  // contained in the name; of a producer, in its name
  std::string_view sdk;
};
// The first that fits wins: exact signs before vague ones.
constexpr Sign kSigns[] = {
    {Where::kFunctionName, "github.com/tetratelabs/proxy-wasm-go-sdk", "Proxy-Wasm Go SDK (tetratelabs)"},
    {Where::kFunctionName, "github.com/proxy-wasm/proxy-wasm-go-sdk", "Proxy-Wasm Go SDK"},
    {Where::kFunctionName, "proxy-wasm-go-sdk", "Proxy-Wasm Go SDK"},
    // With a module of the crate: a namespace in C++ is often called proxy_wasm, too.
    {Where::kFunctionName, "10proxy_wasm10dispatcher", "Proxy-Wasm Rust SDK"},
    {Where::kFunctionName, "10proxy_wasm9hostcalls", "Proxy-Wasm Rust SDK"},
    {Where::kFunctionName, "proxy_wasm::dispatcher", "Proxy-Wasm Rust SDK"},
    {Where::kFunctionName, "proxy_wasm::hostcalls", "Proxy-Wasm Rust SDK"},
    {Where::kFunctionName, "11RootContext", "Proxy-Wasm C++ SDK"},
    {Where::kFunctionName, "RootContext::", "Proxy-Wasm C++ SDK"},
    {Where::kFunctionName, "@solo-io/proxy-runtime", "Proxy-Wasm AssemblyScript SDK"},
    {Where::kExport, "__rtti_base", "AssemblyScript"},
    {Where::kExport, "__pin", "AssemblyScript"},
    {Where::kProducer, "TinyGo", "Go (TinyGo)"},
    {Where::kProducer, "Go cmd/compile", "Go"},
    {Where::kProducer, "Rust", "Rust"},
    {Where::kProducer, "rustc", "Rust"},
    {Where::kProducer, "C_plus_plus", "C++"},
    {Where::kExport, "emscripten_stack_get_current", "Emscripten (C or C++)"},
    {Where::kProducer, "clang", "C or C++ (clang)"},
};

bool Has(const WasmModule& module, const Sign& sign) {
  const auto contains = [&](std::string_view name) { return name.find(sign.text) != name.npos; };
  switch (sign.where) {
    case Where::kFunctionName: return std::any_of(module.function_names.begin(), module.function_names.end(), contains);
    case Where::kExport: return module.FindExport(sign.text) != nullptr;
    case Where::kProducer:
      return std::any_of(module.producers.begin(), module.producers.end(), [&](const WasmProducer& p) { return contains(p.name); });
  }
  return false;
}

// Texts that toolchains leave in the data: Rust's source paths of panics ("…/proxy-wasm-0.2.4/src/dispatcher.rs"), Go's list of
// dependencies ("dep\tgithub.com/…\tv0.24.0"), AssemblyScript's file names (in UTF-16).
struct DataSign {
  std::string_view before, after;  // around the version
  std::string_view sdk, evidence;
  enum class Text : uint8_t { kUtf8, kUtf16 } text = Text::kUtf8;
};
constexpr DataSign kDataSigns[] = {
    {"/proxy-wasm-", "/src/", "Proxy-Wasm Rust SDK", "source paths in data"},
    {"\tgithub.com/tetratelabs/proxy-wasm-go-sdk\tv", "", "Proxy-Wasm Go SDK (tetratelabs)", "list of dependencies in data"},
    {"\tgithub.com/proxy-wasm/proxy-wasm-go-sdk\tv", "", "Proxy-Wasm Go SDK", "list of dependencies in data"},
    {"~lib/@solo-io/proxy-runtime/", "", "Proxy-Wasm AssemblyScript SDK (solo-io)", "file names in data", DataSign::Text::kUtf16},
};

// The SDK, with its version where it is there; empty: `sign` is not in `data`.
std::string SdkInData(std::string_view data, const DataSign& sign) {
  std::string needle;
  for (char c : sign.before) {
    needle.push_back(c);
    if (sign.text == DataSign::Text::kUtf16) needle.push_back('\0');
  }
  const size_t at = data.find(needle);
  if (at == data.npos) return {};
  const std::string_view rest = data.substr(at + needle.size());
  const std::string_view version = rest.substr(0, rest.find_first_not_of("0123456789."));
  if (sign.text == DataSign::Text::kUtf16) return std::string(sign.sdk);
  if (version.empty() || !rest.substr(version.size()).starts_with(sign.after)) return {};
  return std::string(sign.sdk) + " " + std::string(version);
}

bool TellSdkFromData(Inspection& out, std::string_view bytes) {
  for (const WasmSection& section : out.module.sections) {
    if (section.id == 0 || section.name != "data") continue;
    for (const DataSign& sign : kDataSigns) {
      out.sdk = SdkInData(bytes.substr(section.offset, section.size), sign);
      out.sdk_evidence = sign.evidence;
      if (!out.sdk.empty()) return true;
    }
  }
  return false;
}

void TellSdkFromNames(Inspection& out) {
  out.sdk_evidence.clear();
  constexpr std::string_view kWhere[] = {"function names", "exports", "producers section"};
  for (const Sign& sign : kSigns) {
    if (!Has(out.module, sign)) continue;
    out.sdk = sign.sdk;
    out.sdk_evidence = std::string(kWhere[static_cast<size_t>(sign.where)]) + ": " + std::string(sign.text);
    return;
  }
}

// By a word of the names above; "AssemblyScript" and "C or C++" come before shorter ones.
constexpr std::pair<std::string_view, Language> kLanguages[] = {
    {"AssemblyScript", Language::kAssemblyScript}, {"C++", Language::kCpp}, {"Rust", Language::kRust}, {"Go", Language::kGo}};

void TellSdk(Inspection& out, std::string_view bytes) {
  if (!TellSdkFromData(out, bytes)) TellSdkFromNames(out);
  for (const auto& [word, language] : kLanguages) {
    if (out.sdk.find(word) == out.sdk.npos) continue;
    out.language = language;
    return;
  }
}

// ---- imports and callbacks ----------------------------------------------------------------------------------------------
std::span<const abi::HostFunction> RowsOf(std::string_view module) {
  if (module == proxy_wasm::kModule) return proxy_wasm::HostFunctions();
  return wasi::HostFunctions(module);
}

ImportReport ReportImport(const WasmImport& import, const ReadModule& alone, proxy_wasm::Version version) {
  ImportReport report{std::string(import.module), std::string(import.name), std::string(WasmExternKindName(import.kind)), import.signature};
  bool named = false, this_version = false;
  for (const abi::HostFunction& row : RowsOf(import.module)) {
    if (row.name != import.name) continue;
    named = true;
    this_version |= import.module != proxy_wasm::kModule || (row.versions & static_cast<uint8_t>(version)) != 0;
    report.section = row.section;
  }
  const Result<void> checked = proxy_wasm::CheckModule(alone, version, "");
  if (checked) {
    report.offer = Offer::kWorks;
    return report;
  }
  report.offer = !named ? Offer::kUnknown : this_version ? Offer::kWrongSignature : Offer::kOtherVersion;
  report.detail = checked.error().message;
  // "import env.f(i32): unknown function …": the report names the import already.
  const std::string place = "import " + report.module + "." + report.name + report.signature + ": ";
  if (report.detail.starts_with(place)) report.detail.erase(0, place.size());
  return report;
}

void ReportImports(Inspection& out, const ReadModule& module, proxy_wasm::Version version) {
  for (size_t i = 0; i < out.module.imports.size(); ++i) {
    out.imports.push_back(ReportImport(out.module.imports[i], ReadModule(module, i), version));
  }
}

void ReportCallbacks(Inspection& out) {
  for (const proxy_wasm::CallbackRow& row : proxy_wasm::kCallbackRows) {
    const WasmExport* exported = out.module.FindExport(row.name);
    if (exported == nullptr || exported->kind != WasmExternKind::kFunction) continue;
    out.callbacks.push_back({std::string(row.name), exported->signature, std::string(row.section)});
  }
}

void ReportStart(Inspection& out) {
  if (out.module.start) out.start.push_back("start section");
  for (std::string_view name : {"_initialize", "_start", "main", "__main_void"}) {
    const WasmExport* exported = out.module.FindExport(name);
    if (exported != nullptr && exported->kind == WasmExternKind::kFunction) out.start.emplace_back(name);
  }
}

// "proxy_abi_version_0_2_1" -> "0.2.1"
void ReportVersions(Inspection& out) {
  constexpr std::string_view kMarker = "proxy_abi_version_";
  for (const WasmExport& exported : out.module.exports) {
    if (!exported.name.starts_with(kMarker) || exported.kind != WasmExternKind::kFunction) continue;
    std::string version(exported.name.substr(kMarker.size()));
    std::replace(version.begin(), version.end(), '_', '.');
    out.versions.push_back(std::move(version));
  }
  std::sort(out.versions.begin(), out.versions.end());
  if (!out.versions.empty()) out.family = "Proxy-Wasm";
  for (const WasmImport& import : out.module.imports) {
    if (out.family.empty() && import.module.starts_with("extism:")) out.family = "Extism";
  }
}

}  // namespace

std::string_view OfferName(Offer offer) {
  constexpr std::string_view kNames[] = {"works", "wrong signature", "of another ABI version", "unknown", "brought by the application"};
  return kNames[static_cast<size_t>(offer)];
}

Result<Inspection> InspectModule(std::string_view bytes, const std::string& file) {
  Inspection out;
  out.file = file;
  WEIR_TRY(out.module, ReadWasmModule(bytes, file));
  const ReadModule module(out.module, file);
  ReportVersions(out);
  TellSdk(out, bytes);
  ReportStart(out);
  if (out.family == "Extism") {
    InspectExtism(out);
    return out;
  }
  ReportCallbacks(out);
  ReportImports(out, module, proxy_wasm::DeclaredVersion(module).value_or(proxy_wasm::Version::k0_2_1));
  const size_t slash = file.rfind('/'), dot = file.rfind('.');
  const size_t begin = slash == file.npos ? 0 : slash + 1;
  const std::string name = file.substr(begin, dot == file.npos || dot <= begin ? file.npos : dot - begin);
  if (Result<void> checked = CheckPlugin(module, name); !checked) out.refusal = std::move(checked).error();
  return out;
}

}  // namespace weir::cli
