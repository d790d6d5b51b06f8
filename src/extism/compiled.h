// Compiled modules and what all plugins of them share.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/world.h"
#include "extism/join.h"
#include "weir/extism.h"

namespace weir::extism {

/// An engine and the kernel compiled for it.
struct EngineSet {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<const Module> kernel;
  std::shared_ptr<const KernelJoin> join;
  bool metered = false;  ///< memory can be limited
};

/// An error in two texts, as the reference has them: what came of it, and why.
struct Failure {
  std::string message, cause;
  Failure(std::string text) : message(text), cause(std::move(text)) {}
  Failure(std::string what, std::string why) : message(std::move(what)), cause(std::move(why)) {}
  static Failure Of(const engine::Fault& fault) { return {fault.message, fault.cause}; }
};
/// `cause`: null, or told.
Error ErrorOf(ErrorCode code, Failure failure, std::string* cause);

class CompiledImpl final : public Compiled {
 public:
  /// What is known of main beside its code.
  struct Main {
    bool starts = false;      ///< has a start section
    bool may_be_joined = false;  ///< was compiled with the kernel's loads and stores, where that was possible
  };
  /// `modules` are sorted by name and hold main.
  CompiledImpl(EngineSet engines, Manifest manifest, std::vector<engine::WorldPlan::Linked> modules, Main about_main, PluginOptions options);

  Result<std::unique_ptr<Plugin>> NewPlugin(std::string* cause) override;
  bool FunctionExists(std::string_view function) const override;
  std::vector<std::string> Functions() const override;
  const Manifest& manifest() const override { return manifest_; }
  Result<std::shared_ptr<Compiled>> With(const ManifestLimits& limits, PluginOptions options) const override;

  const engine::WorldPlan& plan() const { return plan_; }
  const PluginOptions& options() const { return options_; }
  const std::vector<engine::Preopen>& preopens() const { return preopens_; }
  std::optional<uint64_t> memory_budget_bytes() const;
  /// Of plugins that live at once; 0: no limit.
  uint32_t slots() const { return plan_.engine->options().pooling ? options_.slots : 0; }
  /// False: all slots are taken. A plugin that has one gives it back when its memory is free.
  bool TakeSlot() { return slots() == 0 || slots_taken_.fetch_add(1, std::memory_order_relaxed) < slots(); }
  void GiveSlot() { slots_taken_.fetch_sub(1, std::memory_order_relaxed); }
  /// Main has a start function.
  bool main_starts() const { return about_main_.starts; }
  bool alone() const { return plan_.modules.size() == 1; }
  /// Linking runs no code of the guest and gives nothing: its outcome is the same each time, and kept.
  bool quiet() const { return quiet_; }
  /// Of a quiet one. `self` is that of the world it may have to make.
  std::optional<Failure> QuietLink(void* self);
  /// An import from the kernel's module that it does not have.
  std::optional<Failure> UnknownEnvImport() const;

 private:
  const Manifest manifest_;
  const PluginOptions options_;
  const Main about_main_;
  const bool metered_;
  engine::WorldPlan plan_;
  std::vector<engine::Preopen> preopens_;
  bool quiet_ = false;
  std::atomic<uint32_t> slots_taken_{0};
  std::mutex mutex_;  ///< what follows
  bool quietly_linked_ = false;
  std::optional<Failure> quiet_failure_;
};

/// Whether functions of the embedder stand in place of the kernel's or the runtime's.
bool ReplacesKernel(const PluginOptions& options);

/// Whether the module has a start section. `wasm` is binary.
bool HasStartFunction(std::string_view wasm);

}  // namespace weir::extism
