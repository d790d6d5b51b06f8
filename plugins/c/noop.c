// Has every stream callback and does nothing in any of them: what the host itself costs.
#include "proxy_wasm.h"

EXPORT(proxy_on_memory_allocate) void* proxy_on_memory_allocate(uint32 size) {
  static char arena[4096];  // this filter asks for nothing, so the host has no reason to call this
  return size <= sizeof arena ? arena : 0;
}
EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32 id, uint32 parent) {
  (void)id, (void)parent;
}
EXPORT(proxy_on_request_headers)
enum Action proxy_on_request_headers(uint32 id, uint32 count, uint32 end_of_stream) {
  (void)id, (void)count, (void)end_of_stream;
  return kContinue;
}
EXPORT(proxy_on_request_body)
enum Action proxy_on_request_body(uint32 id, uint32 size, uint32 end_of_stream) {
  (void)id, (void)size, (void)end_of_stream;
  return kContinue;
}
EXPORT(proxy_on_response_headers)
enum Action proxy_on_response_headers(uint32 id, uint32 count, uint32 end_of_stream) {
  (void)id, (void)count, (void)end_of_stream;
  return kContinue;
}
EXPORT(proxy_on_response_body)
enum Action proxy_on_response_body(uint32 id, uint32 size, uint32 end_of_stream) {
  (void)id, (void)size, (void)end_of_stream;
  return kContinue;
}
EXPORT(proxy_on_done) uint32 proxy_on_done(uint32 id) {
  (void)id;
  return 1;  // nothing left to do: the host may delete the context
}
EXPORT(proxy_on_log) void proxy_on_log(uint32 id) { (void)id; }
EXPORT(proxy_on_delete) void proxy_on_delete(uint32 id) { (void)id; }
