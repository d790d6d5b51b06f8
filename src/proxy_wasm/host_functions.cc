#include "proxy_wasm/host_functions.h"

#include "proxy_wasm/allow.h"
#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {
namespace {

using abi::Fn;
using enum Status;
using H = HostCalls;

using enum Group;

constexpr uint32_t kCall = Tolerates({kBadArgument, kInternalFailure}) | Of(kHttpCall);
constexpr uint32_t kGrpcStart = Tolerates({kParseFailure, kInternalFailure}) | Of(kGrpc);

constexpr abi::HostFunction kRows[] = {
    // Context lifecycle
    Fn<&H::Done>("proxy_done", "Context lifecycle", kAllVersions, {}),
    Fn<&H::SetEffectiveContext, Tolerates({kBadArgument})>("proxy_set_effective_context", "Context lifecycle", kAllVersions,
                                                           {"context_id"}),
    // Configuration
    Fn<&H::GetConfiguration>("proxy_get_configuration", "Configuration", kOnly010, {"return_value_data", "return_value_size"}),
    // Logging
    Fn<&H::Log, kFromAllocator>("proxy_log", "Logging", kAllVersions, {"log_level", "message_data", "message_size"}),
    Fn<&H::GetLogLevel>("proxy_get_log_level", "Logging", kSince021, {"return_log_level"}),
    // Clocks, timers
    Fn<&H::GetCurrentTime>("proxy_get_current_time_nanoseconds", "Clocks", kAllVersions, {"return_time"}),
    Fn<&H::SetTickPeriod, Of(kTimer)>("proxy_set_tick_period_milliseconds", "Timers", kAllVersions, {"tick_period"}),
    // Buffers
    Fn<&H::SetBufferBytes, Of(kBody)>("proxy_set_buffer_bytes", "Buffers", kAllVersions,
                           {"buffer_id", "start", "size", "value_data", "value_size"}),
    Fn<&H::GetBufferBytes, Tolerates({kNotFound})>("proxy_get_buffer_bytes", "Buffers", kAllVersions,
                                                   {"buffer_id", "start", "max_size", "return_value_data", "return_value_size"}),
    Fn<&H::GetBufferStatus, Tolerates({kNotFound})>("proxy_get_buffer_status", "Buffers", kAllVersions,
                                                    {"buffer_id", "return_buffer_size", "return_unused"}),
    // HTTP fields
    Fn<&H::GetHeaderMapSize, Of(kHeaders)>("proxy_get_header_map_size", "HTTP fields", kAllVersions,
                             {"map_id", "return_serialized_pairs_size"}),
    Fn<&H::GetHeaderMapPairs, Of(kHeaders)>("proxy_get_header_map_pairs", "HTTP fields", kAllVersions,
                              {"map_id", "return_serialized_pairs_data", "return_serialized_pairs_size"}),
    Fn<&H::SetHeaderMapPairs, Of(kHeaders)>("proxy_set_header_map_pairs", "HTTP fields", kAllVersions,
                              {"map_id", "serialized_pairs_data", "serialized_pairs_size"}),
    Fn<&H::GetHeaderMapValue, Tolerates({kNotFound}) | Of(kHeaders)>("proxy_get_header_map_value", "HTTP fields", kAllVersions,
                                                      {"map_id", "key_data", "key_size", "return_value_data", "return_value_size"}),
    Fn<&H::AddHeaderMapValue, Of(kHeaders)>("proxy_add_header_map_value", "HTTP fields", kAllVersions,
                              {"map_id", "key_data", "key_size", "value_data", "value_size"}),
    Fn<&H::ReplaceHeaderMapValue, Of(kHeaders)>("proxy_replace_header_map_value", "HTTP fields", kAllVersions,
                                  {"map_id", "key_data", "key_size", "value_data", "value_size"}),
    Fn<&H::RemoveHeaderMapValue, Of(kHeaders)>("proxy_remove_header_map_value", "HTTP fields", kAllVersions,
                                               {"map_id", "key_data", "key_size"}),
    // Common HTTP and TCP stream operations
    Fn<&H::ContinueStream, Of(kStream)>("proxy_continue_stream", "Common HTTP and TCP stream operations", kSince020, {"stream_type"}),
    Fn<&H::CloseStream, Of(kStream)>("proxy_close_stream", "Common HTTP and TCP stream operations", kSince020, {"stream_type"}),
    Fn<&H::GetStatus>("proxy_get_status", "Common HTTP and TCP stream operations", kAllVersions,
                      {"return_status_code", "return_status_message_data", "return_status_message_size"}),
    // HTTP streams
    Fn<&H::SendLocalResponse, Of(kLocalResponse)>("proxy_send_local_response", "HTTP streams", kAllVersions,
                              {"status_code", "status_code_details_data", "status_code_details_size", "body_data", "body_size",
                               "serialized_headers_data", "serialized_headers_size", "grpc_status"}),
    Fn<&H::ContinueRequest, Of(kStream)>("proxy_continue_request", "HTTP streams", kOnly010, {}),
    Fn<&H::ContinueRequestNothing, Of(kStream)>("proxy_continue_request", "HTTP streams", kOnly010, {}),
    Fn<&H::ContinueResponse, Of(kStream)>("proxy_continue_response", "HTTP streams", kOnly010, {}),
    Fn<&H::ContinueResponseNothing, Of(kStream)>("proxy_continue_response", "HTTP streams", kOnly010, {}),
    Fn<&H::ClearRouteCache, Of(kStream)>("proxy_clear_route_cache", "HTTP streams", kOnly010, {}),
    Fn<&H::ClearRouteCacheNothing, Of(kStream)>("proxy_clear_route_cache", "HTTP streams", kOnly010, {}),
    // HTTP calls
    Fn<&H::HttpCall, kCall>("proxy_http_call", "HTTP calls", kAllVersions,
                            {"upstream_name_data", "upstream_name_size", "serialized_headers_data", "serialized_headers_size",
                             "body_data", "body_size", "serialized_trailers_data", "serialized_trailers_size", "timeout",
                             "return_call_id"}),
    Fn<&H::HttpCall, kCall>("proxy_dispatch_http_call", "HTTP calls", kAllVersions,
                            {"upstream_name_data", "upstream_name_size", "serialized_headers_data", "serialized_headers_size",
                             "body_data", "body_size", "serialized_trailers_data", "serialized_trailers_size", "timeout",
                             "return_call_id"}),
    // gRPC calls
    Fn<&H::GrpcCall, kGrpcStart>("proxy_grpc_call", "gRPC calls", kAllVersions,
                            {"upstream_name_data", "upstream_name_size", "service_name_data", "service_name_size",
                             "method_name_data", "method_name_size", "serialized_initial_metadata_data",
                             "serialized_initial_metadata_size", "message_data", "message_size", "timeout", "return_call_id"}),
    Fn<&H::GrpcStream, kGrpcStart>("proxy_grpc_stream", "gRPC calls", kAllVersions,
                              {"upstream_name_data", "upstream_name_size", "service_name_data", "service_name_size",
                               "method_name_data", "method_name_size", "serialized_initial_metadata_data",
                               "serialized_initial_metadata_size", "return_stream_id"}),
    Fn<&H::GrpcSend, Tolerates({kBadArgument, kNotFound}) | Of(kGrpc)>("proxy_grpc_send", "gRPC calls", kAllVersions,
                                                           {"stream_id", "message_data", "message_size", "end_stream"}),
    Fn<&H::GrpcCancel, Tolerates({kNotFound}) | Of(kGrpc)>("proxy_grpc_cancel", "gRPC calls", kAllVersions, {"call_or_stream_id"}),
    Fn<&H::GrpcClose, Tolerates({kNotFound}) | Of(kGrpc)>("proxy_grpc_close", "gRPC calls", kAllVersions, {"call_or_stream_id"}),
    // Shared Key-Value Store
    Fn<&H::SetSharedData, Tolerates({kCasMismatch}) | Of(kSharedData)>("proxy_set_shared_data", "Shared Key-Value Store", kAllVersions,
                                                     {"key_data", "key_size", "value_data", "value_size", "cas"}),
    Fn<&H::GetSharedData, Tolerates({kNotFound}) | Of(kSharedData)>("proxy_get_shared_data", "Shared Key-Value Store", kAllVersions,
                                                  {"key_data", "key_size", "return_value_data", "return_value_size", "return_cas"}),
    // Shared Queues
    Fn<&H::RegisterSharedQueue, Of(kQueue)>("proxy_register_shared_queue", "Shared Queues", kAllVersions,
                                {"name_data", "name_size", "return_queue_id"}),
    Fn<&H::ResolveSharedQueue, Tolerates({kNotFound}) | Of(kQueue)>("proxy_resolve_shared_queue", "Shared Queues", kAllVersions,
                                                       {"vm_id_data", "vm_id_size", "name_data", "name_size", "return_queue_id"}),
    Fn<&H::EnqueueSharedQueue, Tolerates({kNotFound}) | Of(kQueue)>("proxy_enqueue_shared_queue", "Shared Queues", kAllVersions,
                                                       {"queue_id", "value_data", "value_size"}),
    Fn<&H::DequeueSharedQueue, Tolerates({kNotFound, kEmpty}) | Of(kQueue)>("proxy_dequeue_shared_queue", "Shared Queues", kAllVersions,
                                                               {"queue_id", "return_value_data", "return_value_size"}),
    // Metrics
    Fn<&H::DefineMetric, Of(kMetrics)>("proxy_define_metric", "Metrics", kAllVersions,
                                       {"metric_type", "name_data", "name_size", "return_metric_id"}),
    Fn<&H::RecordMetric, Tolerates({kNotFound}) | Of(kMetrics)>("proxy_record_metric", "Metrics", kAllVersions, {"metric_id", "value"}),
    Fn<&H::IncrementMetric, Tolerates({kNotFound, kBadArgument}) | Of(kMetrics)>("proxy_increment_metric", "Metrics", kAllVersions,
                                                                  {"metric_id", "delta"}),
    Fn<&H::GetMetric, Tolerates({kNotFound, kBadArgument}) | Of(kMetrics)>("proxy_get_metric", "Metrics", kAllVersions,
                                                            {"metric_id", "return_value"}),
    // Properties
    Fn<&H::GetProperty, Tolerates({kNotFound, kSerializationFailure, kInternalFailure}) | Of(kProperties)>(
        "proxy_get_property", "Properties", kAllVersions, {"path_data", "path_size", "return_value_data", "return_value_size"}),
    Fn<&H::SetProperty, Of(kProperties)>("proxy_set_property", "Properties", kAllVersions, {"path_data", "path_size", "value_data", "value_size"}),
    // Foreign function interface
    Fn<&H::CallForeignFunction, Tolerates({kNotFound, kBadArgument, kSerializationFailure, kInternalFailure}) | Of(kForeign)>(
        "proxy_call_foreign_function", "Foreign function interface (FFI)", kAllVersions,
        {"name_data", "name_size", "arguments_data", "arguments_size", "return_results_data", "return_results_size"}),
    // Not in the specification: what Emscripten's runtime imports.
    Fn<&H::NotifyMemoryGrowth, kFromAllocator>("emscripten_notify_memory_growth", "(Emscripten)", kAllVersions, {"memory_index"}),
};

std::string TolerancesOf(const abi::HostFunction& row) {
  const std::string names = ToleratedNames(row.extra);
  return names.empty() ? "–" : names;
}

}  // namespace

