#include "abi/host_function.h"

namespace weir::abi {
namespace {

std::string_view Name(engine::ValType type) {
  switch (type) {
    case engine::ValType::kI32: return "i32";
    case engine::ValType::kI64: return "i64";
    case engine::ValType::kF32: return "f32";
    case engine::ValType::kF64: return "f64";
  }
  return "?";
}

std::string Arrow(const HostFunction& row) {
  if (row.results.empty()) return " -> ()";
  return " -> " + std::string(Name(row.results[0]));
}

std::string VersionList(Versions versions, std::span<const std::string_view> names) {
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    if ((versions >> i & 1) == 0) continue;
    if (!list.empty()) list += ", ";
    list += names[i];
  }
  return list;
}

}  // namespace

std::string Signature(const HostFunction& row) {
  std::string text = "(";
  for (size_t i = 0; i < row.types.size(); ++i) {
    if (i > 0) text += ", ";
    text += Name(row.types[i]);
  }
  return text + ")" + Arrow(row);
}

std::string Declaration(const HostFunction& row) {
  std::string text = std::string(row.name) + "(";
  for (size_t i = 0; i < row.types.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::string(Name(row.types[i])) + " " + std::string(row.args[i]);
  }
  return text + ")" + Arrow(row);
}

std::vector<engine::HostImport> Imports(std::string_view module, std::span<const HostFunction> rows) {
  std::vector<engine::HostImport> imports;
  imports.reserve(rows.size());
  for (const HostFunction& row : rows)
    imports.push_back({module, row.name, row.types, row.results, row.thunk});
  return imports;
}

std::string PrintTable(std::span<const HostFunction> rows, std::span<const std::string_view> version_names,
                       std::string_view note_heading, std::string (*note)(const HostFunction&)) {
  std::string text = "| function | versions | section | " + std::string(note_heading) + " |\n|---|---|---|---|\n";
  for (const HostFunction& row : rows) {
    text += "| `" + Declaration(row) + "` | " + VersionList(row.versions, version_names) + " | " +
            std::string(row.section) + " | " + note(row) + " |\n";
  }
  return text;
}

}  // namespace weir::abi
