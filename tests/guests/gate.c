// Holds every request, as many as there are, until one comes with the header x-open: that one lets all of them go on.
#include "proxy_wasm.h"

enum { kHeldMax = 65536 };
static int held[kHeldMax];
static size_t count;

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_vm_start) int OnVmStart(int root, int size) { return 1; }
EXPORT(proxy_on_configure) int OnConfigure(int root, size_t size) { return 1; }
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, size_t n, int end) {
  Begin();
  char* value = 0;
  size_t size = 0;
  if (proxy_get_header_map_value(kRequestHeaders, "x-open", 6, &value, &size) == kOk) {
    for (size_t i = 0; i < count; i++) {
      proxy_set_effective_context(held[i]);
      proxy_continue_stream(0);
    }
    count = 0;
    proxy_set_effective_context(id);
    return kContinue;
  }
  if (count == kHeldMax) return kContinue;
  held[count++] = id;
  return kPause;
}
EXPORT(proxy_on_delete) void OnDelete(int id) {
  for (size_t i = 0; i < count; i++)
    if (held[i] == id) held[i] = held[--count];
}
