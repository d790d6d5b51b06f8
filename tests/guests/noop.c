// Every stream callback, nothing in them: what calling a plugin costs.
#include "proxy_wasm.h"

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_vm_start) int OnVmStart(int root, int size) { return 1; }
EXPORT(proxy_on_configure) int OnConfigure(int root, int size) { return 1; }
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, int n, int end) { return kContinue; }
EXPORT(proxy_on_response_headers) int OnResponseHeaders(int id, int n, int end) { return kContinue; }
EXPORT(proxy_on_done) int OnDone(int id) { return 1; }
EXPORT(proxy_on_log) void OnLog(int id) {}
EXPORT(proxy_on_delete) void OnDelete(int id) {}
