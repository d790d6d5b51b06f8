// For the engine's tests: WAT in, instance out.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "engine/instance.h"

namespace weir::engine {

inline constexpr ValType kI32s[] = {ValType::kI32, ValType::kI32, ValType::kI32, ValType::kI32, ValType::kI32, ValType::kI32};
inline std::span<const ValType> I32s(size_t count) { return std::span(kI32s, count); }

inline std::string Wasm(std::string_view wat) {
  auto wasm = WatToWasm(wat);
  if (!wasm) ADD_FAILURE() << wasm.error().message;
  WEIR_CHECK(wasm);
  return *std::move(wasm);
}

inline std::unique_ptr<Engine> NewEngine(const EngineOptions& options = {}) {
  auto engine = Engine::Create(options);
  WEIR_CHECK(engine);
  return *std::move(engine);
}

/// One module, linked and instantiated. `self` is null, so thunks keep what they need in the imports' own tests.
class Guest {
 public:
  explicit Guest(std::string_view wat, std::span<const HostImport> imports = {}, const InstanceLimits& limits = {},
                 const EngineOptions& options = {}, void* self = nullptr, uint32_t start_ms = 1000)
      : engine_(NewEngine(options)), limits_(limits), self_(self), start_ms_(start_ms) {
    auto module = engine_->Compile(Wasm(wat), "guest.wasm");
    if (!module) ADD_FAILURE() << module.error().message;
    WEIR_CHECK(module);
    auto linked = Linked::Create(*engine_, *module, imports);
    if (!linked) ADD_FAILURE() << linked.error().message;
    WEIR_CHECK(linked);
    linked_ = *std::move(linked);
    auto instance = NewInstance();
    if (instance) {
      instance_ = *std::move(instance);
    } else {
      error_ = std::move(instance).error();
    }
  }

  Result<std::unique_ptr<Instance>> NewInstance() { return Instance::Create(*linked_, self_, limits_, start_ms_); }
  Engine& engine() { return *engine_; }
  /// Of a failed start.
  const Error& error() const { return error_; }
  bool started() const { return instance_ != nullptr; }
  Instance& instance() { return *instance_; }
  Instance* operator->() { return instance_.get(); }

  /// Calls (i32 × arguments) -> i32; `ok` says whether it returned.
  uint32_t Run(std::string_view name, std::vector<uint32_t> arguments = {}, uint32_t budget_ms = 1000) {
    auto function = instance_->Find(name, I32s(arguments.size()), I32s(1));
    if (!function || !function->exists) ADD_FAILURE() << "no export " << name;
    WEIR_CHECK(function && function->exists);
    RawValue slots[6] = {};
    for (size_t i = 0; i < arguments.size(); ++i) slots[i].i32 = arguments[i];
    ok = instance_->Call(*function, slots, std::max<size_t>(1, arguments.size()), budget_ms);
    return slots[0].i32;
  }
  bool ok = false;

 private:
  std::unique_ptr<Engine> engine_;
  const InstanceLimits limits_;
  void* const self_;
  const uint32_t start_ms_;
  std::unique_ptr<Linked> linked_;
  std::unique_ptr<Instance> instance_;
  Error error_;
};

}  // namespace weir::engine
