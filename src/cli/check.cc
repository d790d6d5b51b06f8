#include "cli/check.h"

#include <time.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/nearest_name.h"
#include "cli/text.h"
#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_functions.h"
#include "proxy_wasm/statuses.h"
#include "wasi/host_functions.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

using proxy_wasm::Callback;
using proxy_wasm::CallbackRow;
using proxy_wasm::kCallbackRows;

constexpr uint64_t kPageBytes = 64 << 10;

// ---- what calls what --------------------------------------------------------------------------------------------------
/// Callbacks that come only after the plugin has called one of these functions.
struct Asked {
  std::array<Callback, 4> callbacks;
  size_t count;
  std::array<std::string_view, 2> functions;
};
constexpr Asked kAsked[] = {
    {{Callback::kOnHttpCallResponse}, 1, {"proxy_http_call", "proxy_dispatch_http_call"}},
    {{Callback::kOnGrpcClose, Callback::kOnGrpcReceive, Callback::kOnGrpcReceiveInitialMetadata, Callback::kOnGrpcReceiveTrailingMetadata}, 4,
     {"proxy_grpc_call", "proxy_grpc_stream"}},
    {{Callback::kOnTick}, 1, {"proxy_set_tick_period_milliseconds"}},
    {{Callback::kOnQueueReady}, 1, {"proxy_register_shared_queue"}},
};
/// Callbacks that do nothing for traffic by themselves.
constexpr Callback kSetup[] = {Callback::kOnVmStart, Callback::kOnConfigure, Callback::kOnContextCreate, Callback::kOnDone, Callback::kOnDelete};

/// What SDKs export beside the callbacks of the specification.
constexpr std::string_view kLeftovers[] = {"proxy_on_request_metadata", "proxy_on_response_metadata", "proxy_on_grpc_trailing_metadata",
                                           "proxy_validate_configuration"};
constexpr std::string_view kMarker = "proxy_abi_version_", kAllocator = "proxy_on_memory_allocate", kMalloc = "malloc";

// ---- which status makes which SDK panic: read off their sources --------------------------------------------------------
struct Panics {
  Language language;
  std::string_view function;
  uint32_t survived;     ///< bit N: status N
  bool in_lenient;       ///< an ordinary answer under statuses=lenient does it
};
constexpr Panics kPanics[] = {
    // Go: the metric types panic, everything else returns an error.
    {Language::kGo, "proxy_define_metric", 0, false},
    {Language::kGo, "proxy_get_metric", 0, false},
    {Language::kGo, "proxy_increment_metric", 0, false},
    {Language::kGo, "proxy_record_metric", 0, false},
    // C++: CHECK_RESULT in getStatus, the Metric classes and getCurrentTimeNanoseconds.
    {Language::kCpp, "proxy_get_status", 0, false},
    {Language::kCpp, "proxy_define_metric", 0, false},
    {Language::kCpp, "proxy_get_metric", 0, false},
    // AssemblyScript: CHECK_RESULT.
    {Language::kAssemblyScript, "proxy_get_status", 0, false},
    {Language::kAssemblyScript, "proxy_get_property", 0, false},  // the SDK itself asks for plugin_root_id, which is always there
    {Language::kAssemblyScript, "proxy_set_header_map_pairs", 0, false},
    {Language::kAssemblyScript, "proxy_replace_header_map_value", 0, false},
    {Language::kAssemblyScript, "proxy_remove_header_map_value", 0, false},
    {Language::kAssemblyScript, "proxy_get_header_map_size", 0, false},
    {Language::kAssemblyScript, "proxy_call_foreign_function", 0, true},
};
/// Of the Rust SDK each row of host functions says it; these are refused to nobody who calls them by it.
constexpr std::string_view kNeverRefused[] = {"proxy_log", "proxy_get_log_level", "proxy_get_current_time_nanoseconds",
                                              "proxy_set_tick_period_milliseconds", "proxy_get_configuration"};

/// As WasmModule writes signatures.
std::string SignatureOf(size_t params, bool result) {
  std::string text = "(";
  for (size_t i = 0; i < params; ++i) text += i > 0 ? ", i32" : "i32";
  return text + (result ? ") -> i32" : ")");
}

