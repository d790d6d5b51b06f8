// A module with its imports resolved, as instance.cc sees it.
#pragma once

#include <memory>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/instance.h"

namespace weir::engine {

class LinkedImpl final : public Linked {
 public:
  LinkedImpl(EngineImpl& engine, std::shared_ptr<const Module> module, std::vector<HostImport> rows, std::unique_ptr<Observer> observer)
      : engine_(engine), module_(std::move(module)), rows_(std::move(rows)), observer_(std::move(observer)) {}
  const Module& module() const override { return *module_; }

  /// Defines `rows_` and resolves the module against them.
  Result<void> Resolve();
  EngineImpl& engine() const { return engine_; }
  Observer* observer() const { return observer_.get(); }
  const wasmtime_instance_pre_t* get() const { return pre_.get(); }

 private:
  EngineImpl& engine_;
  const std::shared_ptr<const Module> module_;
  const std::vector<HostImport> rows_;  ///< what the module wants; a row is the `env` of its host function
  const std::unique_ptr<Observer> observer_;  ///< null: nobody
  InstancePrePtr pre_;
};

/// The host function of all rows (`env` is the row); in instance.cc.
wasm_trap_t* OnHostCall(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t count) noexcept;
/// The same by way of the observer.
wasm_trap_t* OnObservedHostCall(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t count) noexcept;

}  // namespace weir::engine
