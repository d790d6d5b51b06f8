#include "weir/cclb/host.h"

#include <chrono>
#include <mutex>

#include "cclb/host_functions.h"
#include "cclb/utf8.h"
#include "weir/extism.h"

namespace weir::cclb {
namespace {

class NoTelemetry final : public Telemetry {
 public:
  void Count(std::string_view, std::span<const Pair>, uint64_t) override {}
  void Log(Level, std::string_view, std::string_view, std::span<const Pair>) override {}
};

int64_t SystemNowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A call's text, or why there is none: what the reference's `call::<&str, &str>` gives.
struct TextAnswer {
  bool ok = false;
  std::string_view text;
  std::string reason;
};
TextAnswer CallText(extism::Plugin& plugin, std::string_view function, std::string_view input) {
  const auto output = plugin.Call(function, input);
  if (!output) return {false, {}, output.error().message};
  if (!IsValidUtf8(*output)) return {false, {}, Utf8Fault(*output)};
  return {true, *output, {}};
}

// The reference decides by the words of the outermost text.
bool IsTimeout(std::string_view reason) {
  std::string lower(reason);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const std::string_view word : {"timeout", "timed out", "deadline", "fuel"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

Fault Validation(std::string_view layer, Fault inner) {
  return {"Validation." + inner.variant, std::string(layer) + " validation failed: " + inner.message};
}
Fault WithReason(std::string variant, std::string_view text, std::string reason) {
  return {std::move(variant), std::string(text) + reason, reason};
}

class Instance final : public PluginInstance {
 public:
  Instance(std::shared_ptr<extism::Compiled> compiled, std::unique_ptr<extism::Plugin> plugin, Telemetry& telemetry)
      : compiled_(std::move(compiled)), plugin_(std::move(plugin)), telemetry_(telemetry) {}

  PlainOutcome Call(std::string_view function, std::string_view input) override {
    const extism::Outcome outcome = plugin_->CallRaw(function, input);
    // Traps and time-outs have this code; fuel and memory have texts of their own.
    constexpr int32_t kTrapCode = 134;
    broken_ = outcome.failed && (outcome.code == kTrapCode || outcome.error == "plugin ran out of fuel" || outcome.error == "oom" ||
                                 outcome.error == "timeout" || outcome.error.starts_with("error while executing at wasm backtrace"));
    if (outcome.failed) return {false, {}, outcome.error, outcome.cause};
    if (outcome.code != 0) {
      const std::string text = "Returned non-zero exit code: " + std::to_string(outcome.code);
      return {false, {}, text, text};
    }
    return {true, outcome.output, {}, {}};
  }
  bool broken() const override { return broken_; }
  Telemetry& telemetry() override { return telemetry_; }
  std::optional<uint64_t> fuel_consumed() const override { return plugin_->fuel_consumed(); }

 private:
  const std::shared_ptr<extism::Compiled> compiled_;
  const std::unique_ptr<extism::Plugin> plugin_;
  Telemetry& telemetry_;
  bool broken_ = false;
};

class HostImpl;

class Code final : public PluginCode {
 public:
  Code(HostImpl& host, std::string wasm, const OpenOptions& options) : host_(host), wasm_(std::move(wasm)) {
    if (options.functions != nullptr) functions_ = *options.functions;
  }

  Checked<HandshakeAccept> Handshake(const HandshakeOffer& offer) override;
  Checked<SelfCheckResponse> SelfCheck() override;
  Checked<std::unique_ptr<PluginInstance>> NewInstance(const InstanceLimits& limits, const HostFunctions* functions) override;
  std::vector<Slot> SlotsFromExports() override;
  bool Exports(std::string_view function) override {
    const auto compiled = Admission();
    return compiled && (*compiled)->FunctionExists(function);
  }
  Telemetry* telemetry() override;

 private:
  using Compiled = std::shared_ptr<extism::Compiled>;
  // For handshake and self-check, whose limits are the same.
  static_assert(Limit::kHandshakeWallMs == Limit::kSelfCheckWallMs && Limit::kHandshakeFuel == Limit::kSelfCheckFuel);
  /// Compiles, the first time.
  Checked<Compiled> Admission();
  /// The same code for calls.
  Checked<Compiled> ForCalls(const InstanceLimits& limits, const HostFunctions* functions);
  extism::PluginOptions Options(uint64_t fuel, const HostFunctions* functions) const;
  Checked<std::unique_ptr<extism::Plugin>> Fresh();

  HostImpl& host_;
  const std::string wasm_;
  std::optional<HostFunctions> functions_;
  std::mutex mutex_;  // what follows
  std::optional<Checked<Compiled>> admission_;
  struct Kept {
    InstanceLimits limits;
    std::string plugin;
    uint64_t quota_bytes = 0;
    Storage* storage = nullptr;
    Compiled compiled;
  };
  std::optional<Kept> kept_;  // of the last NewInstance: a pool asks for the same again and again
};

class HostImpl final : public Host {
 public:
  HostImpl(std::unique_ptr<extism::Runtime> runtime, HostOptions options) : runtime_(std::move(runtime)), options_(std::move(options)) {
    if (!options_.now_ms) options_.now_ms = &SystemNowMs;
  }
  std::shared_ptr<PluginCode> Open(std::string wasm, const OpenOptions& options) override {
    return std::make_shared<Code>(*this, std::move(wasm), options);
  }
  int64_t now_ms() const override { return options_.now_ms(); }
  uint64_t modules_made() const override { return runtime_->modules_made(); }

  extism::Runtime& runtime() { return *runtime_; }
  const HostOptions& options() const { return options_; }
  Telemetry& telemetry() { return options_.telemetry != nullptr ? *options_.telemetry : nobody_; }

 private:
  const std::unique_ptr<extism::Runtime> runtime_;
  HostOptions options_;
  NoTelemetry nobody_;
};

extism::PluginOptions Code::Options(uint64_t fuel, const HostFunctions* functions) const {
  extism::PluginOptions options;
  options.fuel = fuel;
  options.memory_limits_vary = true;
  options.cache = host_.options().cache;
  if (functions != nullptr) {
    options.functions = MakeHostFunctions(
        std::make_shared<HostFunctionContext>(HostFunctionContext{*functions, host_.telemetry(), host_.options().now_ms}));
  }
  return options;
}

Checked<Code::Compiled> Code::Admission() {
  std::lock_guard lock(mutex_);
  if (admission_) return *admission_;
  extism::Manifest manifest;
  manifest.modules.emplace_back().data = wasm_;
  manifest.limits.timeout_ms = Limit::kHandshakeWallMs;
  manifest.allowed_hosts.emplace();
  auto compiled = host_.runtime().Compile(manifest, Options(Limit::kHandshakeFuel, functions_ ? &*functions_ : nullptr));
  if (compiled) {
    admission_.emplace(std::move(*compiled));
  } else {
    admission_.emplace(Fault{"Instantiate", compiled.error().message, compiled.error().message});
  }
  return *admission_;
}

Checked<Code::Compiled> Code::ForCalls(const InstanceLimits& limits, const HostFunctions* functions) {
  const auto compiled = Admission();
  if (!compiled) return compiled.fault();
  const extism::ManifestLimits calls{.memory_pages_max = limits.memory_pages, .timeout_ms = limits.wall_ms};
  auto linked = (*compiled)->With(calls, Options(limits.fuel, functions));
  if (!linked) return Fault{"Instantiate", linked.error().message, linked.error().message};
  return std::move(*linked);
}

Checked<std::unique_ptr<extism::Plugin>> Code::Fresh() {
  auto compiled = Admission();
  if (!compiled) return std::move(compiled.fault());
  auto plugin = (*compiled)->NewPlugin();
  if (!plugin) return Fault{"Instantiate", plugin.error().message, plugin.error().message};
  return std::move(*plugin);
}

Checked<HandshakeAccept> Code::Handshake(const HandshakeOffer& offer) {
  constexpr std::string_view kExport = "cc_lb_handshake";
  if (auto fault = Validate(offer)) return Validation("handshake", std::move(*fault));
  host_.telemetry().Count("cc_lb_plugin_handshake_total", {}, 1);
  auto plugin = Fresh();
  if (!plugin) return WithReason("Instantiate", "handshake plugin instantiation failed: ", plugin.fault().reason);
  if (!(*plugin)->FunctionExists(kExport)) return Fault{"MissingHandshakeExport", "plugin does not export cc_lb_handshake"};
  const TextAnswer answer = CallText(**plugin, kExport, ToText(offer));
  if (!answer.ok) {
    if (IsTimeout(answer.reason)) return Fault{"Timeout", "handshake call exceeded timeout/fuel budget", answer.reason};
    return WithReason("Call", "handshake call failed: ", answer.reason);
  }
  if (answer.text.size() > Limit::kHandshakeOutputBytes) {
    return Fault{"OutputTooLarge", "handshake output size " + std::to_string(answer.text.size()) + " exceeds maximum " +
                                       std::to_string(Limit::kHandshakeOutputBytes)};
  }
  auto accept = ReadAccept(answer.text);
  if (!accept) return WithReason("DecodeAccept", "handshake accept decode failed: ", accept.fault().message);
  if (auto fault = ValidateAgainstOffer(*accept, offer)) return Validation("handshake", std::move(*fault));
  if (auto fault = ValidateShape(*accept, offer)) return std::move(*fault);
  for (const std::string& function : accept->implemented_functions) {
    if (!(*plugin)->FunctionExists(function)) return Fault{"DeclaredFunctionMissing", "declared function missing wasm export: " + function};
  }
  for (const WireFunctionRow& row : kWireFunctions) {
    if (!accept->implemented_functions.contains(std::string(row.name)) && (*plugin)->FunctionExists(row.name)) {
      return Fault{"UndeclaredExport", "undeclared wire function export present: " + std::string(row.name)};
    }
  }
  return accept;
}

Checked<SelfCheckResponse> Code::SelfCheck() {
  constexpr std::string_view kExport = "cc_lb_self_check";
  auto plugin = Fresh();
  if (!plugin) return WithReason("Instantiate", "self-check plugin instantiation failed: ", plugin.fault().reason);
  if (!(*plugin)->FunctionExists(kExport)) return Fault{"MissingSelfCheckExport", "plugin does not export cc_lb_self_check"};
  const SelfCheckRequest request = BuildSelfCheckRequest(host_.now_ms() / 1000);
  if (auto fault = Validate(request)) return Validation("self-check", std::move(*fault));
  const TextAnswer answer = CallText(**plugin, kExport, ToText(request));
  if (!answer.ok) return WithReason("Call", "self-check call failed: ", answer.reason);
  if (answer.text.size() > Limit::kSelfCheckOutputBytes) {
    return Fault{"OutputTooLarge", "self-check output size " + std::to_string(answer.text.size()) + " exceeds maximum " +
                                       std::to_string(Limit::kSelfCheckOutputBytes)};
  }
  auto response = ReadSelfCheckResponse(answer.text);
  if (!response) return WithReason("DecodeResponse", "self-check response decode failed: ", response.fault().message);
  if (auto fault = Validate(*response)) return Validation("self-check", std::move(*fault));
  const size_t count = response->failures.size();
  if (response->status == SelfCheckStatus::kSuccess) {
    if (count == 0) return response;
    return Fault{"SuccessWithFailures", "self-check success response included " + std::to_string(count) + " failure(s)"};
  }
  if (count == 0) return Fault{"FailureWithoutFailures", "self-check failure response did not include failures"};
  return Fault{"FailureStatus", "self-check reported failure status with " + std::to_string(count) + " failure(s)", ToText(*response)};
}

Checked<std::unique_ptr<PluginInstance>> Code::NewInstance(const InstanceLimits& limits, const HostFunctions* functions) {
  const std::string plugin_name = functions != nullptr ? functions->plugin : std::string();
  const uint64_t quota = functions != nullptr ? functions->quota_bytes : 0;
  Storage* const storage = functions != nullptr ? functions->storage : nullptr;
  Compiled compiled;
  {
    std::lock_guard lock(mutex_);
    const bool same = kept_ && kept_->limits.wall_ms == limits.wall_ms && kept_->limits.fuel == limits.fuel &&
                      kept_->limits.memory_pages == limits.memory_pages && kept_->plugin == plugin_name && kept_->quota_bytes == quota &&
                      kept_->storage == storage;
    if (same) compiled = kept_->compiled;
  }
  if (compiled == nullptr) {
    auto fresh = ForCalls(limits, functions);
    if (!fresh) return std::move(fresh.fault());
    compiled = std::move(*fresh);
    std::lock_guard lock(mutex_);
    kept_ = Kept{limits, plugin_name, quota, storage, compiled};
  }
  auto plugin = compiled->NewPlugin();
  if (!plugin) return Fault{"Instantiate", plugin.error().message, plugin.error().message};
  return std::unique_ptr<PluginInstance>(std::make_unique<Instance>(std::move(compiled), std::move(*plugin), host_.telemetry()));
}

Telemetry* Code::telemetry() { return host_.options().telemetry; }

std::vector<Slot> Code::SlotsFromExports() {
  auto plugin = Fresh();
  if (plugin && (*plugin)->FunctionExists("route")) return {Slot::kRouter};
  return {};
}

}  // namespace

Result<std::unique_ptr<Host>> Host::Create(HostOptions options) {
  WEIR_TRY(auto runtime, extism::Runtime::Create());
  return std::unique_ptr<Host>(std::make_unique<HostImpl>(std::move(runtime), std::move(options)));
}

std::string_view LevelName(Level level) {
  constexpr std::string_view kNames[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"};
  return kNames[static_cast<size_t>(level)];
}

}  // namespace weir::cclb
