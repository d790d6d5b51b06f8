// Running cc-lb plugins: handshake, self-check, dispatch. Host (one a process) -> PluginCode (a module) -> PluginInstance (a thread at
// a time). pool.h has instances for many threads; registry.h keeps what was admitted.
//
//   WEIR_TRY(auto host, weir::cclb::Host::Create({.telemetry = &telemetry}));
//   auto code = host->Open(wasm);
//   auto accept = code->Handshake(weir::cclb::BuildOffer({"log"}));
//   auto instance = code->NewInstance({});
//   auto answer = weir::cclb::Dispatch<weir::cclb::fn::Shape>(**instance, metadata, request);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/cclb/functions.h"
#include "weir/cclb/protocol.h"
#include "weir/engine.h"
#include "weir/result.h"

namespace weir::cclb {

// ---- what the host is told --------------------------------------------------------------------------------------------------
enum class Level : uint8_t { kTrace, kDebug, kInfo, kWarn, kError };
std::string_view LevelName(Level level);  ///< "WARN"

using Pair = std::pair<std::string_view, std::string_view>;
/// Counters and log lines. Called by the threads that call plugins.
class Telemetry {
 public:
  virtual ~Telemetry() = default;
  /// cc_lb_plugin_handshake_total, cc_lb_plugin_dispatch_errors_total{function, stage}, and those of plugins {plugin}.
  virtual void Count(std::string_view name, std::span<const Pair> labels, uint64_t increment) = 0;
  /// `fields` without the message.
  virtual void Log(Level level, std::string_view target, std::string_view message, std::span<const Pair> fields) = 0;
};

// ---- what plugins that import host functions may use ------------------------------------------------------------------------
/// What plugins store, each under its own name. Thread-safe. storage.h has one that a database keeps.
class Storage {
 public:
  static constexpr const char* kQuotaExceeded = "scoped storage quota exceeded";
  virtual ~Storage() = default;
  /// nullopt: there is none. kIo: nobody knows; the plugin is stopped, and does not take it for none.
  virtual Result<std::optional<std::string>> Get(std::string_view plugin, std::string_view key) = 0;
  /// All or nothing. kLimit: more than `quota_bytes` for this plugin, counting keys ("plugin:key") and values; kIo: it failed.
  virtual Result<void> Put(std::string_view plugin, std::string_view key, std::string_view value, uint64_t quota_bytes) = 0;
};
std::unique_ptr<Storage> NewMemoryStorage();

struct HostFunctions {
  std::string plugin;                   ///< its name: the prefix of its keys, the label of its counters
  Storage* storage = nullptr;           ///< not null; outlives the code
  uint64_t quota_bytes = 1 << 20;
};

// ---- host -------------------------------------------------------------------------------------------------------------------
struct HostOptions {
  Telemetry* telemetry = nullptr;        ///< null: nobody is told; outlives the host
  CodeCache cache;                       ///< of compiled code, for the next start; empty: none
  std::function<int64_t()> now_ms;       ///< since 1970; null: the system's clock
};

/// Of an instance's calls. The defaults are those of the reference's server.
struct InstanceLimits {
  uint64_t wall_ms = 5000;
  uint64_t fuel = 1'000'000'000;         ///< instructions of one call
  std::optional<uint32_t> memory_pages = 32;  ///< of 64 KiB; nullopt: no limit
};

/// How a plain call ended.
struct PlainOutcome {
  bool ok = false;
  std::string_view output;               ///< good until the next call
  std::string error;                     ///< outermost text
  std::string cause;                     ///< innermost text
};

/// A plugin that runs. One thread at a time.
class PluginInstance {
 public:
  virtual ~PluginInstance() = default;
  /// Calls an export with bytes, without envelope.
  virtual PlainOutcome Call(std::string_view function, std::string_view input) = 0;
  /// The last call trapped, or ran out of time, fuel or memory: whatever the plugin was about is half done.
  virtual bool broken() const = 0;
  virtual Telemetry& telemetry() = 0;
  virtual std::optional<uint64_t> fuel_consumed() const = 0;
};

/// A module. It is compiled once, at the first need. Thread-safe.
class PluginCode {
 public:
  virtual ~PluginCode() = default;
  /// L2, in a fresh instance under its own limits. Faults as in the reference; `reason` of Call and Instantiate.
  virtual Checked<HandshakeAccept> Handshake(const HandshakeOffer& offer) = 0;
  /// L3, likewise.
  virtual Checked<SelfCheckResponse> SelfCheck() = 0;
  /// variant "Instantiate". `functions`: null, or what is linked for plugins that import cc_lb_*.
  virtual Checked<std::unique_ptr<PluginInstance>> NewInstance(const InstanceLimits& limits, const HostFunctions* functions = nullptr) = 0;
  /// By the exports alone: {router} for the legacy `route`, else none; none also for what cannot be built.
  virtual std::vector<Slot> SlotsFromExports() = 0;
  /// Whether it can be called: no parameters, and no result or an i32.
  virtual bool Exports(std::string_view function) = 0;
  /// That of its host; may be null.
  virtual Telemetry* telemetry() = 0;
};

/// Which host functions the handshake and the self-check link. The reference: none, so a plugin that imports them is refused.
struct OpenOptions {
  const HostFunctions* functions = nullptr;
};

class Host {
 public:
  static Result<std::unique_ptr<Host>> Create(HostOptions options = {});
  virtual ~Host() = default;
  /// Outlived by the host.
  virtual std::shared_ptr<PluginCode> Open(std::string wasm, const OpenOptions& options = {}) = 0;
  virtual int64_t now_ms() const = 0;
  /// Modules compiled, or taken from the code cache, so far: one for each PluginCode that was used.
  virtual uint64_t modules_made() const = 0;
};

// ---- L5 -----------------------------------------------------------------------------------------------------------------------
/// Where a dispatch failed: the label of the counter.
enum class DispatchStage : uint8_t {
  kVersionLookup, kRequestEnvelope, kSerializeRequest, kPluginCall, kDeserializeResponse, kResponseEnvelope, kResponseDecode,
};
std::string_view DispatchStageName(DispatchStage stage);

struct DispatchError {
  DispatchStage stage = DispatchStage::kVersionLookup;
  std::string variant;   ///< "PluginCall"
  std::string debug;     ///< "PluginCall { reason: \"timeout\" }"
  FallbackPolicy fallback = FallbackPolicy::kFailRequest;
};

/// The response, or what to do instead.
template <class Response>
struct DispatchOutcome {
  std::optional<Response> response;
  std::optional<DispatchError> error;
  explicit operator bool() const { return response.has_value(); }
};

/// Calls `Fn` in the version that was negotiated. An error is counted and logged here. Nothing that a plugin does escapes.
template <class Fn>
DispatchOutcome<typename Fn::Response> Dispatch(PluginInstance& instance, const AugmentedMetadata& metadata,
                                                const typename Fn::Request& request) noexcept;
#define WEIR_CCLB_DECLARE(Name)                                                                                             \
  extern template DispatchOutcome<fn::Name::Response> Dispatch<fn::Name>(PluginInstance&, const AugmentedMetadata&,         \
                                                                         const fn::Name::Request&) noexcept;
WEIR_CCLB_FUNCTIONS(WEIR_CCLB_DECLARE)
#undef WEIR_CCLB_DECLARE

/// The same by name and text, for commands: `function` is one of the names, or "shape_v2"; an empty request is the dry run's.
struct TextOutcome {
  std::string response;                  ///< JSON, keys sorted; empty after an error
  std::optional<DispatchError> error;
};
/// kInvalidArgument: an unknown function, or a request that is not of its type.
Result<TextOutcome> DispatchText(PluginInstance& instance, const AugmentedMetadata& metadata, std::string_view function,
                                 std::string_view request);

}  // namespace weir::cclb
