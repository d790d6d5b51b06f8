// What one host call may see and do: typed in, typed out, no guest pointers. A method a row of host_functions.cc, grouped by
// file: calls_log.cc, calls_headers.cc, calls_body.cc, calls_stream.cc, calls_property.cc, calls_shared.cc, calls_metric.cc,
// calls_http.cc, calls_grpc.cc, calls_foreign.cc. Comments say what the specification leaves open.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "proxy_wasm/abi.h"
#include "proxy_wasm/core.h"
#include "proxy_wasm/header_rules.h"
#include "proxy_wasm/pairs.h"
#include "weir/http.h"

namespace weir::proxy_wasm {

class Context;
class Vm;
struct Callout;
struct Incoming;

class HostCalls : public CallState {
 public:
  using Abi = ProxyAbi;
  using Nothing = abi::HostOutcome;  ///< of a function without a result
  HostCalls(Core& core, Vm& vm) : core_(&core), vm_(vm) {}

  /// Before and after each callback. Null: the plugin context.
  void Enter(Context* context) { effective_ = context; }
  void Leave() { effective_ = nullptr; }
  /// Whose callbacks the next ones are; null: of none.
  void set_core(Core* core) { core_ = core; }
  Core& core() { return *core_; }
  const Context* effective() const { return effective_; }
  void set_in_vm_start(bool in) { in_vm_start_ = in; }
  /// The answer that the callback to come may read; null: none. It outlives the callback.
  void set_incoming(const Incoming* incoming) { incoming_ = incoming; }

  // Logging, clock, timer
  Status Log(uint32_t level, std::string_view message);
  Answer<uint32_t> GetLogLevel();
  Answer<uint64_t> GetCurrentTime();
  Status SetTickPeriod(uint32_t period_ms);

  // HTTP fields
  Answer<uint32_t> GetHeaderMapSize(MapType map);
  Answer<std::string_view> GetHeaderMapPairs(MapType map);
  Status SetHeaderMapPairs(MapType map, std::string_view pairs);
  Answer<std::string_view> GetHeaderMapValue(MapType map, std::string_view key);
  Status AddHeaderMapValue(MapType map, std::string_view key, std::string_view value);
  Status ReplaceHeaderMapValue(MapType map, std::string_view key, std::string_view value);
  Status RemoveHeaderMapValue(MapType map, std::string_view key);

  // Buffers
  Status SetBufferBytes(BufferType buffer, uint32_t start, uint32_t size, std::string_view value);
  Answer<std::string_view> GetBufferBytes(BufferType buffer, uint32_t start, uint32_t max_size);
  Answer<std::tuple<uint32_t, uint32_t>> GetBufferStatus(BufferType buffer);
  Answer<std::string_view> GetConfiguration();

  // Streams and contexts
  Status ContinueStream(StreamType stream);
  Status CloseStream(StreamType stream);
  Status ContinueRequest();
  Status ContinueResponse();
  Status ClearRouteCache();
  Nothing ContinueRequestNothing();  ///< the 0.1.0 text has no result, SDKs declare one: both link
  Nothing ContinueResponseNothing();
  Nothing ClearRouteCacheNothing();
  Status SendLocalResponse(uint32_t status_code, std::string_view details, std::string_view body, std::string_view headers,
                           int32_t grpc_status);
  Status Done();
  Status SetEffectiveContext(uint32_t context_id);
  Answer<std::tuple<uint32_t, std::string_view>> GetStatus();

  // Properties
  Answer<std::string_view> GetProperty(std::string_view path);
  Status SetProperty(std::string_view path, std::string_view value);

  // Shared data and queues
  Status SetSharedData(std::string_view key, std::string_view value, uint32_t cas);
  Answer<std::tuple<std::string_view, uint32_t>> GetSharedData(std::string_view key);
  Answer<uint32_t> RegisterSharedQueue(std::string_view name);
  Answer<uint32_t> ResolveSharedQueue(std::string_view vm_id, std::string_view name);
  Status EnqueueSharedQueue(uint32_t queue_id, std::string_view item);
  Answer<std::string_view> DequeueSharedQueue(uint32_t queue_id);

  // Metrics
  Answer<uint32_t> DefineMetric(uint32_t type, std::string_view name);
  Status RecordMetric(uint32_t metric_id, uint64_t value);
  Status IncrementMetric(uint32_t metric_id, int64_t delta);
  Answer<uint64_t> GetMetric(uint32_t metric_id);

