// What a C filter needs of Proxy-Wasm ABI 0.2.1, and no more: no SDK, no libc. Names and types are the specification's
// (proxy-wasm/spec, abi-versions/v0.2.1).
#pragma once

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

typedef unsigned int uint32;

enum Status { kOk = 0, kNotFound = 1 };
enum Action { kContinue = 0, kPause = 1 };
enum MapType { kRequestHeaders = 0, kResponseHeaders = 2 };

// The host writes the address of the value, which it put into memory that proxy_on_memory_allocate gave it.
IMPORT(proxy_get_header_map_value)
enum Status proxy_get_header_map_value(enum MapType map, const char* key, uint32 key_size, const char** value,
                                       uint32* value_size);

IMPORT(proxy_add_header_map_value)
enum Status proxy_add_header_map_value(enum MapType map, const char* key, uint32 key_size, const char* value,
                                       uint32 value_size);

// By this export a host knows the version. It is never called.
EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1(void) {}
