// What the host calls in the guest. Any subset may be exported; an absent one means continue (or true). [0.2.1 §Callbacks]
// Every parameter and result is an i32.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "abi/host_function.h"
#include "engine/instance.h"
#include "proxy_wasm/types.h"

namespace weir::proxy_wasm {

enum class Callback : uint8_t {
  kOnVmStart,
  kOnConfigure,
  kOnContextCreate,
  kOnDone,
  kOnLog,
  kOnDelete,
  kOnTick,
  kOnQueueReady,
  kOnForeignFunction,
  kOnRequestHeaders,
  kOnRequestBody,
  kOnRequestTrailers,
  kOnResponseHeaders,
  kOnResponseBody,
  kOnResponseTrailers,
  kOnHttpCallResponse,
  kOnGrpcReceiveInitialMetadata,
  kOnGrpcReceive,
  kOnGrpcReceiveTrailingMetadata,
  kOnGrpcClose,
  kOnNewConnection,
  kOnDownstreamData,
  kOnDownstreamConnectionClose,
  kOnUpstreamData,
  kOnUpstreamConnectionClose,
};
inline constexpr size_t kCallbacks = size_t(Callback::kOnUpstreamConnectionClose) + 1;

struct CallbackRow {
  Callback id;
  std::string_view name;
  std::string_view section;
  abi::Versions versions;
  std::array<std::string_view, 5> params;
  bool result;
  uint8_t old_params = 0;  ///< how many of `params` a 0.1.0 module has, where that differs
  /// Parameters named above.
  constexpr size_t count() const {
    size_t n = 0;
    for (auto p : params) n += !p.empty();
    return n;
  }
};

inline constexpr CallbackRow kCallbackRows[kCallbacks] = {
    {Callback::kOnVmStart, "proxy_on_vm_start", "Configuration", kAllVersions, {"plugin_context_id", "vm_configuration_size"}, true},
    {Callback::kOnConfigure, "proxy_on_configure", "Configuration", kAllVersions, {"plugin_context_id", "plugin_configuration_size"}, true},
    {Callback::kOnContextCreate, "proxy_on_context_create", "Context lifecycle", kAllVersions, {"context_id", "parent_context_id"}, false},
    {Callback::kOnDone, "proxy_on_done", "Context lifecycle", kAllVersions, {"context_id"}, true},
    {Callback::kOnLog, "proxy_on_log", "Context lifecycle", kAllVersions, {"context_id"}, false},
    {Callback::kOnDelete, "proxy_on_delete", "Context lifecycle", kAllVersions, {"context_id"}, false},
    {Callback::kOnTick, "proxy_on_tick", "Timers", kAllVersions, {"plugin_context_id"}, false},
    {Callback::kOnQueueReady, "proxy_on_queue_ready", "Shared Queues", kAllVersions, {"plugin_context_id", "queue_id"}, false},
    {Callback::kOnForeignFunction, "proxy_on_foreign_function", "Foreign function interface (FFI)", kSince020, {"plugin_context_id", "function_id", "arguments_size"}, false},
    {Callback::kOnRequestHeaders, "proxy_on_request_headers", "HTTP streams", kAllVersions, {"stream_context_id", "num_headers", "end_of_stream"}, true, 2},
    {Callback::kOnRequestBody, "proxy_on_request_body", "HTTP streams", kAllVersions, {"stream_context_id", "body_size", "end_of_stream"}, true},
    {Callback::kOnRequestTrailers, "proxy_on_request_trailers", "HTTP streams", kAllVersions, {"stream_context_id", "num_trailers"}, true},
    {Callback::kOnResponseHeaders, "proxy_on_response_headers", "HTTP streams", kAllVersions, {"stream_context_id", "num_headers", "end_of_stream"}, true, 2},
    {Callback::kOnResponseBody, "proxy_on_response_body", "HTTP streams", kAllVersions, {"stream_context_id", "body_size", "end_of_stream"}, true},
    {Callback::kOnResponseTrailers, "proxy_on_response_trailers", "HTTP streams", kAllVersions, {"stream_context_id", "num_trailers"}, true},
    {Callback::kOnHttpCallResponse, "proxy_on_http_call_response", "HTTP calls", kAllVersions, {"plugin_context_id", "call_id", "num_headers", "body_size", "num_trailers"}, false},
    {Callback::kOnGrpcReceiveInitialMetadata, "proxy_on_grpc_receive_initial_metadata", "gRPC calls", kAllVersions, {"plugin_context_id", "call_id", "num_elements"}, false},
    {Callback::kOnGrpcReceive, "proxy_on_grpc_receive", "gRPC calls", kAllVersions, {"plugin_context_id", "call_id", "message_size"}, false},
    {Callback::kOnGrpcReceiveTrailingMetadata, "proxy_on_grpc_receive_trailing_metadata", "gRPC calls", kAllVersions, {"plugin_context_id", "call_id", "num_elements"}, false},
    {Callback::kOnGrpcClose, "proxy_on_grpc_close", "gRPC calls", kAllVersions, {"plugin_context_id", "call_id", "status_code"}, false},
    {Callback::kOnNewConnection, "proxy_on_new_connection", "TCP streams", kAllVersions, {"stream_context_id"}, true},
    {Callback::kOnDownstreamData, "proxy_on_downstream_data", "TCP streams", kAllVersions, {"stream_context_id", "data_size", "end_of_stream"}, true},
    {Callback::kOnDownstreamConnectionClose, "proxy_on_downstream_connection_close", "TCP streams", kAllVersions, {"stream_context_id", "peer_type"}, false},
    {Callback::kOnUpstreamData, "proxy_on_upstream_data", "TCP streams", kAllVersions, {"stream_context_id", "data_size", "end_of_stream"}, true},
    {Callback::kOnUpstreamConnectionClose, "proxy_on_upstream_connection_close", "TCP streams", kAllVersions, {"stream_context_id", "peer_type"}, false},
};
static_assert([] {
  for (size_t i = 0; i < kCallbacks; ++i)
    if (size_t(kCallbackRows[i].id) != i) return false;
  return true;
}());

constexpr std::string_view Name(Callback id) { return kCallbackRows[size_t(id)].name; }

/// Functions of one instance, looked up once.
class Callbacks {
 public:
  /// An exported callback with another signature is an error that names both.
  static Result<Callbacks> Find(engine::Instance& instance);
  /// As if it were not exported.
  void Leave(Callback id) { functions_[size_t(id)] = {}; }
  const engine::Function& operator[](Callback id) const { return functions_[size_t(id)]; }
  /// Parameters of the exported one: 0.1.0 modules have fewer.
  uint8_t params(Callback id) const { return params_[size_t(id)]; }

 private:
  std::array<engine::Function, kCallbacks> functions_;
  std::array<uint8_t, kCallbacks> params_{};
};

}  // namespace weir::proxy_wasm
