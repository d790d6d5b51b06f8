// Engine and Module as src/engine sees them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/metered_memory.h"
#include "engine/ticker.h"
#include "engine/wasmtime_util.h"
#include "weir/engine.h"

namespace weir::engine {

class ModuleImpl final : public Module {
 public:
  ModuleImpl(ModulePtr module, std::string_view name, std::string_view code_id);
  const std::string& name() const override { return name_; }
  std::span<const ExternInfo> imports() const override { return imports_; }
  std::span<const ExternInfo> exports() const override { return exports_; }
  const void* code() const override;
  size_t code_bytes() const override;
  std::string_view code_id() const override { return code_id_; }
  wasmtime_module_t* get() const { return module_.get(); }

 private:
  ModulePtr module_;
  std::string name_, code_id_;
  std::vector<ExternInfo> imports_, exports_;
};

/// What is compiled in place of a module. Where there is nothing to rewrite, or the result does not compile, the module itself is.
struct Rewriting {
  std::string_view id;  ///< of all that decides what it makes of a module: part of the cache's key. Empty: none
  std::function<std::optional<std::string>(std::string_view wasm)> apply;
};

class EngineImpl final : public Engine {
 public:
  EngineImpl(const EngineOptions& options, std::unique_ptr<MemoryMaker> memories, EnginePtr engine, std::string code_key);
  const EngineOptions& options() const override { return options_; }
  Result<std::shared_ptr<const Module>> Compile(std::string_view wasm, std::string_view name) override;
  Result<Loaded> Load(std::string_view wasm, std::string_view name, const CodeCache& cache) override { return Load(wasm, name, cache, {}); }
  Result<Loaded> Load(std::string_view wasm, std::string_view name, const CodeCache& cache, const Rewriting& rewriting);
  Result<std::string> Serialize(const Module& module) override;
  Result<std::shared_ptr<const Module>> Map(const std::string& artefact_path, std::string_view name, std::string_view code_id) override;

  wasm_engine_t* get() const { return engine_.get(); }
  Ticker& ticker() { return ticker_; }
  /// Null without EngineOptions::metered_memory.
  MemoryMaker* memories() const { return memories_.get(); }

 private:
  Result<std::shared_ptr<const Module>> CompileOf(std::string_view wasm, std::string_view name, std::string_view code_id);

  const EngineOptions options_;
  const std::unique_ptr<MemoryMaker> memories_;  ///< outlives the engine, which calls it
  const EnginePtr engine_;
  const std::string code_key_;  ///< all that decides the native code, beside the module
  Ticker ticker_;
};

}  // namespace weir::engine
