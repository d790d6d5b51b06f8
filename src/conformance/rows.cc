#include "conformance/rows.h"

#include <vector>

#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_functions.h"
#include "wasi/host_functions.h"

namespace weir::conformance {
namespace {

using proxy_wasm::kAllVersions;

/// Headings of the specification that no host function or callback stands under.
constexpr std::string_view kMoreSections[] = {"Integration", "Memory management", "Randomness", "Environment variables",
                                              "Unimplemented WASI functions", "Serialization", "Security Considerations", "Types"};

}  // namespace

std::string Slug(std::string_view heading) {
  std::string slug;
  for (char c : heading) {
    if (c >= 'A' && c <= 'Z') c = char(c + 32);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter) slug += c;
    if (!letter && !slug.empty() && slug.back() != '-') slug += '-';
  }
  while (slug.ends_with('-')) slug.pop_back();
  return slug;
}

std::string SectionOf(std::string_view slug) {
  for (std::string_view section : kMoreSections)
    if (Slug(section) == slug) return std::string(section);
  for (const abi::HostFunction& row : proxy_wasm::HostFunctions())
    if (Slug(row.section) == slug) return std::string(row.section);
  for (const proxy_wasm::CallbackRow& row : proxy_wasm::kCallbackRows)
    if (Slug(row.section) == slug) return std::string(row.section);
  return "";
}

const abi::HostFunction* FindRow(std::string_view name, bool result, std::string_view* module) {
  *module = proxy_wasm::kModule;
  const abi::HostFunction* found = nullptr;
  for (const abi::HostFunction& row : proxy_wasm::HostFunctions())
    if (row.name == name && (found == nullptr || row.results.empty() != result)) found = &row;
  if (found != nullptr) return found;
  *module = wasi::kModule;
  for (const abi::HostFunction& row : wasi::HostFunctions())
    if (row.name == name) return &row;
  return nullptr;
}

const ExportRow* FindExport(std::string_view name) {
  static const std::vector<ExportRow> rows = [] {
    std::vector<ExportRow> made = {
        {"proxy_on_memory_allocate", kAllVersions, 1, 0, true, 0}, {"malloc", kAllVersions, 1, 0, true, 0},
        {"_initialize", kAllVersions, 0, 0, false, 0},             {"main", kAllVersions, 2, 0, true, 0},
        {"__main_void", kAllVersions, 0, 0, true, 0},              {"_start", kAllVersions, 0, 0, false, 0},
    };
    using proxy_wasm::Callback;
    for (const proxy_wasm::CallbackRow& row : proxy_wasm::kCallbackRows) {
      const bool yes = row.id == Callback::kOnVmStart || row.id == Callback::kOnConfigure || row.id == Callback::kOnDone;
      made.push_back({row.name, row.versions, row.count(), row.old_params, row.result, yes ? 1 : 0});
    }
    return made;
  }();
  for (const ExportRow& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace weir::conformance
