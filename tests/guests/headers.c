// Reads two request headers and adds one: the usual small filter, for measurements.
#include "proxy_wasm.h"

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_vm_start) int OnVmStart(int root, int size) { return 1; }
EXPORT(proxy_on_configure) int OnConfigure(int root, int size) { return 1; }
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, int n, int end) {
  Begin();
  char* value = 0;
  size_t size = 0;
  proxy_get_header_map_value(kRequestHeaders, ":path", 5, &value, &size);
  proxy_get_header_map_value(kRequestHeaders, "user-agent", 10, &value, &size);
  proxy_add_header_map_value(kRequestHeaders, "x-weir", 6, value, size);
  return kContinue;
}
EXPORT(proxy_on_response_headers) int OnResponseHeaders(int id, int n, int end) { return kContinue; }
EXPORT(proxy_on_done) int OnDone(int id) { return 1; }
EXPORT(proxy_on_log) void OnLog(int id) {}
EXPORT(proxy_on_delete) void OnDelete(int id) {}
