#include "engine/linked_impl.h"

#include <algorithm>

namespace weir::engine {
namespace {

Error LinkError(const Module& module, const ExternInfo& import, const std::string& what) {
  return {ErrorCode::kLinkFailed, module.name() + ": import " + import.module + "." + import.name + ": " + what};
}

const HostImport* FindRow(std::span<const HostImport> rows, const ExternInfo& import) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const HostImport& candidate) {
    return candidate.name == import.name && candidate.module == import.module;
  });
  return row == rows.end() ? nullptr : &*row;
}

}  // namespace

Result<std::unique_ptr<Linked>> Linked::Create(Engine& engine, std::shared_ptr<const Module> module,
                                               std::span<const HostImport> imports, std::unique_ptr<Observer> observer) {
  std::vector<HostImport> rows;
  for (const ExternInfo& import : module->imports()) {
    if (import.kind != ExternInfo::Kind::kFunction) {
      return LinkError(*module, import, "is no function; a plugin brings its own memory, tables and globals");
    }
    const HostImport* row = FindRow(imports, import);
    if (row == nullptr) return LinkError(*module, import, "unknown function");
    const std::string signature = Signature(row->params, row->results);
    if (signature != import.signature) {
      return LinkError(*module, import, "is " + signature + " here, but the plugin wants " + import.signature);
    }
    if (FindRow(rows, import) == nullptr) rows.push_back(*row);  // a module may import one function twice
  }
  auto linked = std::make_unique<LinkedImpl>(static_cast<EngineImpl&>(engine), std::move(module), std::move(rows), std::move(observer));
  WEIR_TRY_VOID(linked->Resolve());
  return std::unique_ptr<Linked>(std::move(linked));
}

Result<void> LinkedImpl::Resolve() {
  LinkerPtr linker(wasmtime_linker_new(engine_.get()));
  const auto call = observer_ && observer_->wants_host_calls() ? &OnObservedHostCall : &OnHostCall;
  for (const HostImport& row : rows_) {
    const FuncTypePtr type = NewFuncType(row.params, row.results);
    if (ErrorPtr error{wasmtime_linker_define_func_unchecked(linker.get(), row.module.data(), row.module.size(),
                                                             row.name.data(), row.name.size(), type.get(), call,
                                                             const_cast<HostImport*>(&row), nullptr)}) {
      return Error{ErrorCode::kInternal, module_->name() + ": " + OneLine(Message(*error))};
    }
  }
  wasmtime_instance_pre_t* pre = nullptr;
  const auto* module = static_cast<const ModuleImpl*>(module_.get())->get();
  if (ErrorPtr error{wasmtime_linker_instantiate_pre(linker.get(), module, &pre)}) {
    return Error{ErrorCode::kLinkFailed, module_->name() + ": " + OneLine(Message(*error))};
  }
  pre_.reset(pre);
  return {};
}

}  // namespace weir::engine