bool ReturnsBytes(const abi::HostFunction& row) {
  return std::any_of(row.args.begin(), row.args.end(), [](std::string_view arg) { return arg.starts_with("return_") && arg.ends_with("_data"); });
}

template <class Range>
bool Contains(const Range& range, std::string_view name) {
  return std::find(std::begin(range), std::end(range), name) != std::end(range);
}

uint64_t CpuMs() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return uint64_t(now.tv_sec) * 1000 + uint64_t(now.tv_nsec) / 1'000'000;
}

class Checker {
 public:
  Checker(CheckReport& report, const CheckLimits& limits) : report_(report), in_(report.inspection), module_(report.inspection.module), limits_(limits) {
    for (const ImportReport& import : in_.imports)
      if (import.module == proxy_wasm::kModule) imported_.insert(import.name);
  }

  void Run() {
    if (in_.family == "Extism") {
      CheckExtism(report_);
      Imports([](const ImportReport& import) { return import.module.starts_with("wasi_"); });
    } else {
      Family();
      Imports([](const ImportReport&) { return true; });
      Memory();
      Callbacks();
      UnknownCallbacks();
      NeverCalled();
      Allocator();
      Start();
      SdkPanics();
    }
    Wasi();
    Shipping();
    Fallback();
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const Finding& a, const Finding& b) { return RowOf(a.id).severity > RowOf(b.id).severity; });
  }

 private:
  void Add(CheckId id, std::string subject, std::string message, std::vector<std::string> details = {}) {
    report_.findings.push_back({id, std::move(subject), std::move(message), std::move(details)});
  }
  bool sdk() const { return in_.sdk.starts_with("Proxy-Wasm "); }
  const WasmExport* Function(std::string_view name) const {
    const WasmExport* exported = module_.FindExport(name);
    return exported != nullptr && exported->kind == WasmExternKind::kFunction ? exported : nullptr;
  }
  bool Asks(const Asked& asked) const {
    return std::any_of(asked.functions.begin(), asked.functions.end(), [&](std::string_view name) { return imported_.contains(name); });
  }

  void Family() {
    const size_t known = size_t(std::count_if(in_.versions.begin(), in_.versions.end(), [](const std::string& v) { return Contains(proxy_wasm::kVersionNames, v); }));
    if (known == 0) {
      Add(CheckId::kNotAPlugin, "", in_.versions.empty() ? "exports none of proxy_abi_version_0_1_0, …_0_2_0 and …_0_2_1, and imports nothing of extism:host"
                                                         : "exports a marker of ABI " + Join(in_.versions) + ", and Weir knows 0.1.0, 0.2.0 and 0.2.1");
    } else if (in_.versions.size() > 1) {
      Add(CheckId::kAbiVersion, "", "exports markers of several versions; the newest that Weir knows counts", in_.versions);
    } else if (in_.versions.front() != proxy_wasm::kVersionNames[2]) {
      Add(CheckId::kAbiVersion, "", "declares ABI " + in_.versions.front() + "; the newest is 0.2.1");
    }
  }

  // ---- imports ---------------------------------------------------------------------------------------------------------
  template <class Of>
  void Imports(Of concerns) {
    std::map<std::string, std::vector<std::string>> stubs;  // by module
    for (const ImportReport& import : in_.imports) {
      if (import.offer == Offer::kWorks || !concerns(import)) continue;
      const std::string name = import.module + "." + import.name;
      if (import.kind != "function") {
        Add(CheckId::kImportKind, name, "is an imported " + import.kind + "; a plugin brings its own");
      } else if (import.offer == Offer::kWrongSignature) {
        Add(CheckId::kImportSignature, name + import.signature, import.detail);
      } else if (import.offer == Offer::kOtherVersion) {
        Add(CheckId::kImportVersion, name, import.detail);
      } else if (IsStub(import)) {
        stubs[import.module].push_back(import.name);
      } else {
        Add(CheckId::kImportUnknown, name + import.signature, import.detail + NearModule(import.module));
      }
    }
    for (auto& [module, names] : stubs) {
      const std::string what = module == proxy_wasm::kModule ? "the linker left undefined what no library has: " : "no proxy has this module: ";
      const std::string count = std::to_string(names.size()) + (names.size() == 1 ? " function" : " functions");
      Add(CheckId::kImportStub, module, what + count, std::move(names));
    }
  }
  static bool KnownModule(std::string_view module) { return module == proxy_wasm::kModule || !wasi::HostFunctions(module).empty(); }
  static std::string_view Nearest(std::string_view module) {
    constexpr std::string_view kModules[] = {proxy_wasm::kModule, wasi::kModule, wasi::kUnstableModule};
    return NearestName(module, kModules);
  }
  static std::string NearModule(std::string_view module) {
    const std::string_view near = KnownModule(module) ? std::string_view() : Nearest(module);
    return near.empty() ? "" : "; did you mean " + std::string(near) + "?";
  }
  /// Not a slip of the pen: nothing that Weir has is near.
  static bool IsStub(const ImportReport& import) {
    if (!KnownModule(import.module)) return Nearest(import.module).empty();
    return import.module == proxy_wasm::kModule && !import.name.starts_with("proxy_") && import.detail.find("did you mean") == std::string::npos;
  }

  // ---- memory, allocator, start ------------------------------------------------------------------------------------------
  void Memory() {
    const WasmExport* memory = module_.FindExport("memory");
    if (memory == nullptr || memory->kind != WasmExternKind::kMemory) Add(CheckId::kNoMemory, "", "exports no memory named \"memory\": the host cannot read what the plugin says");
    for (const WasmLimits& limits : module_.memories) {
      const uint64_t begin = limits.min * kPageBytes;
      if (begin > limits_.memory_bytes) {
        Add(CheckId::kMemoryMinimum, "memory", "begins with " + BytesText(begin) + ", more than its limit of " + BytesText(limits_.memory_bytes));
      } else if (!limits.max) {
        Add(CheckId::kMemoryMaximum, "memory", "has no maximum of its own; it grows up to the limit of " + BytesText(limits_.memory_bytes));
      } else if (*limits.max * kPageBytes > limits_.memory_bytes) {
        Add(CheckId::kMemoryMaximum, "memory", "may grow to " + BytesText(*limits.max * kPageBytes) + ", and ends at its limit of " + BytesText(limits_.memory_bytes));
      }
    }
  }

  void Allocator() {
    for (std::string_view name : {kAllocator, kMalloc}) {
      const WasmExport* exported = Function(name);
      if (exported == nullptr) continue;
      if (exported->signature != SignatureOf(1, true))
        Add(CheckId::kAllocatorSignature, std::string(name), "is " + exported->signature + ", and has to be " + SignatureOf(1, true));
      return;  // the first that is there is the one that is used
    }
    std::vector<std::string> returning;
    for (const abi::HostFunction& row : proxy_wasm::HostFunctions()) {
      if (ReturnsBytes(row) && imported_.contains(row.name) && !Contains(returning, row.name)) returning.emplace_back(row.name);
    }
    if (returning.empty()) return;
    const std::string count = std::to_string(returning.size());
    Add(CheckId::kNoAllocator, "", "exports neither proxy_on_memory_allocate nor malloc: " + count + " imported functions have nowhere to put bytes", std::move(returning));
  }

  void Start() {
    const bool reactor = Function("_initialize") != nullptr;
    const std::string_view name = reactor ? "_initialize" : "_start";
    const WasmExport* start = Function(name);
    if (start != nullptr && start->signature != "()") Add(CheckId::kStartSignature, std::string(name), "is " + start->signature + ", and has to be ()");
    const bool registers = in_.language == Language::kRust || in_.language == Language::kGo;
    if (in_.start.empty() && sdk() && registers) Add(CheckId::kNoStart, "", "exports no _initialize and no _start, where the " + in_.sdk + " is told which contexts to make");
  }

  // ---- callbacks ---------------------------------------------------------------------------------------------------------
  void Callbacks() {
    bool any = false;
    for (const CallbackRow& row : kCallbackRows) {
      const WasmExport* exported = module_.FindExport(row.name);
      if (exported == nullptr) continue;
      if (exported->kind != WasmExternKind::kFunction) {
        Add(CheckId::kCallbackUnknown, std::string(row.name), "is an exported " + std::string(WasmExternKindName(exported->kind)) + ", not a function");
        continue;
      }
      any |= std::find(std::begin(kSetup), std::end(kSetup), row.id) == std::end(kSetup);
      const std::string wanted = SignatureOf(row.count(), row.result);
      const bool old = row.old_params != 0 && exported->signature == SignatureOf(row.old_params, row.result);
      if (exported->signature != wanted && !old)
        Add(CheckId::kCallbackSignature, std::string(row.name), "is " + exported->signature + ", and has to be " + wanted);
    }
    if (!any && in_.family == "Proxy-Wasm") Add(CheckId::kNoCallbacks, "", "exports no callback for streams, ticks, queues or logs");
  }

  void UnknownCallbacks() {
    std::vector<std::string_view> known;
    for (const CallbackRow& row : kCallbackRows) known.push_back(row.name);
    for (const WasmExport& exported : module_.exports) {
      if (exported.kind != WasmExternKind::kFunction) continue;
      if (Contains(known, exported.name) || Contains(kLeftovers, exported.name) || exported.name == kAllocator || exported.name.starts_with(kMarker)) continue;
      const std::string_view near = NearestName(exported.name, known);
      if (near.empty() && !exported.name.starts_with("proxy_on_")) continue;
      Add(CheckId::kCallbackUnknown, std::string(exported.name), "nothing calls it" + (near.empty() ? std::string() : "; did you mean " + std::string(near) + "?"));
    }
  }

  void NeverCalled() {
    std::vector<std::string> leftovers;
    for (std::string_view name : kLeftovers)
      if (Function(name) != nullptr) leftovers.emplace_back(name);
    for (const Asked& asked : kAsked) {
      const std::string functions = std::string(asked.functions[0]) + (asked.functions[1].empty() ? "" : " or " + std::string(asked.functions[1]));
      bool heard = false;
      for (size_t i = 0; i < asked.count; ++i) {
        const std::string name(proxy_wasm::Name(asked.callbacks[i]));
        const bool there = Function(name) != nullptr;
        heard |= there;
        if (!there || Asks(asked)) continue;
        if (sdk()) {
          leftovers.push_back(name);
        } else {
          Add(CheckId::kCallbackNeverCalled, name, "is never called: the plugin does not import " + functions);
        }
      }
      if (!heard && Asks(asked)) {
        const bool first = imported_.contains(asked.functions[0]);
        Add(CheckId::kAnswerUnheard, std::string(asked.functions[first ? 0 : 1]), "is imported, and there is no " + std::string(proxy_wasm::Name(asked.callbacks[0])));
      }
    }
    const std::string count = std::to_string(leftovers.size());
    if (!leftovers.empty()) Add(CheckId::kCallbackLeftover, "", count + " exported callbacks are never called in this plugin", std::move(leftovers));
  }

  // ---- statuses ----------------------------------------------------------------------------------------------------------
  static std::string Survives(std::string_view function, uint32_t statuses) {
    const std::string names = proxy_wasm::ToleratedNames(statuses & 0xffff);
    return std::string(function) + " survives " + (names.empty() ? "OK alone" : "OK, " + names);
  }

  void SdkPanics() {
    std::vector<std::string> always, strict;
    std::vector<std::string>& mode = limits_.statuses == Statuses::kStrict ? always : strict;
    std::set<std::string_view> said;
    const bool rust = in_.language == Language::kRust && in_.family == "Proxy-Wasm";
    for (const abi::HostFunction& row : proxy_wasm::HostFunctions()) {
      if (!rust || !imported_.contains(row.name) || Contains(kNeverRefused, row.name) || !said.insert(row.name).second || row.results.empty()) continue;
      mode.push_back(Survives(row.name, row.extra));
    }
    for (const Panics& row : kPanics) {
      if (row.language != in_.language || !sdk() || !imported_.contains(row.function)) continue;
      (row.in_lenient ? always : mode).push_back(Survives(row.function, row.survived));
    }
    const std::string when = "panics when a function answers what it does not expect";
    if (!always.empty()) Add(CheckId::kSdkPanics, in_.sdk, when, std::move(always));
    if (!strict.empty()) Add(CheckId::kSdkPanicsStrict, in_.sdk, when + "; statuses=lenient keeps the host from it", std::move(strict));
  }

  // ---- of any family -------------------------------------------------------------------------------------------------------
  void Wasi() {
    std::set<std::string> names;
    for (const ImportReport& import : in_.imports) {
      for (const abi::HostFunction& row : wasi::HostFunctions(import.module)) {
        const bool ends_a_search = row.name.starts_with("fd_prestat_");  // every libc asks once, and BADF is its answer
        if (row.name == import.name && wasi::OnlyRefused(row) && !ends_a_search) names.insert(import.name);
      }
    }
    if (names.empty()) return;
    const std::string count = std::to_string(names.size());
    Add(CheckId::kWasiRefused, "", "there are no files and no sockets: " + count + " imported functions are refused when they are called", {names.begin(), names.end()});
  }

  void Shipping() {
    uint64_t debug_bytes = 0;
    for (const WasmSection& section : module_.sections)
      if (section.id == 0 && section.name.starts_with(".debug_")) debug_bytes += section.size;
    if (debug_bytes > 0) Add(CheckId::kDebugInfo, "", BytesText(debug_bytes) + " of the " + BytesText(module_.file_bytes) + " are DWARF");
    if (module_.file_bytes > limits_.size_bytes) Add(CheckId::kSize, "", "has " + BytesText(module_.file_bytes) + ", more than " + BytesText(limits_.size_bytes));
    if (module_.function_names.empty()) Add(CheckId::kNoNames, "", "has no function names: backtraces of a trap show numbers");
    for (const std::string& note : module_.notes) Add(CheckId::kCustomSection, "", Printable(note));
  }

  /// The loader's own word, so that a plugin that passes is one that loads.
  void Fallback() {
    if (in_.family == "Extism" || !in_.refusal || report_.count(Severity::kError) > 0) return;
    Add(CheckId::kNotLoaded, "", in_.refusal->message);
  }

  CheckReport& report_;
  const Inspection& in_;
  const WasmModule& module_;
  const CheckLimits& limits_;
  std::set<std::string, std::less<>> imported_;  ///< of env
};

}  // namespace

