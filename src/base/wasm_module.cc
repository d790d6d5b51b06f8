#include "base/wasm_module.h"

#include "base/wasm_cursor.h"

namespace weir {
namespace {

constexpr uint64_t kHeaderBytes = 8;
constexpr std::string_view kRemedy = ": the file is damaged, build or copy it again";

// ---- sections, in the order a module has them (custom ones anywhere) ---------------------------------------------------
struct SectionRow {
  uint8_t id;
  std::string_view name;
};
constexpr SectionRow kSections[] = {
    {1, "type"}, {2, "import"}, {3, "function"}, {4, "table"},       {5, "memory"}, {13, "tag"},  {6, "global"},
    {7, "export"}, {8, "start"}, {9, "element"}, {12, "data count"}, {10, "code"},  {11, "data"},
};
constexpr uint8_t kCustom = 0, kMemoryId = 5;

std::string ItemOf(std::string_view what, uint64_t index, uint64_t count) {
  return std::string(what) + " " + std::to_string(index + 1) + " of " + std::to_string(count);
}

// ---- the sections ---------------------------------------------------------------------------------------------------
class ModuleReader {
 public:
  explicit ModuleReader(std::string_view bytes) : bytes_(bytes) { module_.file_bytes = bytes.size(); }

  /// The fault, or empty.
  std::string Read() {
    WasmCursor file(bytes_, kHeaderBytes, bytes_.size());
    while (file.ok() && file.left() > 0) {
      std::string fault = ReadSection(file);
      if (!fault.empty()) return fault;
    }
    if (!file.ok()) return file.fault();
    if (function_types_.size() - imported_functions_ != module_.functions) {
      return "the function section declares " + std::to_string(function_types_.size() - imported_functions_) +
             " functions, the code section has " + std::to_string(module_.functions) + " (cut off?)";
    }
    return ResolveExports();
  }
  WasmModule TakeModule() { return std::move(module_); }

 private:
  std::string ReadSection(WasmCursor& file) {
    const uint64_t at = file.position();
    const uint8_t id = file.Byte("section id");
    const uint64_t size = file.Number("section size");
    if (!file.ok()) return "cut off in a section header " + file.fault();
    const int order = OrderOf(id);
    if (id != kCustom && order < 0) return "at byte " + std::to_string(at) + ": unknown section id " + std::to_string(id);
    const std::string_view kind = id == kCustom ? "custom" : kSections[order].name;
    if (size > file.left()) {
      return "cut off: the " + std::string(kind) + " section at byte " + std::to_string(at) + " should have " +
             std::to_string(size) + " bytes, the file ends after " + std::to_string(file.left());
    }
    if (id != kCustom) {
      if (order <= last_order_) {
        return "at byte " + std::to_string(at) + ": the " + std::string(kind) + " section is twice or out of order";
      }
      last_order_ = order;
    }
    WasmCursor section(bytes_, file.position(), file.position() + size);
    section.SetThing(std::string(kind) + " section");
    module_.sections.push_back({id, kind, file.position(), size});
    file.Bytes(size, kind);
    if (id == kCustom) {
      Custom(section);
      return section.fault();
    }
    const bool whole = Content(id, section, size);
    if (section.ok() && whole && section.left() != 0) {
      section.SetThing(std::string(kind) + " section");
      section.Fail(std::to_string(section.left()) + " bytes too many");
    }
    return section.fault();
  }

  static int OrderOf(uint8_t id) {
    for (size_t i = 0; i < std::size(kSections); ++i) {
      if (kSections[i].id == id) return static_cast<int>(i);
    }
    return -1;
  }

  // False: only the start of the section was read (constant expressions are the engine's).
  bool Content(uint8_t id, WasmCursor& in, uint64_t size) {
    switch (id) {
      case 1: Types(in); return true;
      case 2: Imports(in); return true;
      case 3: Functions(in); return true;
      case kMemoryId: Memories(in); return true;
      case 7: Exports(in); return true;
      case 8:
        module_.start = static_cast<uint32_t>(in.Number("function index"));
        start_at_ = in.position();
        return true;
      case 10: module_.code_bytes = size; Code(in); return true;
      case 12: in.Number("number of data segments"); return true;  // they stand in their own section
      case 11: module_.data_bytes = size; [[fallthrough]];
      default: in.Count("count"); return false;
    }
  }

  void Types(WasmCursor& in) {
    const uint64_t count = in.Count("number of types");
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      in.SetThing(ItemOf("type", i, count));
      Type(in, in.Byte("type form"));
    }
  }

