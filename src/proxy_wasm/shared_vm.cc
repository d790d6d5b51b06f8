#include "proxy_wasm/shared_vm.h"

#include <algorithm>
#include <utility>

#include "proxy_wasm/link.h"
#include "proxy_wasm/plugin.h"
#include "proxy_wasm/witnessed.h"

namespace weir {

bool SharesVm(const PluginSpec& one, const PluginSpec& other) {
  return !one.vm_id.empty() && one.vm_id == other.vm_id && one.vm_configuration == other.vm_configuration &&
         one.environment == other.environment && one.limits == other.limits && one.allow == other.allow && one.statuses == other.statuses &&
         one.stderr_level == other.stderr_level;
}

namespace proxy_wasm {

SharedVm::SharedVm(Engine& engine, std::shared_ptr<const Module> module, const PluginSpec& spec)
    : engine_(engine), module_(std::move(module)), spec_(spec) {
  spec_.configuration = {};
}

bool SharedVm::Fits(Engine& engine, const Module& module, const PluginSpec& spec) const {
  const bool same_code = module_.get() == &module || (!module.code_id().empty() && module_->code_id() == module.code_id());
  return &engine_ == &engine && same_code && SharesVm(spec_, spec);
}

Result<std::shared_ptr<SharedVm>> SharedVm::Of(Engine& engine, std::shared_ptr<const Module> module, Version version, const Core& core) {
  const PluginSpec& spec = core.spec;
  VmPool* const pool = spec.vm_id.empty() || core.dialect != nullptr ? nullptr : core.host.vms;
  if (pool != nullptr) {
    std::erase_if(pool->entries, [](const auto& entry) { return entry.expired(); });
    for (const auto& entry : pool->entries) {
      auto vm = std::static_pointer_cast<SharedVm>(entry.lock());
      if (vm->Fits(engine, *module, spec)) return vm;
    }
  }
  std::shared_ptr<SharedVm> vm(new SharedVm(engine, module, spec));
  auto groups = GroupsOf(spec.allow);
  if (!groups) return Error{groups.error().code, core.prefix() + "allow: " + groups.error().message};
  vm->groups_ = *groups;
  const std::span<const abi::HostFunction> instead = core.dialect != nullptr ? core.dialect->rows : std::span<const abi::HostFunction>();
  const std::vector<engine::HostImport> imports = ImportsFor(*module, version, *groups, instead);
  auto linked = engine::Linked::Create(engine, std::move(module), imports, MakeObserver(core.host.witness));
  if (!linked) return Error{linked.error().code, core.prefix() + linked.error().message};
  vm->linked_ = std::move(*linked);
  if (pool != nullptr) pool->entries.push_back(vm);
  return vm;
}

Result<void> SharedVm::Leave(ProxyWasmPlugin& plugin) {
  std::erase(plugins_, &plugin);
  if (!plugin.up()) return {};
  Result<void> left;
  if (!vm_->Remove(plugin.core()))
    left = Error{ErrorCode::kTrapped, plugin.core().prefix() + "at the end of the plugin context: " + vm_->trap().message};
  plugin.Ended();
  if (plugins_.empty()) {
    vm_.reset();
  } else if (!left) {
    Died(plugin, nullptr, "at the end of the plugin context");
  }
  return left;
}

Result<void> SharedVm::Start(ProxyWasmPlugin& plugin) {
  if (vm_) return StartIn(plugin);
  auto vm = std::make_unique<Vm>(*linked_, plugin.core(), spec_);
  if (auto started = vm->Start(plugin.core()); !started) {
    plugin.NotStarted();
    return started;
  }
  vm_ = std::move(vm);
  Result<void> own;
  for (size_t i = 0; vm_ && i < plugins_.size(); ++i) {
    ProxyWasmPlugin& next = *plugins_[i];
    if (&next == &plugin) {
      own = StartIn(plugin);
    } else if (next.MayStart()) {
      if (auto started = StartIn(next); !started) next.StartFailed(started.error().message);
    }
  }
  return own;
}

Result<void> SharedVm::StartIn(ProxyWasmPlugin& plugin) {
  auto started = plugin.StartIn(*vm_);
  if (started) return started;
  const bool others = std::any_of(plugins_.begin(), plugins_.end(), [&](const ProxyWasmPlugin* one) { return one != &plugin && one->up(); });
  if (others && vm_->alive() && vm_->Remove(plugin.core())) {  // it refused: the others stay
    plugin.Ended();
  } else {
    Drop(plugin, nullptr);
  }
  return started;
}

void SharedVm::Died(ProxyWasmPlugin& culprit, Context* trigger, std::string_view where) {
  const engine::Trap& trap = vm_->trap();
  std::string message = culprit.core().prefix() + std::string(where);
  if (trigger != nullptr) message += " (context " + std::to_string(trigger->id()) + ")";
  message += ": " + trap.message;
  if (!trap.backtrace.empty()) message += "\n" + trap.backtrace;
  culprit.core().statistics.InstanceGone(trap.kind);
  culprit.Failed("callback", message);
  Drop(culprit, trigger);
}

void SharedVm::Drop(ProxyWasmPlugin& culprit, Context* trigger) {
  const std::unique_ptr<Vm> dead = std::move(vm_);
  culprit.Ended();
  for (ProxyWasmPlugin* plugin : plugins_) {
    if (plugin->up()) plugin->Lost(culprit.spec().name);
  }
  while (Context* context = dead->contexts().TakeAny()) {
    context->Detach();
    if (context->orphan()) {
      context->Free();
    } else if (context != trigger && context->any_stream() != nullptr) {
      context->any_stream()->Fail();
    }
  }
}

}  // namespace proxy_wasm
}  // namespace weir