std::span<const abi::HostFunction> HostFunctions() { return kRows; }

std::string HostFunctionsDocument() {
  std::string text =
      "# Host functions and callbacks of Proxy-Wasm\n\n"
      "Generated from the tables in `src/proxy_wasm` (a test compares; `WEIR_UPDATE_DOCS=1 build/bin/proxy_wasm_test` writes it).\n\n"
      "## Host functions (module `env`)\n\n"
      "Each returns a status. With `statuses lenient` a plugin sees beside OK and INVALID_MEMORY_ACCESS only the statuses of the\n"
      "last column; any other one becomes OK without effect, is logged once and counted. With `statuses strict` it sees all.\n\n";
  text += abi::PrintTable(kRows, kVersionNames, "tolerated statuses", TolerancesOf);
  text += "\n## Groups\n\nWhat `allow=` of a plugin names. Functions that are in none are always allowed.\n\n| group | what it is | functions |\n|---|---|---|\n";
  for (size_t i = 1; i < kGroups; ++i) {
    const AllowGroup& group = AllowGroups()[i - 1];
    std::string names;
    for (const abi::HostFunction& row : kRows)
      if (GroupOf(row.extra) == Group(i) && names.find("`" + std::string(row.name) + "`") == names.npos)
        names += (names.empty() ? "`" : ", `") + std::string(row.name) + "`";
    text += "| `" + std::string(group.name) + "` | " + std::string(group.about) + " | " + names + " |\n";
  }
  text += "\n## Callbacks\n\nAll are optional: an absent one means continue.\n\n| callback | versions | section |\n|---|---|---|\n";
  for (const CallbackRow& row : kCallbackRows) {
    std::string params, versions;
    for (std::string_view p : row.params) {
      if (p.empty()) break;
      params += (params.empty() ? "i32 " : ", i32 ") + std::string(p);
    }
    for (size_t i = 0; i < std::size(kVersionNames); ++i) {
      if ((row.versions >> i & 1) != 0) versions += (versions.empty() ? "" : ", ") + std::string(kVersionNames[i]);
    }
    text += "| `" + std::string(row.name) + "(" + params + ") -> " + (row.result ? "i32" : "()") + "` | " + versions + " | " +
            std::string(row.section) + (row.old_params != 0 ? " (0.1.0: without `end_of_stream`)" : "") + " |\n";
  }
  return text;
}

}  // namespace weir::proxy_wasm
