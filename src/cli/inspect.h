// `weir inspect`: what a plugin is and what Weir offers it, without running it. Read off the ABI's tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/wasm_module.h"
#include "weir/result.h"

namespace weir::cli {

struct InspectRequest {
  std::string file;
  bool json = false;
  bool properties = false;  ///< the table of properties in place of a file
};

enum class Offer : uint8_t { kWorks, kWrongSignature, kOtherVersion, kUnknown, kApplication };
/// "works", "unknown", "brought by the application" …
std::string_view OfferName(Offer offer);

struct ImportReport {
  std::string module, name, kind, signature;
  Offer offer = Offer::kUnknown;
  std::string section;  ///< of the specification, where the function is in it
  std::string detail;   ///< when it is refused: why
};

struct CallbackReport {
  std::string name, signature, section;
};

/// In which language a plugin is written, and so whose SDK it uses: what a remedy has to speak of.
enum class Language : uint8_t { kUnknown, kRust, kGo, kCpp, kAssemblyScript };

struct Inspection {
  std::string file;
  WasmModule module;
  std::string family;                  ///< "Proxy-Wasm", "Extism", or empty: neither
  std::vector<std::string> versions;   ///< ABI markers present, oldest first
  std::string sdk, sdk_evidence;       ///< empty: it cannot be told
  Language language = Language::kUnknown;
  std::vector<CallbackReport> callbacks;  ///< of Extism: the functions that can be called
  std::vector<ImportReport> imports;
  std::vector<std::string> start;      ///< what runs before the first callback: "_initialize", "start section" …
  std::optional<Error> refusal;        ///< why Weir does not load it
};

/// `bytes` outlive the result. An error: not a module at all.
Result<Inspection> InspectModule(std::string_view bytes, const std::string& file);

/// Its part for a plugin of Extism, whose module was read.
void InspectExtism(Inspection& out);
/// Exported functions that Extism cannot call, but those that toolchains add.
std::vector<std::string> UncallableExports(const WasmModule& module);

/// For people; colours when `colour`.
std::string InspectionText(const Inspection& inspection, bool colour);
std::string InspectionJson(const Inspection& inspection);

/// The table of properties (include/weir/property.h).
std::string PropertiesText(bool colour);
std::string PropertiesJson();

/// The command: 0 when Weir loads the plugin, else 1.
int Inspect(const InspectRequest& request);

}  // namespace weir::cli