size_t CheckReport::count(Severity severity) const {
  return size_t(std::count_if(findings.begin(), findings.end(), [&](const Finding& f) { return RowOf(f.id).severity == severity; }));
}

Result<CheckReport> CheckModuleBytes(std::string_view bytes, const std::string& file, const CheckLimits& limits) {
  CheckReport report;
  WEIR_TRY(report.inspection, InspectModule(bytes, file));
  Checker(report, limits).Run();
  return report;
}

void CheckCompiled(CheckReport& report, std::string_view bytes, const CheckLimits& limits) {
  const auto add = [&](CheckId id, std::string message) {
    const Finding finding{id, "", std::move(message), {}};
    const auto worse = [&](const Finding& other) { return RowOf(other.id).severity >= RowOf(id).severity; };
    const auto at = std::find_if_not(report.findings.begin(), report.findings.end(), worse);
    report.findings.insert(at, finding);
  };
  auto engine = Engine::Create({.pooling = false});
  if (!engine) return add(CheckId::kInvalidCode, engine.error().message);
  // CPU time: what else runs on the machine, and how many processors it has, are not the plugin's.
  const uint64_t begin_ms = CpuMs();
  const auto module = (*engine)->Compile(bytes, report.inspection.file);
  const uint64_t passed_ms = CpuMs() - begin_ms;
  if (!module) {
    std::string message = module.error().message;
    if (message.starts_with(report.inspection.file + ": ")) message.erase(0, report.inspection.file.size() + 2);
    return add(CheckId::kInvalidCode, Printable(message));
  }
  report.compile_ms = passed_ms;
  report.native_bytes = (*module)->code_bytes();
  if (*report.compile_ms > limits.compile_ms)
    add(CheckId::kCompileTime, "takes " + std::to_string(passed_ms) + " ms of CPU time to compile, more than " + std::to_string(limits.compile_ms) + " ms");
}

}  // namespace weir::cli
