#include <algorithm>

#include "engine/engine_impl.h"

namespace weir {

bool Module::exports_function(std::string_view name) const {
  const auto rows = exports();
  return std::any_of(rows.begin(), rows.end(), [&](const ExternInfo& row) {
    return row.kind == ExternInfo::Kind::kFunction && row.name == name;
  });
}

namespace engine {
namespace {

ExternInfo::Kind KindOf(const wasm_externtype_t& type) {
  switch (wasm_externtype_kind(&type)) {
    case WASM_EXTERN_FUNC: return ExternInfo::Kind::kFunction;
    case WASM_EXTERN_MEMORY: return ExternInfo::Kind::kMemory;
    case WASM_EXTERN_TABLE: return ExternInfo::Kind::kTable;
    case WASM_EXTERN_GLOBAL: return ExternInfo::Kind::kGlobal;
    default: return ExternInfo::Kind::kOther;
  }
}

ExternInfo Info(const wasm_externtype_t& type, const wasm_name_t* module, const wasm_name_t* name) {
  ExternInfo info{.kind = KindOf(type)};
  if (module != nullptr) info.module.assign(module->data, module->size);
  info.name.assign(name->data, name->size);
  if (info.kind == ExternInfo::Kind::kFunction) info.signature = Signature(*wasm_externtype_as_functype_const(&type));
  return info;
}

}  // namespace

ModuleImpl::ModuleImpl(ModulePtr module, std::string_view name, std::string_view code_id)
    : module_(std::move(module)), name_(name), code_id_(code_id) {
  wasm_importtype_vec_t imports;
  wasmtime_module_imports(get(), &imports);
  imports_.reserve(imports.size);
  for (size_t i = 0; i < imports.size; ++i) {
    const wasm_importtype_t* row = imports.data[i];
    imports_.push_back(Info(*wasm_importtype_type(row), wasm_importtype_module(row), wasm_importtype_name(row)));
  }
  wasm_importtype_vec_delete(&imports);
  wasm_exporttype_vec_t exports;
  wasmtime_module_exports(get(), &exports);
  exports_.reserve(exports.size);
  for (size_t i = 0; i < exports.size; ++i) {
    const wasm_exporttype_t* row = exports.data[i];
    exports_.push_back(Info(*wasm_exporttype_type(row), nullptr, wasm_exporttype_name(row)));
  }
  wasm_exporttype_vec_delete(&exports);
}

const void* ModuleImpl::code() const {
  void *start = nullptr, *end = nullptr;
  wasmtime_module_image_range(get(), &start, &end);
  return start;
}

size_t ModuleImpl::code_bytes() const {
  void *start = nullptr, *end = nullptr;
  wasmtime_module_image_range(get(), &start, &end);
  return static_cast<size_t>(static_cast<char*>(end) - static_cast<char*>(start));
}

}  // namespace engine
}  // namespace weir
