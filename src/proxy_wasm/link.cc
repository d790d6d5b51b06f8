#include "proxy_wasm/link.h"

#include <algorithm>
#include <string>

#include "base/nearest_name.h"
#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_functions.h"
#include "wasi/host_functions.h"

namespace weir::proxy_wasm {
namespace {

struct Marker {
  std::string_view name;
  Version version;
};
constexpr Marker kMarkers[] = {{"proxy_abi_version_0_2_1", Version::k0_2_1},  // newest first
                               {"proxy_abi_version_0_2_0", Version::k0_2_0},
                               {"proxy_abi_version_0_1_0", Version::k0_1_0}};

std::span<const abi::HostFunction> RowsOf(std::string_view module) {
  if (module == kModule) return HostFunctions();
  return wasi::HostFunctions(module);
}

/// WASI's rows are of every version.
bool Offered(const abi::HostFunction& row, std::string_view module, Version version) {
  return module != kModule || (row.versions & uint8_t(version)) != 0;
}

/// "(i32, i32) -> ()" without spaces and the empty result, so that spellings do not matter.
std::string Plain(std::string_view signature) {
  std::string plain;
  for (char c : signature)
    if (c != ' ') plain += c;
  if (plain.ends_with("->()")) plain.resize(plain.size() - 4);
  return plain;
}

Error At(const ExternInfo& import, std::string_view prefix, const std::string& what) {
  return {ErrorCode::kLinkFailed, std::string(prefix) + "import " + import.module + "." + import.name +
                                      (import.signature.empty() ? "" : import.signature) + ": " + what};
}

Error Unknown(const ExternInfo& import, Version version, std::string_view prefix) {
  const auto rows = RowsOf(import.module);
  if (rows.empty()) {
    return At(import, prefix,
              "unknown module; Weir offers env (Proxy-Wasm), wasi_snapshot_preview1 and wasi_unstable to such plugins");
  }
  std::vector<std::string_view> names;
  for (const abi::HostFunction& row : rows) {
    if (row.name == import.name) {
      std::string versions;
      for (size_t i = 0; i < std::size(kVersionNames); ++i)
        if ((row.versions >> i & 1) != 0) versions += (versions.empty() ? "" : ", ") + std::string(kVersionNames[i]);
      return At(import, prefix, "this function is of ABI " + versions + ", and the module declares " + std::string(Name(version)));
    }
    if (Offered(row, import.module, version)) names.push_back(row.name);
  }
  const std::string_view nearest = NearestName(import.name, names);
  return At(import, prefix, "unknown function" + (nearest.empty() ? "" : "; did you mean " + std::string(nearest) + "?"));
}

Result<void> CheckImport(const ExternInfo& import, Version version, std::string_view prefix) {
  if (import.kind != ExternInfo::Kind::kFunction) return At(import, prefix, "only functions can be imported");
  std::string offered;
  for (const abi::HostFunction& row : RowsOf(import.module)) {
    if (row.name != import.name || !Offered(row, import.module, version)) continue;
    if (Plain(abi::Signature(row)) == Plain(import.signature)) return {};
    offered += (offered.empty() ? "" : " or ") + abi::Signature(row);
  }
  if (!offered.empty()) return At(import, prefix, "wrong signature; Weir offers " + offered);
  return Unknown(import, version, prefix);
}

}  // namespace

std::optional<Version> DeclaredVersion(const Module& module) {
  for (const Marker& marker : kMarkers)
    if (module.exports_function(marker.name)) return marker.version;
  return std::nullopt;
}

std::string_view MarkerNames() { return "proxy_abi_version_0_1_0, proxy_abi_version_0_2_0 or proxy_abi_version_0_2_1"; }

Result<void> CheckModule(const Module& module, Version version, std::string_view prefix) {
  for (const ExternInfo& import : module.imports()) WEIR_TRY_VOID(CheckImport(import, version, prefix));
  for (const ExternInfo& e : module.exports())
    if (e.kind == ExternInfo::Kind::kMemory && e.name == "memory") return {};
  return Error{ErrorCode::kLinkFailed, std::string(prefix) + "it exports no memory named \"memory\": link it with --export-memory"};
}

std::vector<engine::HostImport> ImportsFor(const Module& module, Version version, Groups allowed,
                                           std::span<const abi::HostFunction> instead) {
  std::vector<engine::HostImport> imports;
  const auto add = [&](const ExternInfo& import, std::span<const abi::HostFunction> rows) {
    for (const abi::HostFunction& row : rows) {
      if (row.name != import.name || !Offered(row, import.module, version)) continue;
      if (Plain(abi::Signature(row)) != Plain(import.signature)) continue;
      const bool refused = row.refused != nullptr && (Bit(GroupOf(row.extra)) & allowed) == 0;
      imports.push_back({import.module, row.name, row.types, row.results, refused ? row.refused : row.thunk});
      return true;
    }
    return false;
  };
  for (const ExternInfo& import : module.imports()) {
    if (import.module != kModule || !add(import, instead)) add(import, RowsOf(import.module));
  }
  return imports;
}

}  // namespace weir::proxy_wasm
