// What can be said of a module's bytes without running it.
#include <algorithm>

#include "base/wasm_module.h"
#include "cclb/debug_text.h"
#include "cclb/protocol_tables.h"
#include "cclb/utf8.h"
#include "weir/cclb/verify.h"

namespace weir::cclb {
namespace {

constexpr std::string_view kLifecycle[] = {"cc_lb_handshake", "cc_lb_self_check"};
constexpr std::string_view kFields[] = {"abi_envelope", "magic", "plugin_name", "plugin_version"};

// ["a", "b"], as Rust prints a list of strings.
template <class T>
std::string List(const T& names) {
  std::string out = "[";
  for (const auto& name : names) out += (out.size() > 1 ? ", " : "") + DebugText(name);
  return out + "]";
}

struct Facts {
  std::string fault;  // of the module
  std::vector<std::string_view> sections;
  std::set<std::string> exports, imports;  // functions; modules
};

Facts Collect(std::string_view wasm) {
  Facts facts;
  const auto module = ReadWasmModule(wasm, "module");
  if (!module) {
    facts.fault = "invalid wasm: " + module.error().message;
    return facts;
  }
  for (const WasmSection& section : module->sections) {
    if (section.id != 0) continue;
    // The section's content begins with its name, of less than 128 bytes where it is ours.
    const std::string_view content = wasm.substr(section.offset, section.size);
    if (content.size() > kIdentitySection.size() && static_cast<uint8_t>(content[0]) == kIdentitySection.size() &&
        content.substr(1, kIdentitySection.size()) == kIdentitySection) {
      facts.sections.push_back(content.substr(1 + kIdentitySection.size()));
    }
  }
  for (const WasmExport& row : module->exports) {
    if (row.kind == WasmExternKind::kFunction) facts.exports.emplace(row.name);
  }
  for (const WasmImport& row : module->imports) facts.imports.emplace(row.module);
  return facts;
}

// The payload as a tree, for checks that go on where a decoder stops.
struct Payload {
  JsonTree tree;
  std::string fault;