  void Type(WasmCursor& in, uint8_t form) {
    constexpr uint8_t kRec = 0x4E;
    if (form != kRec) return SubType(in, form);
    const uint64_t count = in.Count("number of types in the group");
    for (uint64_t i = 0; i < count && in.ok(); ++i) SubType(in, in.Byte("type form"));
  }

  void SubType(WasmCursor& in, uint8_t form) {
    constexpr uint8_t kSubFinal = 0x4F, kSub = 0x50;
    if (form == kSub || form == kSubFinal) {
      const uint64_t supers = in.Count("number of supertypes");
      for (uint64_t i = 0; i < supers && in.ok(); ++i) in.Number("supertype");
      form = in.Byte("type form");
    }
    if (!in.ok()) return;
    constexpr uint8_t kFunctionForm = 0x60, kStruct = 0x5F, kArray = 0x5E;
    if (form == kFunctionForm) {
      std::string signature = "(" + ValTypes(in) + ")";
      const std::string results = ValTypes(in);
      if (!results.empty()) signature += " -> " + results;
      module_.type_signatures.push_back(std::move(signature));
    } else if (form == kStruct || form == kArray) {
      const uint64_t fields = form == kArray ? 1 : in.Count("number of fields");
      for (uint64_t i = 0; i < fields && in.ok(); ++i) {
        in.ValType();
        in.Byte("mutability");
      }
      module_.type_signatures.push_back(form == kArray ? "array" : "struct");
    } else {
      in.Fail("unknown form " + std::to_string(form), in.position() - 1);
    }
  }

  static std::string ValTypes(WasmCursor& in) {
    const uint64_t count = in.Count("number of values");
    std::string list;
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      if (i > 0) list += ", ";
      list += in.ValType();
    }
    return list;
  }

  const std::string* SignatureOf(WasmCursor& in, uint64_t type, uint64_t at) {
    if (!in.ok()) return nullptr;
    if (type < module_.type_signatures.size()) return &module_.type_signatures[type];
    in.Fail("type " + std::to_string(type) + " of " + std::to_string(module_.type_signatures.size()), at);
    return nullptr;
  }