  // Foreign functions, calls to upstreams
  Answer<std::string_view> CallForeignFunction(std::string_view name, std::string_view argument);
  Answer<uint32_t> HttpCall(std::string_view upstream, std::string_view headers, std::string_view body,
                            std::string_view trailers, uint32_t timeout_ms);
  Answer<uint32_t> GrpcCall(std::string_view upstream, std::string_view service, std::string_view method,
                            std::string_view initial_metadata, std::string_view message, uint32_t timeout_ms);
  Answer<uint32_t> GrpcStream(std::string_view upstream, std::string_view service, std::string_view method,
                              std::string_view initial_metadata);
  Status GrpcSend(uint32_t stream_id, std::string_view message, uint32_t end_stream);
  Status GrpcCancel(uint32_t call_id);
  Status GrpcClose(uint32_t call_id);
  Nothing NotifyMemoryGrowth(uint32_t memory_index);

  /// The stream of the effective context; null for the plugin context, and where it is of the other kind.
  HttpStream* stream();
  TcpStream* tcp();
  Stream* any_stream();

 protected:
  bool plugin_context_exists() const { return core_->root_context != 0; }

 private:
  /// Null: the map is not there in this phase. `known` false: no such map at all.
  HeaderMap* Map(MapType map, bool* known);
  /// The map for a change, or why not.
  Answer<HeaderMap*> WritableMap(MapType map);
  Status Judged(HeaderVerdict verdict, std::string_view name) { return Refuse(Status::kBadArgument, Reason(verdict), name); }
  /// The buffer's bytes; NOT_FOUND or BAD_ARGUMENT.
  Answer<std::string_view> Buffer(BufferType buffer);
  /// `key` in lower case: a copy in key_.
  std::string_view Lower(std::string_view key);
  /// JudgeWrite of `*name`, which is lowered where it has to be.
  HeaderVerdict Judge(MapType map, std::string_view* name, std::string_view value);
  Answer<std::string_view> Header(const HeaderMap& map, std::string_view key);
  /// The answer where there is none: NOT_FOUND, in 0.1.0 an empty value.
  Answer<std::string_view> NoHeader(std::string_view reason, std::string_view key);
  // Properties, by who answers. `path` is for the reason of a refusal.
  std::optional<Answer<std::string_view>> PluginProperty(PropertyFrom from, std::string_view name, std::string_view path);
  Answer<std::string_view> StreamProperty(HttpStream& s, const PropertyRow& row, std::string_view name, std::string_view path);
  Answer<std::string_view> MapProperty(HttpStream& s, HeaderMapKind kind, std::string_view name, std::string_view path);
  Answer<std::string_view> UrlProperty(HttpStream& s, PropertyFrom from, std::string_view path);
  Answer<std::string_view> Encoded(std::optional<PropertyValue> value, std::string_view path);
  Answer<std::string_view> PropertyOrNone(std::string_view value, std::string_view path);
  Status LongPath(std::string_view call, size_t bytes);
  /// Counts bytes written into the headers of the effective context's stream. False: over a limit, and said why.
  bool Grow(uint64_t bytes);
  /// Whether a call may name that upstream; if not, says so once.
  bool KnowsUpstream(std::string_view call, std::string_view upstream);
  /// Room for one more call, with a body or message of `bytes`.
  bool RoomForCall(uint64_t bytes);
  /// The call that was started belongs to the effective context. Its id for the guest.
  /// `unknown`: what is answered when the host finds the arguments wrong.
  Answer<uint32_t> Started(Callout callout, Result<CallToken> token, Status unknown);
  /// Malformed arguments of a gRPC call: lenient must not swallow it, since a call id of 0, twice, makes an SDK panic.
  Status BadGrpc(std::string_view reason, std::string_view detail = {}) {
    return Refuse(strict() ? Status::kBadArgument : Status::kParseFailure, reason, detail);
  }
  Answer<uint32_t> StartGrpc(std::string_view call, std::string_view upstream, std::string_view service, std::string_view method,
                             std::string_view metadata, const std::string_view* message, uint32_t timeout_ms);
  /// The gRPC call of that id, or what is answered when there is none.
  Answer<Callout*> Grpc(uint32_t id);
  PairLimits pair_limits() const { return {core_->spec.limits.header_pairs, core_->spec.limits.header_bytes}; }
  bool strict() const { return core_->spec.statuses == Statuses::kStrict; }

  Core* core_;
  Vm& vm_;
  Context* effective_ = nullptr;
  const Incoming* incoming_ = nullptr;
  bool in_vm_start_ = false;
  std::string key_;      ///< a lowered key, during one call
  std::string scratch_;  ///< bytes of an answer, during one call
  std::string why_;      ///< a reason that is no constant, during one call
};

}  // namespace weir::proxy_wasm