  explicit Payload(const Facts& facts) {
    fault = facts.fault;
    if (!fault.empty()) return;
    if (facts.sections.size() != 1) {
      fault = facts.sections.empty() ? "missing " + std::string(kIdentitySection) + " custom section"
                                     : std::string(kIdentitySection) + " custom section appears " + std::to_string(facts.sections.size()) + " times";
    } else if (!IsValidUtf8(facts.sections[0])) {
      fault = "malformed identity JSON: " + Utf8Fault(facts.sections[0]);
    } else if (!tree.Parse(facts.sections[0])) {
      fault = "malformed identity JSON: " + tree.error();
    }
  }
  // 0: none.
  size_t Member(std::string_view name) const {
    const JsonNode& root = tree.node(JsonTree::kRoot);
    size_t found = 0;
    if (root.kind != JsonKind::kObject) return 0;
    for (size_t key = JsonTree::kRoot + 1; key != root.end; key = tree.Next(key + 1)) {
      if (tree.node(key).text() == name) found = key + 1;
    }
    return found;
  }
  const JsonNode* String(std::string_view name) const {
    const size_t node = Member(name);
    return node != 0 && tree.node(node).kind == JsonKind::kString ? &tree.node(node) : nullptr;
  }
};

std::string OnceOnly(const Facts& facts) {
  if (!facts.fault.empty()) return facts.fault;
  if (facts.sections.size() == 1) return {};
  return "expected exactly one " + std::string(kIdentitySection) + " custom section, found " + std::to_string(facts.sections.size());
}

std::string SizeWithinLimit(const Facts& facts) {
  if (!facts.fault.empty()) return facts.fault;
  if (facts.sections.empty()) return "missing " + std::string(kIdentitySection) + " custom section";
  std::string sizes;
  for (const std::string_view section : facts.sections) {
    if (section.size() > Limit::kCustomSectionBytes) sizes += (sizes.empty() ? "" : ", ") + std::to_string(section.size());
  }
  if (sizes.empty()) return {};
  return "custom section payload size(s) [" + sizes + "] exceed max " + std::to_string(Limit::kCustomSectionBytes) + " bytes";
}

std::string FourFields(const Payload& payload) {
  if (!payload.fault.empty()) return payload.fault;
  const JsonNode& root = payload.tree.node(JsonTree::kRoot);
  if (root.kind != JsonKind::kObject) return "identity payload top level is not a JSON object";
  std::set<std::string_view> keys;
  for (size_t key = JsonTree::kRoot + 1; key != root.end; key = payload.tree.Next(key + 1)) keys.insert(payload.tree.node(key).text());
  if (std::equal(keys.begin(), keys.end(), std::begin(kFields), std::end(kFields))) return {};
  return "identity JSON fields must be exactly " + List(kFields) + "; found " + List(keys);
}

std::string Magic(const Payload& payload) {
  const size_t node = payload.Member("magic");
  if (node == 0 || payload.tree.node(node).kind != JsonKind::kArray) return "magic must be an array of 8 bytes";
  std::array<uint8_t, 8> magic;
  const auto list = [](const std::array<uint8_t, 8>& bytes) {
    std::string out = "[";
    for (const uint8_t byte : bytes) out += (out.size() > 1 ? ", " : "") + std::to_string(byte);
    return out + "]";
  };
  if (payload.tree.node(node).size != magic.size()) {
    return "magic must contain 8 bytes; found " + std::to_string(payload.tree.node(node).size);
  }
  size_t child = node + 1;
  for (size_t i = 0; i < magic.size(); ++i, child = payload.tree.Next(child)) {
    const JsonNode& byte = payload.tree.node(child);
    const std::string name = "magic[" + std::to_string(i) + "]";
    if (byte.kind != JsonKind::kUint) return name + " must be an integer byte";
    if (byte.uint > 255) return name + " exceeds u8 max: " + std::to_string(byte.uint);
    magic[i] = static_cast<uint8_t>(byte.uint);
  }
  return magic == kMagic ? "" : "magic must equal " + list(kMagic) + "; found " + list(magic);
}

std::string WellFormed(const Payload& payload) {
  if (!payload.fault.empty()) return payload.fault;
  std::string errors;
  const auto add = [&](std::string error) {
    if (!error.empty()) errors += (errors.empty() ? "" : "; ") + error;
  };
  add(Magic(payload));
  const size_t envelope = payload.Member("abi_envelope");
  if (envelope == 0 || payload.tree.node(envelope).kind != JsonKind::kUint) {
    add("abi_envelope must be an unsigned integer");
  } else if (const uint64_t found = payload.tree.node(envelope).uint; found != 1) {
    add("abi_envelope must be 1; found " + std::to_string(found));
  }
  for (const std::string_view name : {"plugin_name", "plugin_version"}) {
    if (payload.String(name) == nullptr) add(std::string(name) + " must be a string");
  }
  return errors;
}

std::string NameMatches(const Payload& payload) {
  if (!payload.fault.empty()) return payload.fault;
  const JsonNode* name = payload.String("plugin_name");
  if (name == nullptr) return "plugin_name must be a string";
  PluginIdentity identity;
  identity.plugin_name = std::string(name->text());
  identity.plugin_version = "1";
  if (!Validate(identity)) return {};
  return "plugin_name " + DebugText(name->text()) + " must match " + std::string(Limit::kPluginNamePattern) + " and be at most " +
         std::to_string(Limit::kPluginNameBytes) + " bytes";
}

std::string VersionFits(const Payload& payload) {
  if (!payload.fault.empty()) return payload.fault;
  const JsonNode* version = payload.String("plugin_version");
  if (version == nullptr) return "plugin_version must be a string";
  if (version->size != 0 && version->size <= Limit::kPluginVersionBytes) return {};
  return "plugin_version must be non-empty and at most " + std::to_string(Limit::kPluginVersionBytes) + " bytes; found " +
         std::to_string(version->size) + " bytes";
}

std::string ExportsPresent(const Facts& facts) {
  if (!facts.fault.empty()) return facts.fault;
  std::vector<std::string_view> missing;
  for (const std::string_view name : kLifecycle) {
    if (!facts.exports.contains(std::string(name))) missing.push_back(name);
  }
  return missing.empty() ? "" : "missing wasm function export(s): " + List(missing);
}

std::string NoWasi(const Facts& facts) {
  if (!facts.fault.empty()) return facts.fault;
  std::vector<std::string_view> found;
  for (const std::string& module : facts.imports) {
    if (module == "wasi_snapshot_preview1" || module == "wasi_snapshot_preview2" || module == "wasi_unstable" || module.starts_with("wasi:")) {
      found.push_back(module);
    }
  }
  return found.empty() ? "" : "forbidden WASI import module(s): " + List(found);
}

}  // namespace

std::vector<StaticCheck> RunStaticChecks(PluginCode& code, std::string_view wasm) {
  const Facts facts = Collect(wasm);
  const Payload payload(facts);
  const auto check = [](std::string_view name, std::string detail) { return StaticCheck{name, detail.empty(), std::move(detail)}; };
  const auto instance = code.NewInstance({.wall_ms = Limit::kHandshakeWallMs, .fuel = Limit::kHandshakeFuel, .memory_pages = std::nullopt});
  return {
      check("custom_section_exactly_once", OnceOnly(facts)),
      check("custom_section_size_within_limit", SizeWithinLimit(facts)),
      check("json_fields_exactly_four", FourFields(payload)),
      check("identity_fields_well_formed", WellFormed(payload)),
      check("plugin_name_regex_compliant", NameMatches(payload)),
      check("plugin_version_length_compliant", VersionFits(payload)),
      check("all_required_exports_present", ExportsPresent(facts)),
      check("extism_can_instantiate", instance ? "" : "failed to instantiate plugin: " + instance.fault().reason),
      check("no_wasi_imports", NoWasi(facts)),
  };
}

}  // namespace weir::cclb
