// The VM of a plugin, or of several that share one: its instance, which is made anew after it died, and who lives in it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "proxy_wasm/types.h"
#include "proxy_wasm/vm.h"
#include "weir/plugin.h"

namespace weir::proxy_wasm {

class ProxyWasmPlugin;

class SharedVm final : public VmPool::Entry {
 public:
  /// The one of Host::vms that the plugin of `core` shares, or a new one. The module's markers and imports are checked already.
  static Result<std::shared_ptr<SharedVm>> Of(Engine& engine, std::shared_ptr<const Module> module, Version version, const Core& core);
  SharedVm(const SharedVm&) = delete;
  SharedVm& operator=(const SharedVm&) = delete;

  Groups groups() const { return groups_; }
  /// `plugin` is one of those that start in a new instance; until it leaves.
  void Join(ProxyWasmPlugin& plugin) { plugins_.push_back(&plugin); }
  /// Its context is deleted, and with the last plugin the instance. The error: the guest's last words trapped.
  Result<void> Leave(ProxyWasmPlugin& plugin);
  /// The instance that lives; null: none.
  Vm* vm() const { return vm_.get(); }
  /// Gives `plugin` its context in the instance that is there, or in a new one: there the others start again too, in the order in which
  /// they joined. The error is the plugin's own. No error, and not up() afterwards: the start of another one ended the instance.
  Result<void> Start(ProxyWasmPlugin& plugin);
  /// The instance trapped in `where`, a callback of `culprit`. `trigger`: see ProxyWasmPlugin::OnDeath.
  void Died(ProxyWasmPlugin& culprit, Context* trigger, std::string_view where);

 private:
  SharedVm(Engine& engine, std::shared_ptr<const Module> module, const PluginSpec& spec);
  bool Fits(Engine& engine, const Module& module, const PluginSpec& spec) const;
  Result<void> StartIn(ProxyWasmPlugin& plugin);
  /// Nothing of the instance is entered again: its streams, but that of `trigger`, are told to apply their policy.
  void Drop(ProxyWasmPlugin& culprit, Context* trigger);

  Engine& engine_;
  const std::shared_ptr<const Module> module_;
  PluginSpec spec_;  ///< of the first plugin, without its configuration: what the VM is made with is equal in all of them
  Groups groups_ = kAllGroups;
  std::unique_ptr<engine::Linked> linked_;
  std::vector<ProxyWasmPlugin*> plugins_;
  std::unique_ptr<Vm> vm_;
};

}  // namespace weir::proxy_wasm
