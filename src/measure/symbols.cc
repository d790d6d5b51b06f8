#include "measure/symbols.h"

#include <cxxabi.h>
#include <elf.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

namespace weir::measure {
namespace {

/// A file of ours, so well formed; a bound that does not hold is nullopt all the same.
template <class T>
std::optional<T> Read(std::string_view bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string_view StringAt(std::string_view table, uint64_t offset) {
  if (offset >= table.size()) return {};
  const std::string_view rest = table.substr(offset);
  return rest.substr(0, rest.find('\0'));
}

/// Where the hash begins that Rust puts behind a path ("::h" and 16 digits), or the end.
size_t WithoutHash(std::string_view name) {
  constexpr size_t kHash = 19;
  if (name.size() < kHash || name.substr(name.size() - kHash, 3) != "::h") return name.size();
  const std::string_view digits = name.substr(name.size() - kHash + 3);
  return digits.find_first_not_of("0123456789abcdef") == digits.npos ? name.size() - kHash : name.size();
}

/// Rust's newer mangling (RFC 2603), read for its identifiers alone: "crate::Type::crate::Trait::method". Empty: it is none.
std::string RustPath(std::string_view symbol) {
  if (!symbol.starts_with("_R")) return {};
  std::string path;
  for (size_t at = 2; at < symbol.size();) {
    const char c = symbol[at];
    if (c == 's' || c == 'B') {  // a disambiguator, a reference back: a number up to '_'
      const size_t end = symbol.find('_', at);
      if (end == symbol.npos) break;
      at = end + 1;
    } else if (c >= '0' && c <= '9') {
      size_t size = 0;
      const auto [end, error] = std::from_chars(symbol.data() + at, symbol.data() + symbol.size(), size);
      at = size_t(end - symbol.data());
      if (at < symbol.size() && symbol[at] == '_') ++at;
      if (error != std::errc{} || size > symbol.size() - at) break;
      if (size > 0) path.append(path.empty() ? "" : "::").append(symbol.substr(at, size));
      at += size;
    } else {
      at += c == 'N' ? 2 : 1;  // N: a name space follows
    }
  }
  return path;
}

}  // namespace

std::string FunctionName(std::string_view symbol) {
  constexpr std::string_view kFunction = "::function[";
  const size_t at = symbol.find(kFunction);
  if (at == symbol.npos) return {};
  symbol.remove_prefix(at + 2);
  const size_t named = symbol.find("]::");
  if (named == symbol.npos) return std::string(symbol);
  const std::string mangled(symbol.substr(named + 3));
  if (std::string path = RustPath(mangled); !path.empty()) return path;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  std::string name = plain ? plain.get() : mangled;
  name.resize(WithoutHash(name));
  return name;
}

Result<void> Symbols::Add(Engine& engine, const Module& module, std::string_view prefix) {
  WEIR_TRY(const std::string elf, engine.Serialize(module));
  const auto begin = reinterpret_cast<uintptr_t>(module.code());
  ranges_.push_back({begin, module.code_bytes()});
  const Error bad{ErrorCode::kInvalidModule, module.name() + ": its compiled code has no table of functions"};
  const auto header = Read<Elf64_Ehdr>(elf, 0);
  if (!header) return bad;
  std::vector<Elf64_Shdr> sections;
  for (uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = Read<Elf64_Shdr>(elf, header->e_shoff + i * sizeof(Elf64_Shdr));
    if (!section) return bad;
    sections.push_back(*section);
  }
  const auto bytes_of = [&](const Elf64_Shdr& section) {
    return section.sh_offset > elf.size() ? std::string_view() : std::string_view(elf).substr(section.sh_offset, section.sh_size);
  };
  for (const Elf64_Shdr& table : sections) {
    if (table.sh_type != SHT_SYMTAB || table.sh_link >= sections.size()) continue;
    const std::string_view rows = bytes_of(table), names = bytes_of(sections[table.sh_link]);
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= rows.size(); at += sizeof(Elf64_Sym)) {
      const Elf64_Sym row = *Read<Elf64_Sym>(rows, at);
      if (ELF64_ST_TYPE(row.st_info) != STT_FUNC || row.st_shndx >= sections.size()) continue;
      std::string name = FunctionName(StringAt(names, row.st_name));
      if (!name.empty() && !prefix.empty()) name = std::string(prefix) + "`" + name;
      functions_.push_back({begin + sections[row.st_shndx].sh_offset + row.st_value, row.st_size, std::move(name)});
    }
  }
  std::sort(functions_.begin(), functions_.end(), [](const Function& a, const Function& b) { return a.begin < b.begin; });
  return {};
}

std::string_view Symbols::At(uintptr_t address) const {
  auto after = std::upper_bound(functions_.begin(), functions_.end(), address, [](uintptr_t at, const Function& f) { return at < f.begin; });
  if (after == functions_.begin()) return {};
  const Function& function = *std::prev(after);
  return address - function.begin < function.size ? std::string_view(function.name) : std::string_view();
}

}  // namespace weir::measure
