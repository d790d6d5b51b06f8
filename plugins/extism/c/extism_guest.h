/* The functions that an Extism host offers, for plugins in C without a library. A handle names a block of bytes outside of the plugin's own
 * memory, which it reads and writes by the byte or by eight; handle 0 is the empty block. What is given to a function of the host by handle
 * (keys, values, messages) is freed by it. */
#ifndef WEIR_EXTISM_GUEST_H_
#define WEIR_EXTISM_GUEST_H_

#include <stddef.h>
#include <stdint.h>

#define HOST(name) __attribute__((import_module("extism:host/env"), import_name(#name))) extern
#define HOST_USER(name) __attribute__((import_module("extism:host/user"), import_name(#name))) extern
/* Before a function `int32_t f(void)`: the host can call it. It returns 0, or what the caller gets as the code of a failure. */
#define EXPORT(name) __attribute__((export_name(#name)))

typedef uint64_t Handle;

HOST(input_length) uint64_t host_input_length(void);
HOST(input_load_u8) uint32_t host_input_load_u8(uint64_t at);
HOST(input_load_u64) uint64_t host_input_load_u64(uint64_t at);
HOST(output_set) void host_output_set(Handle first, uint64_t size);
HOST(error_set) void host_error_set(Handle text);
HOST(alloc) Handle host_alloc(uint64_t size);
HOST(free) void host_free(Handle block);
HOST(length) uint64_t host_length(Handle block);
HOST(load_u8) uint32_t host_load_u8(Handle at);
HOST(load_u64) uint64_t host_load_u64(Handle at);
HOST(store_u8) void host_store_u8(Handle at, uint32_t byte);
HOST(store_u64) void host_store_u64(Handle at, uint64_t bytes);
HOST(config_get) Handle host_config_get(Handle key);
HOST(var_get) Handle host_var_get(Handle key);
HOST(var_set) void host_var_set(Handle key, Handle value);
HOST(log_info) void host_log_info(Handle text);
HOST(http_request) Handle host_http_request(Handle json, Handle body);
HOST(http_status_code) int32_t host_http_status_code(void);

/* A text of the plugin's own memory. */
typedef struct {
  char* bytes;
  size_t size;
} Text;

/* The input, as much as there is room for. */
static inline Text take_input(char* room, size_t size) {
  const uint64_t length = host_input_length();
  const Text text = {room, length < size ? (size_t)length : size};
  size_t i = 0;
  for (; i + 8 <= text.size; i += 8) {
    const uint64_t eight = host_input_load_u64(i);
    __builtin_memcpy(room + i, &eight, 8);
  }
  for (; i < text.size; ++i) room[i] = (char)host_input_load_u8(i);
  return text;
}

/* The block's bytes, as many as there is room for. */
static inline Text take(Handle block, char* room, size_t size) {
  const uint64_t length = block == 0 ? 0 : host_length(block);
  const Text text = {room, length < size ? (size_t)length : size};
  size_t i = 0;
  for (; i + 8 <= text.size; i += 8) {
    const uint64_t eight = host_load_u64(block + i);
    __builtin_memcpy(room + i, &eight, 8);
  }
  for (; i < text.size; ++i) room[i] = (char)host_load_u8(block + i);
  return text;
}

/* A new block with these bytes. */
static inline Handle give(const char* bytes, size_t size) {
  const Handle block = host_alloc(size);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t eight;
    __builtin_memcpy(&eight, bytes + i, 8);
    host_store_u64(block + i, eight);
  }
  for (; i < size; ++i) host_store_u8(block + i, (uint8_t)bytes[i]);
  return block;
}

#define GIVE(literal) give(literal, sizeof(literal) - 1)

static inline void set_output(Text text) { host_output_set(give(text.bytes, text.size), text.size); }

#endif