  void Imports(WasmCursor& in) {
    const uint64_t count = in.Count("number of imports");
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      in.SetThing(ItemOf("import", i, count));
      WasmImport import;
      import.offset = in.position();
      import.module = in.Name("module name");
      import.name = in.Name("field name");
      if (in.ok()) {
        in.SetThing(ItemOf("import", i, count) + " (" + std::string(import.module) + "." + std::string(import.name) + ")");
      }
      ImportType(in, &import);
      if (in.ok()) module_.imports.push_back(std::move(import));
    }
  }

  void ImportType(WasmCursor& in, WasmImport* import) {
    const uint64_t at = in.position();
    const uint8_t kind = in.Byte("kind");
    if (kind > static_cast<uint8_t>(WasmExternKind::kTag)) return in.Fail("unknown kind " + std::to_string(kind), at);
    import->kind = static_cast<WasmExternKind>(kind);
    switch (import->kind) {
      case WasmExternKind::kTag: in.Byte("attribute"); [[fallthrough]];
      case WasmExternKind::kFunction: {
        const uint64_t type = in.Number("type index");
        if (const std::string* signature = SignatureOf(in, type, at + 1)) import->signature = *signature;
        if (in.ok() && import->kind == WasmExternKind::kFunction) {
          function_types_.push_back(static_cast<uint32_t>(type));
          ++imported_functions_;
        }
        return;
      }
      case WasmExternKind::kTable: in.ValType(); import->limits = in.Limits("limits"); return;
      case WasmExternKind::kMemory: import->limits = in.Limits("limits"); ++imported_memories_; return;
      case WasmExternKind::kGlobal: in.ValType(); in.Byte("mutability"); return;
    }
  }

  void Functions(WasmCursor& in) {
    const uint64_t count = in.Count("number of functions");
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      const uint64_t at = in.position();
      const uint64_t type = in.Number("type index");
      if (SignatureOf(in, type, at)) function_types_.push_back(static_cast<uint32_t>(type));
    }
  }

  void Memories(WasmCursor& in) {
    const uint64_t count = in.Count("number of memories");
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      in.SetThing(ItemOf("memory", i, count));
      const WasmLimits limits = in.Limits("limits");
      if (in.ok()) module_.memories.push_back(limits);
    }
  }

  void Exports(WasmCursor& in) {
    const uint64_t count = in.Count("number of exports");
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      in.SetThing(ItemOf("export", i, count));
      WasmExport exported;
      exported.name = in.Name("name");
      const uint8_t kind = in.Byte("kind");
      if (kind > static_cast<uint8_t>(WasmExternKind::kTag)) in.Fail("unknown kind " + std::to_string(kind), in.position() - 1);
      exported.kind = static_cast<WasmExternKind>(kind);
      exported.index = static_cast<uint32_t>(in.Number("index"));
      if (in.ok()) module_.exports.push_back(std::move(exported));
    }
  }

  void Code(WasmCursor& in) {
    const uint64_t count = in.Count("number of functions");
    for (uint64_t i = 0; i < count && in.ok(); ++i) {
      in.SetThing(ItemOf("code of function", i, count));
      in.Bytes(in.Number("size"), "code");
    }
    module_.functions = count;
  }

  // Functions and memories are known only at the end: imports, then those of the module.
  std::string ResolveExports() {
    if (module_.start && *module_.start >= function_types_.size()) {
      return "at byte " + std::to_string(start_at_) + ", start section: function " + std::to_string(*module_.start) + " of " +
             std::to_string(function_types_.size());
    }
    const uint64_t memories = imported_memories_ + module_.memories.size();
    for (WasmExport& exported : module_.exports) {
      const bool function = exported.kind == WasmExternKind::kFunction;
      if ((function && exported.index >= function_types_.size()) ||
          (exported.kind == WasmExternKind::kMemory && exported.index >= memories)) {
        return "export \"" + std::string(exported.name) + "\": " + std::string(WasmExternKindName(exported.kind)) + " " +
               std::to_string(exported.index) + " of " + std::to_string(function ? function_types_.size() : memories);
      }
      if (function) exported.signature = module_.type_signatures[function_types_[exported.index]];
    }
    return {};
  }

  // ---- custom sections: a fault in the name of one is the module's, inside one it is a note ------------------------------
  void Custom(WasmCursor& in) {
    const std::string_view name = in.Name("name");
    if (!in.ok()) return;
    module_.sections.back().name = name;
    module_.has_dwarf |= name == ".debug_info";
    WasmCursor content(bytes_, in.position(), in.position() + in.left());
    content.SetThing("custom section \"" + std::string(name) + "\"");
    if (name == "producers") Producers(content);
    if (name == "name") Names(content);
    if (!content.ok()) module_.notes.push_back(content.fault());
  }

  void Producers(WasmCursor& in) {
    const uint64_t fields = in.Count("number of fields");
    for (uint64_t i = 0; i < fields && in.ok(); ++i) {
      const std::string_view field = in.Name("field");
      const uint64_t values = in.Count("number of values");
      for (uint64_t k = 0; k < values && in.ok(); ++k) {
        const std::string_view name = in.Name("value");
        const std::string_view version = in.Name("version");
        if (in.ok()) module_.producers.push_back({field, name, version});
      }
    }
  }

  void Names(WasmCursor& in) {
    constexpr uint8_t kFunctionNames = 1;
    while (in.ok() && in.left() > 0) {
      const uint8_t id = in.Byte("subsection id");
      const uint64_t size = in.Number("subsection size");
      const uint64_t begin = in.position();
      in.Bytes(size, "subsection");
      if (!in.ok() || id != kFunctionNames) continue;
      WasmCursor names(bytes_, begin, begin + size);
      names.SetThing("function names");
      const uint64_t count = names.Count("number of names");
      for (uint64_t i = 0; i < count && names.ok(); ++i) {
        names.Number("function index");
        const std::string_view name = names.Name("name");
        if (names.ok()) module_.function_names.push_back(name);
      }
      if (!names.ok()) in.Fail(names.fault());
    }
  }

  std::string_view bytes_;
  WasmModule module_;
  std::vector<uint32_t> function_types_;  // type index by function index
  uint64_t imported_functions_ = 0, imported_memories_ = 0, start_at_ = 0;
  int last_order_ = -1;
};

}  // namespace

std::string_view WasmExternKindName(WasmExternKind kind) noexcept {
  constexpr std::string_view kNames[] = {"function", "table", "memory", "global", "tag"};
  return kNames[static_cast<size_t>(kind)];
}

const WasmExport* WasmModule::FindExport(std::string_view export_name) const noexcept {
  for (const WasmExport& exported : exports) {
    if (exported.name == export_name) return &exported;
  }
  return nullptr;
}

Result<WasmModule> ReadWasmModule(std::string_view bytes, std::string_view name) {
  WEIR_TRY_VOID(CheckWasmHeader(bytes, name));
  ModuleReader reader(bytes);
  const std::string fault = reader.Read();
  if (!fault.empty()) {
    return Error{ErrorCode::kInvalidModule,
                 std::string(name) + ": is not a valid WebAssembly module: " + fault + std::string(kRemedy)};
  }
  return reader.TakeModule();
}

}  // namespace weir
