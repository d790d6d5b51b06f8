// One plugin: its world, its variables and configuration, and the call.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/world.h"
#include "extism/compiled.h"
#include "extism/kernel.h"
#include "weir/extism.h"

namespace weir::extism {

inline constexpr std::string_view kMainModule = "main";
inline constexpr const char* kNoFuel = "plugin ran out of fuel";

class PluginImpl final : public Plugin, public CurrentPlugin {
 public:
  /// After CompiledImpl::TakeSlot.
  explicit PluginImpl(std::shared_ptr<CompiledImpl> compiled);
  ~PluginImpl() override {
    world_.reset();
    compiled_->GiveSlot();
  }
  /// Once, before anything else.
  std::optional<Failure> Link();

  // Plugin
  Outcome CallRaw(std::string_view function, const Input& input, const CallOptions& options) override;
  Result<void> Instantiate() override;
  bool broken() const override { return broken_; }
  bool FunctionExists(std::string_view function) const override { return compiled_->FunctionExists(function); }
  void Reset() override { memory_view().Reset(); }
  std::optional<std::string> GuestError() override;
  void SetConfig(std::string_view key, std::optional<std::string_view> value) override;
  void AllowHttpResponseHeaders() override { http_headers_.emplace(); }
  std::shared_ptr<CancelHandle> cancel_handle() override { return cancel_; }
  std::span<const uint8_t, 16> id() const override { return id_; }
  std::optional<uint64_t> fuel_consumed() const override;

  // CurrentPlugin
  uint64_t Alloc(uint64_t bytes) override;
  void Free(uint64_t handle) override;
  uint64_t Length(uint64_t handle) override;
  std::optional<std::span<uint8_t>> Block(uint64_t handle) override;
  uint8_t* memory() override { return world_->kernel_memory().data(); }
  void* host_context() override { return host_context_; }

  /// For the functions of the env module.
  const PluginOptions& options() const { return compiled_->options(); }
  const Manifest& manifest() const { return compiled_->manifest(); }
  std::string id_text() const;
  /// Why Alloc or New gave 0.
  std::string AllocFault() const { return kernel_fault_.empty() ? id_text() + " out of memory" : kernel_fault_; }
  /// Of the call's time limit; nullopt: it has none.
  std::optional<uint64_t> time_left_ms() const;
  std::map<std::string, std::string, std::less<>> vars, config;
  uint16_t http_status = 0;
  using Headers = std::map<std::string, std::string>;
  std::optional<Headers>& http_headers() { return http_headers_; }

 private:
  class CancelCell;
  /// What ends a call early: the reference's error and code.
  struct Stop {
    Failure failure;
    int32_t code = -1;
    std::optional<ErrorCode> input_error = std::nullopt;
  };
  KernelMemory memory_view() { return KernelMemory(world_->kernel_memory()); }
  std::optional<Failure> NewWorld();
  std::optional<Stop> Prepare();
  std::optional<Stop> NewInstance();
  std::optional<Failure> InitializeRuntime();
  std::optional<Failure> Initialize(const engine::WorldFunctionRef& function, const char* context);
  // plugin_input.cc
  std::optional<Stop> SetInput(const Input& input);
  std::optional<Stop> ReadStream(const Input& input);
  std::optional<Stop> PlaceInput(uint64_t bytes);
  std::optional<Stop> TakeFuel(uint64_t fuel);
  std::optional<Stop> Run(std::string_view name, int32_t* code);
  /// Reads what the guest left; nullopt: success.
  std::optional<Stop> Judge(std::optional<engine::Fault> fault);
  uint64_t CallKernel(const engine::WorldFunctionRef& function, uint64_t argument);
  bool OutOfFuel() const { return options().fuel && world_->fuel() == 0; }

  const std::shared_ptr<CompiledImpl> compiled_;
  std::unique_ptr<engine::World> world_;
  engine::WorldFunctionRef alloc_, free_, length_;  ///< of the kernel
  std::map<std::string, engine::WorldFunctionRef, std::less<>> functions_;  ///< found once
  std::string kernel_fault_;
  bool instantiated_ = false, store_is_stale_ = false, calling_ = false, broken_ = false;
  void* host_context_ = nullptr;
  std::optional<Headers> http_headers_;
  KernelMemory::Range output_;
  uint64_t error_ = 0;         ///< handle that the guest's call left
  std::chrono::steady_clock::time_point started_{};
  std::array<uint8_t, 16> id_{};
  std::shared_ptr<CancelHandle> cancel_;
};

}  // namespace weir::extism
