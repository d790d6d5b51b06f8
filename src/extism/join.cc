#include "extism/join.h"

#include <algorithm>
#include <utility>

#include "base/sha256.h"
#include "base/wasm_code.h"
#include "extism/utf8.h"

namespace weir::extism {
namespace {

constexpr size_t kHeaderBytes = 8;
enum Section : uint8_t { kCustom, kType, kImport, kFunction, kTable, kMemory, kGlobal, kExport, kStart, kElement, kCode, kData, kDataCount, kTag };
enum ExternKind : uint8_t { kFunctionKind, kTableKind, kMemoryKind, kGlobalKind, kTagKind };
constexpr uint8_t kEnd = 0x0B, kCall = 0x10, kDrop = 0x1A, kLocalSet = 0x21, kI32Const = 0x41, kBlock = 0x02, kReturn = 0x0F;
constexpr uint8_t kFunctionType = 0x60, kI32 = 0x7F, kI64 = 0x7E, kNoType = 0x40;
// With a memory that is imported, Wasmtime copies a module's data at each instantiation, where else it maps it.
constexpr size_t kDataBytesMax = 128 << 10;
constexpr std::string_view kJoined[] = {"load_u8", "load_u64", "store_u8", "store_u64", "input_load_u8", "input_load_u64", "input_length", "input_offset"};

struct Type {
  std::vector<uint8_t> params, results;
};

/// nullopt: types that are not functions'.
std::optional<std::vector<Type>> ReadTypes(std::string_view section) {
  ByteReader reader(section);
  std::vector<Type> types;
  for (uint32_t left = reader.U32(); left > 0 && reader.good(); --left) {
    if (reader.Byte() != kFunctionType) return std::nullopt;
    Type type;
    for (uint32_t n = reader.U32(); n > 0 && reader.good(); --n) type.params.push_back(reader.ValType());
    for (uint32_t n = reader.U32(); n > 0 && reader.good(); --n) type.results.push_back(reader.ValType());
    types.push_back(std::move(type));
  }
  if (!reader.good()) return std::nullopt;
  return types;
}

struct SectionBytes {
  uint8_t id;
  std::string_view content;
};
std::optional<std::vector<SectionBytes>> ReadSections(std::string_view wasm) {
  constexpr std::string_view kCoreModule("\0asm\1\0\0\0", kHeaderBytes);
  if (!wasm.starts_with(kCoreModule)) return std::nullopt;
  ByteReader reader(wasm.substr(kHeaderBytes));
  std::vector<SectionBytes> sections;
  while (reader.good() && !reader.at_end()) {
    const uint8_t id = reader.Byte();
    sections.push_back({id, reader.Sized()});
  }
  if (!reader.good()) return std::nullopt;
  return sections;
}
std::string_view ContentOf(const std::vector<SectionBytes>& sections, uint8_t id) {
  const auto found = std::find_if(sections.begin(), sections.end(), [&](const SectionBytes& row) { return row.id == id; });
  return found == sections.end() ? std::string_view() : found->content;
}

/// False: flags that are not known here, with fields of their own.
bool SkipLimits(ByteReader& reader) {
  const uint8_t flags = reader.Byte();
  reader.SkipNumber();
  if ((flags & 1) != 0) reader.SkipNumber();
  return flags <= 7;
}

/// Numbers in a row, a count in front.
std::vector<uint32_t> ReadIndices(std::string_view section) {
  ByteReader reader(section);
  std::vector<uint32_t> all;
  for (uint32_t left = section.empty() ? 0 : reader.U32(); left > 0 && reader.good(); --left) all.push_back(reader.U32());
  return all;
}

struct ImportRow {
  std::string_view module, name;
  uint8_t kind = 0;
  uint32_t type = 0;  ///< of a function
};
/// nullopt: cut off, or of a kind that is not known.
std::optional<std::vector<ImportRow>> ReadImports(std::string_view section) {
  ByteReader reader(section);
  std::vector<ImportRow> rows;
  for (uint32_t left = section.empty() ? 0 : reader.U32(); left > 0 && reader.good(); --left) {
    ImportRow row{.module = reader.Sized(), .name = reader.Sized(), .kind = reader.Byte()};
    if (row.kind > kTagKind) return std::nullopt;
    if (row.kind == kTableKind || row.kind == kGlobalKind) reader.ValType();
    if ((row.kind == kTableKind || row.kind == kMemoryKind) && !SkipLimits(reader)) return std::nullopt;
    if (row.kind == kGlobalKind || row.kind == kTagKind) reader.Byte();
    if (row.kind == kFunctionKind || row.kind == kTagKind) row.type = reader.U32();
    rows.push_back(row);
  }
  if (!reader.good() || !reader.at_end()) return std::nullopt;
  return rows;
}

}  // namespace

KernelJoin::KernelJoin(std::string_view kernel, std::string_view kernel_module) : module_(kernel_module), id_("joined-1-" + Hex(Sha256({kernel}))) {  // what this file does is the number
  const auto sections = ReadSections(kernel);
  const auto types = sections ? ReadTypes(ContentOf(*sections, kType)) : std::nullopt;
  if (!types) return;
  const std::vector<uint32_t> functions = ReadIndices(ContentOf(*sections, kFunction));
  ByteReader memories(ContentOf(*sections, kMemory));
  memories.U32();
  const size_t limits = memories.at();
  SkipLimits(memories);
  memory_limits_ = memories.Since(limits);

  std::vector<std::string_view> bodies;
  ByteReader code(ContentOf(*sections, kCode));
  for (uint32_t left = code.U32(); left > 0 && code.good(); --left) bodies.push_back(code.Sized());
  ByteReader exports(ContentOf(*sections, kExport));
  for (uint32_t left = exports.U32(); left > 0 && exports.good(); --left) {
    Inline made{.name = std::string(exports.Sized())};
    const uint8_t kind = exports.Byte();
    const uint32_t index = exports.U32();
    if (kind != kFunctionKind || std::find(std::begin(kJoined), std::end(kJoined), made.name) == std::end(kJoined)) continue;
    const Type& type = (*types)[functions[index]];
    made.params = type.params;
    made.block_type = type.results.empty() ? kNoType : type.results[0];
    ByteReader body(bodies[index]);
    bool simple = body.U32() == 0 && type.params.size() <= 2 && type.results.size() <= 1;  // no locals
    std::string code_so_far;
    // A call and the function's entry cost one unit of fuel each; in their place is one local.set for each parameter.
    for (size_t pad = type.params.size(); pad < 2; ++pad) code_so_far.append({static_cast<char>(kI32Const), 0, static_cast<char>(kDrop)});
    code_so_far.append({static_cast<char>(kBlock), static_cast<char>(made.block_type)});
    while (simple && !body.at_end()) {
      const auto it = NextInstruction(body);
      simple = it && it->opcode != kReturn && it->names != WasmInstruction::Names::kFunction;
      if (!simple) break;
      if (it->names == WasmInstruction::Names::kLocal) {
        code_so_far += static_cast<char>(it->opcode);
        made.pieces.push_back({std::exchange(code_so_far, {}), it->index});
      } else {
        code_so_far += body.Since(it->begin);
      }
    }
    made.pieces.push_back({std::move(code_so_far), std::nullopt});
    if (!simple) continue;
    id_ += "-" + made.name;
    inlines_.push_back(std::move(made));
  }
}

const KernelJoin::Inline* KernelJoin::Find(std::string_view name) const {
  const auto found = std::find_if(inlines_.begin(), inlines_.end(), [&](const Inline& row) { return row.name == name; });
  return found == inlines_.end() ? nullptr : &*found;
}

/// One module's rewriting. Every step is false for what it does not know.
class Joiner {
 public:
  explicit Joiner(const KernelJoin& join) : join_(join) {}
  std::optional<std::string> Run(std::string_view wasm);

