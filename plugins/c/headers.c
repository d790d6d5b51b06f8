// Reads two request headers and adds one response header, in six callbacks: the work that the benchmarks count.
#include "proxy_wasm.h"

// Values that the host hands over live here until the next callback begins. A value that does not fit is refused: the
// host call then answers INVALID_MEMORY_ACCESS.
static char arena[128 * 1024];
static uint32 arena_used;

EXPORT(proxy_on_memory_allocate) void* proxy_on_memory_allocate(uint32 size) {
  if (size > sizeof arena - arena_used) return 0;
  void* at = arena + arena_used;
  arena_used += size;
  return at;
}

#define LITERAL(text) text, sizeof text - 1

EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32 id, uint32 parent) {
  (void)id, (void)parent;
}
EXPORT(proxy_on_request_headers)
enum Action proxy_on_request_headers(uint32 id, uint32 count, uint32 end_of_stream) {
  (void)id, (void)count, (void)end_of_stream;
  arena_used = 0;
  const char* value;
  uint32 size;
  proxy_get_header_map_value(kRequestHeaders, LITERAL(":path"), &value, &size);
  proxy_get_header_map_value(kRequestHeaders, LITERAL("user-agent"), &value, &size);
  return kContinue;
}
EXPORT(proxy_on_response_headers)
enum Action proxy_on_response_headers(uint32 id, uint32 count, uint32 end_of_stream) {
  (void)id, (void)count, (void)end_of_stream;
  arena_used = 0;
  proxy_add_header_map_value(kResponseHeaders, LITERAL("x-plugin"), LITERAL("c-headers"));
  return kContinue;
}
EXPORT(proxy_on_done) uint32 proxy_on_done(uint32 id) {
  (void)id;
  return 1;  // nothing left to do: the host may delete the context
}
EXPORT(proxy_on_log) void proxy_on_log(uint32 id) { (void)id; }
EXPORT(proxy_on_delete) void proxy_on_delete(uint32 id) { (void)id; }
