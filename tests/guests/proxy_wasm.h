// The part of Proxy-Wasm 0.2.1 that the test guests use, for freestanding C: imports, callbacks, an allocator, strings.
// Memory that the host hands over lives until the next callback: Begin() resets the arena.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) int name
#define EXPORT(name) __attribute__((export_name(#name)))

enum { kOk = 0, kNotFound = 1 };
enum { kContinue = 0, kPause = 1 };
enum { kRequestHeaders = 0, kRequestTrailers = 1, kResponseHeaders = 2, kResponseTrailers = 3 };
enum { kRequestBody = 0, kResponseBody = 1, kVmConfiguration = 6, kPluginConfiguration = 7 };
enum { kInfo = 2, kWarn = 3, kError = 4 };

IMPORT(proxy_log)(int level, const char* text, size_t size);
IMPORT(proxy_get_buffer_bytes)(int buffer, size_t start, size_t max, char** out, size_t* size);
IMPORT(proxy_set_buffer_bytes)(int buffer, size_t start, size_t size, const char* bytes, size_t length);
IMPORT(proxy_get_header_map_size)(int map, size_t* size);
IMPORT(proxy_get_header_map_pairs)(int map, char** out, size_t* size);
IMPORT(proxy_set_header_map_pairs)(int map, const char* pairs, size_t size);
IMPORT(proxy_get_header_map_value)(int map, const char* key, size_t key_size, char** out, size_t* size);
IMPORT(proxy_add_header_map_value)(int map, const char* key, size_t key_size, const char* value, size_t size);
IMPORT(proxy_replace_header_map_value)(int map, const char* key, size_t key_size, const char* value, size_t size);
IMPORT(proxy_remove_header_map_value)(int map, const char* key, size_t key_size);
IMPORT(proxy_send_local_response)(int status, const char* details, size_t details_size, const char* body, size_t body_size,
                                  const char* headers, size_t headers_size, int grpc_status);
IMPORT(proxy_continue_stream)(int stream);
IMPORT(proxy_close_stream)(int stream);
IMPORT(proxy_set_effective_context)(int context);
IMPORT(proxy_done)(void);
IMPORT(proxy_set_tick_period_milliseconds)(uint32_t period);
IMPORT(proxy_get_current_time_nanoseconds)(uint64_t* out);
IMPORT(proxy_get_property)(const char* path, size_t path_size, char** out, size_t* size);
IMPORT(proxy_set_property)(const char* path, size_t path_size, const char* value, size_t size);

extern unsigned char __heap_base;
static uintptr_t arena_top;

static inline void Begin(void) { arena_top = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15; }

/// Memory grows when the arena is full; a host that refuses gets a null pointer from us.
EXPORT(proxy_on_memory_allocate) void* Allocate(size_t size) {
  if (!arena_top) Begin();
  uintptr_t at = arena_top, end = (at + size + 15) & ~(uintptr_t)15;
  size_t have = __builtin_wasm_memory_size(0) * 65536;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) / 65536) == (size_t)-1) return 0;
  arena_top = end;
  return (void*)at;
}

void* memcpy(void* to, const void* from, size_t n) {
  for (size_t i = 0; i < n; i++) ((char*)to)[i] = ((const char*)from)[i];
  return to;
}
void* memset(void* to, int value, size_t n) {
  for (size_t i = 0; i < n; i++) ((char*)to)[i] = (char)value;
  return to;
}

typedef struct {
  const char* data;
  size_t size;
} Text;
#define T(literal) ((Text){literal, sizeof(literal) - 1})

static inline int Equal(Text a, Text b) {
  if (a.size != b.size) return 0;
  for (size_t i = 0; i < a.size; i++)
    if (a.data[i] != b.data[i]) return 0;
  return 1;
}
/// The part of `rest` before `separator`; `rest` goes on behind it.
static inline Text Cut(Text* rest, char separator) {
  size_t i = 0;
  while (i < rest->size && rest->data[i] != separator) i++;
  Text word = {rest->data, i};
  size_t skip = i < rest->size ? i + 1 : i;
  rest->data += skip;
  rest->size -= skip;
  return word;
}
static inline uint64_t Number(Text t) {
  uint64_t n = 0;
  for (size_t i = 0; i < t.size && t.data[i] >= '0' && t.data[i] <= '9'; i++) n = n * 10 + (uint64_t)(t.data[i] - '0');
  return n;
}

/// A line built piece by piece; longer than its room: cut.
typedef struct {
  char data[2048];
  size_t size;
} Line;
static inline void Put(Line* line, Text t) {
  for (size_t i = 0; i < t.size && line->size < sizeof line->data; i++) line->data[line->size++] = t.data[i];
}
static inline void PutNumber(Line* line, uint64_t n) {
  char digits[20];
  size_t i = sizeof digits;
  do digits[--i] = (char)('0' + n % 10);
  while (n /= 10);
  Put(line, (Text){digits + i, sizeof digits - i});
}
static inline void Log(Text t) { proxy_log(kInfo, t.data, t.size); }
