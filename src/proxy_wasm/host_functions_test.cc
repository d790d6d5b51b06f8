// The table against the specification, and the generated document against the table.
#include "proxy_wasm/host_functions.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/types.h"

namespace weir::proxy_wasm {
namespace {

struct SpecFunction {
  std::string_view name, signature;
  uint8_t versions;
};

// Every function under "Functions exposed by the host" of the three texts, WASI's apart, with its Wasm signature.
constexpr SpecFunction kSpec[] = {
    {"proxy_done", "() -> i32", 7},
    {"proxy_set_effective_context", "(i32) -> i32", 7},
    {"proxy_get_configuration", "(i32, i32) -> i32", 1},
    {"proxy_log", "(i32, i32, i32) -> i32", 7},
    {"proxy_get_log_level", "(i32) -> i32", 4},
    {"proxy_get_current_time_nanoseconds", "(i32) -> i32", 7},
    {"proxy_set_tick_period_milliseconds", "(i32) -> i32", 7},
    {"proxy_set_buffer_bytes", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_get_buffer_bytes", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_get_buffer_status", "(i32, i32, i32) -> i32", 7},
    {"proxy_get_header_map_size", "(i32, i32) -> i32", 7},
    {"proxy_get_header_map_pairs", "(i32, i32, i32) -> i32", 7},
    {"proxy_set_header_map_pairs", "(i32, i32, i32) -> i32", 7},
    {"proxy_get_header_map_value", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_add_header_map_value", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_replace_header_map_value", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_remove_header_map_value", "(i32, i32, i32) -> i32", 7},
    {"proxy_continue_stream", "(i32) -> i32", 6},
    {"proxy_close_stream", "(i32) -> i32", 6},
    {"proxy_get_status", "(i32, i32, i32) -> i32", 7},
    {"proxy_send_local_response", "(i32, i32, i32, i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_continue_request", "() -> ()", 1},
    {"proxy_continue_response", "() -> ()", 1},
    {"proxy_clear_route_cache", "() -> ()", 1},
    {"proxy_http_call", "(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_grpc_call", "(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_grpc_stream", "(i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_grpc_send", "(i32, i32, i32, i32) -> i32", 7},
    {"proxy_grpc_cancel", "(i32) -> i32", 7},
    {"proxy_grpc_close", "(i32) -> i32", 7},
    {"proxy_set_shared_data", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_get_shared_data", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_register_shared_queue", "(i32, i32, i32) -> i32", 7},
    {"proxy_resolve_shared_queue", "(i32, i32, i32, i32, i32) -> i32", 7},
    {"proxy_enqueue_shared_queue", "(i32, i32, i32) -> i32", 7},
    {"proxy_dequeue_shared_queue", "(i32, i32, i32) -> i32", 7},
    {"proxy_define_metric", "(i32, i32, i32, i32) -> i32", 7},
    {"proxy_record_metric", "(i32, i64) -> i32", 7},
    {"proxy_increment_metric", "(i32, i64) -> i32", 7},
    {"proxy_get_metric", "(i32, i32) -> i32", 7},
    {"proxy_get_property", "(i32, i32, i32, i32) -> i32", 7},
    {"proxy_set_property", "(i32, i32, i32, i32) -> i32", 7},
    {"proxy_call_foreign_function", "(i32, i32, i32, i32, i32, i32) -> i32", 7},
};

TEST(HostFunctionTable, HasEveryFunctionOfTheSpecificationWithItsSignatureAndVersions) {
  for (const SpecFunction& spec : kSpec) {
    bool found = false;
    for (const abi::HostFunction& row : HostFunctions())
      found = found || (row.name == spec.name && abi::Signature(row) == spec.signature && row.versions == spec.versions);
    EXPECT_TRUE(found) << spec.name << spec.signature;
  }
}

TEST(HostFunctionTable, HasNothingElseButWhatSdksNeed) {
  std::set<std::string_view> known = {"proxy_dispatch_http_call", "emscripten_notify_memory_growth"};
  for (const SpecFunction& spec : kSpec) known.insert(spec.name);
  for (const abi::HostFunction& row : HostFunctions()) EXPECT_TRUE(known.contains(row.name)) << row.name;
}

TEST(HostFunctionTable, RowsAreDistinct) {
  std::set<std::string> seen;
  for (const abi::HostFunction& row : HostFunctions())
    EXPECT_TRUE(seen.insert(std::string(row.name) + abi::Signature(row)).second) << row.name;
}

TEST(CallbackTable, HasEveryCallbackOfTheSpecification) {
  const std::set<std::string_view> spec = {
      "proxy_on_context_create", "proxy_on_done", "proxy_on_log", "proxy_on_delete", "proxy_on_vm_start", "proxy_on_configure",
      "proxy_on_tick", "proxy_on_new_connection", "proxy_on_downstream_data", "proxy_on_downstream_connection_close",
      "proxy_on_upstream_data", "proxy_on_upstream_connection_close", "proxy_on_request_headers", "proxy_on_request_body",
      "proxy_on_request_trailers", "proxy_on_response_headers", "proxy_on_response_body", "proxy_on_response_trailers",
      "proxy_on_http_call_response", "proxy_on_grpc_receive_initial_metadata", "proxy_on_grpc_receive",
      "proxy_on_grpc_receive_trailing_metadata", "proxy_on_grpc_close", "proxy_on_queue_ready", "proxy_on_foreign_function"};
  std::set<std::string_view> rows;
  for (const CallbackRow& row : kCallbackRows) rows.insert(row.name);
  EXPECT_EQ(rows, spec);
}

// WEIR_UPDATE_DOCS=1 writes it. The working directory of tests is the source tree.
TEST(HostFunctionTable, TheDocumentIsCurrent) {
  const char* const path = "docs/host-functions.md";
  if (std::getenv("WEIR_UPDATE_DOCS") != nullptr) std::ofstream(path) << HostFunctionsDocument();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), HostFunctionsDocument()) << "WEIR_UPDATE_DOCS=1 writes it anew";
}

}  // namespace
}  // namespace weir::proxy_wasm