 private:
  using Names = WasmInstruction::Names;
  /// The locals that inlined code uses, behind the function's own.
  struct Scratch {
    uint32_t first = 0;
    bool used = false;
    uint32_t Of(uint8_t type, size_t param) const { return type == kI32 ? first + 2 : first + static_cast<uint32_t>(param); }
  };
  static constexpr std::string_view kScratchGroups = "\x02\x7E\x01\x7F";  // two of i64, one of i32
  static constexpr uint32_t kScratchGroupCount = 2;

  bool Imports(std::string_view section, std::string* out);
  bool Exports(std::string_view section, std::string* out);
  bool Code(std::string_view section, std::string* out);
  bool Function(uint32_t type, std::string_view body, std::string* out);
  /// Instructions up to the end of the reader, or of one expression. `scratch`: null where nothing may be called.
  bool Instructions(ByteReader& reader, bool one_expression, Scratch* scratch, std::string* out);
  bool Data(std::string_view section, std::string* out);
  void AppendInline(const KernelJoin::Inline& what, const Scratch& scratch, std::string* out) const;

  const KernelJoin& join_;
  std::vector<Type> types_;
  std::vector<uint32_t> functions_;                     ///< the types of those with code
  std::vector<const KernelJoin::Inline*> inline_of_;    ///< by the index of an imported function; null: is called
};

bool Joiner::Imports(std::string_view section, std::string* out) {
  const auto imports = ReadImports(section);
  if (!imports) return false;
  bool any = false;
  for (const ImportRow& it : *imports) {
    if (it.kind == kMemoryKind || it.kind == kTagKind) return false;
    if (it.kind != kFunctionKind) continue;
    const KernelJoin::Inline* row = it.module == join_.module_ ? join_.Find(it.name) : nullptr;
    if (row != nullptr) {
      if (it.type >= types_.size() || types_[it.type].params != row->params) return false;
      const std::vector<uint8_t>& results = types_[it.type].results;
      if (results.size() > 1 || (results.empty() ? kNoType : results[0]) != row->block_type) return false;
      any = true;
    }
    inline_of_.push_back(row);
  }
  if (!any) return false;
  ByteReader reader(section);
  AppendU32(reader.U32() + 1, out);
  out->append(section.substr(reader.at()));
  AppendSized(kJoinedModule, out);
  AppendSized(kKernelMemory, out);
  *out += static_cast<char>(kMemoryKind);
  out->append(join_.memory_limits_);
  return true;
}

bool Joiner::Exports(std::string_view section, std::string* out) {
  ByteReader reader(section);
  const uint32_t count = reader.U32();
  AppendU32(count, out);
  for (uint32_t left = count; left > 0 && reader.good(); --left) {
    AppendSized(reader.Sized(), out);
    const uint8_t kind = reader.Byte();
    *out += static_cast<char>(kind);
    const uint32_t index = reader.U32();
    if (kind == kMemoryKind && index != 0) return false;
    AppendU32(kind == kMemoryKind ? 1 : index, out);
  }
  return reader.good() && reader.at_end();
}

void Joiner::AppendInline(const KernelJoin::Inline& what, const Scratch& scratch, std::string* out) const {
  for (size_t i = what.params.size(); i-- > 0;) {
    *out += static_cast<char>(kLocalSet);
    AppendU32(scratch.Of(what.params[i], i), out);
  }
  for (const auto& [code, local] : what.pieces) {
    out->append(code);
    if (local) AppendU32(scratch.Of(what.params[*local], *local), out);
  }
}

bool Joiner::Instructions(ByteReader& reader, bool one_expression, Scratch* scratch, std::string* out) {
  constexpr uint32_t kIndexed = 0x40;  // in the flags of a load or store
  size_t copied = reader.at();
  while (!reader.at_end()) {
    const auto it = NextInstruction(reader);
    if (!it) return false;
    // An index beyond the function's own would name what is added here.
    if (it->names == Names::kLocal && scratch != nullptr && it->index >= scratch->first) return false;
    const bool memory = it->names == Names::kMemory || it->names == Names::kTwoMemories;
    const bool call = it->opcode == kCall && scratch != nullptr && it->index < inline_of_.size() && inline_of_[it->index] != nullptr;
    if (memory || call) {
      const std::string_view whole = reader.Since(copied);
      out->append(whole.substr(0, (call ? it->begin : it->operands) - copied));
      if (call) {
        AppendInline(*inline_of_[it->index], *scratch, out);
        scratch->used = true;
      } else {
        if (it->index != 0 || it->index2 != 0 || (it->has_flags && it->flags >= kIndexed)) return false;
        if (it->has_flags) AppendU32(it->flags | kIndexed, out);
        *out += 1;
        if (it->names == Names::kTwoMemories) *out += 1;
        out->append(reader.Since(it->rest));
      }
      copied = reader.at();
    }
    if (one_expression && it->opcode == kEnd) break;
  }
  out->append(reader.Since(copied));
  return true;
}

bool Joiner::Function(uint32_t type, std::string_view body, std::string* out) {
  if (type >= types_.size()) return false;
  ByteReader reader(body);
  const uint32_t groups = reader.U32();
  const size_t begin = reader.at();
  uint64_t locals = types_[type].params.size();
  for (uint32_t left = groups; left > 0 && reader.good(); --left) {
    locals += reader.U32();
    reader.ValType();
  }
  constexpr uint64_t kLocalsMax = 50'000;  // of Wasmtime
  if (!reader.good() || locals > kLocalsMax) return false;
  const std::string_view declared = reader.Since(begin);
  Scratch scratch{.first = static_cast<uint32_t>(locals)};
  std::string code;
  if (!Instructions(reader, false, &scratch, &code)) return false;
  std::string made;
  AppendU32(groups + (scratch.used ? kScratchGroupCount : 0), &made);
  made.append(declared);
  if (scratch.used) made.append(kScratchGroups);
  made.append(code);
  AppendSized(made, out);
  return true;
}

bool Joiner::Code(std::string_view section, std::string* out) {
  ByteReader reader(section);
  const uint32_t count = reader.U32();
  if (count != functions_.size()) return false;
  AppendU32(count, out);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view body = reader.Sized();
    if (!reader.good() || !Function(functions_[i], body, out)) return false;
  }
  return reader.at_end();
}

bool Joiner::Data(std::string_view section, std::string* out) {
  enum Mode : uint32_t { kActive, kPassive, kActiveOf };
  ByteReader reader(section);
  const uint32_t count = reader.U32();
  size_t active_bytes = 0;
  AppendU32(count, out);
  for (uint32_t left = count; left > 0 && reader.good(); --left) {
    const uint32_t mode = reader.U32();
    if (mode > kActiveOf || (mode == kActiveOf && reader.U32() != 0)) return false;
    AppendU32(mode == kPassive ? kPassive : kActiveOf, out);
    if (mode != kPassive) {
      *out += 1;
      if (!Instructions(reader, true, nullptr, out)) return false;
    }
    const std::string_view bytes = reader.Sized();
    if (mode != kPassive) active_bytes += bytes.size();
    AppendSized(bytes, out);
  }
  return reader.good() && reader.at_end() && active_bytes <= kDataBytesMax;
}

std::optional<std::string> Joiner::Run(std::string_view wasm) {
  const auto sections = ReadSections(wasm);
  if (!sections) return std::nullopt;
  auto types = ReadTypes(ContentOf(*sections, kType));
  ByteReader memories(ContentOf(*sections, kMemory));
  if (!types || (!ContentOf(*sections, kMemory).empty() && memories.U32() > 1)) return std::nullopt;
  types_ = *std::move(types);
  functions_ = ReadIndices(ContentOf(*sections, kFunction));
  std::string out(wasm.substr(0, kHeaderBytes));
  out.reserve(wasm.size() + wasm.size() / 4);
  for (const auto& [id, content] : *sections) {
    std::string made;
    bool known = true;
    switch (id) {
      case kCustom: {
        // What points into the code by offsets would be wrong.
        const std::string_view name = ByteReader(content).Sized();
        if ((name.starts_with(".debug_") || name.starts_with("metadata.code.")) && !Utf8Fault(name)) continue;
        made = content;
        break;
      }
      case kImport: known = Imports(content, &made); break;
      case kExport: known = Exports(content, &made); break;
      case kCode: known = Code(content, &made); break;
      case kData: known = Data(content, &made); break;
      case kStart:  // it runs with the copying of data, and the fuel of both is one
      case kTag: return std::nullopt;
      default: made = content;
    }
    if (!known) return std::nullopt;
    out += static_cast<char>(id);
    AppendSized(made, &out);
  }
  return inline_of_.empty() ? std::nullopt : std::optional(std::move(out));
}

bool MayBeJoined(std::string_view wasm) {
  const auto sections = ReadSections(wasm);
  const auto imports = sections ? ReadImports(ContentOf(*sections, kImport)) : std::nullopt;
  return imports && std::none_of(imports->begin(), imports->end(), [](const ImportRow& row) { return row.module == kJoinedModule; });
}

std::optional<std::string> KernelJoin::Join(std::string_view plugin) const { return Joiner(*this).Run(plugin); }

}  // namespace weir::extism
