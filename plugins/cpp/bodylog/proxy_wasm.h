// What this filter needs of Proxy-Wasm ABI 0.2.1, declared here because the C++ SDK is in no package registry. Names and
// types of the functions are the specification's (proxy-wasm/spec, abi-versions/v0.2.1); the helpers below are ours.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) name
#define EXPORT(name) __attribute__((export_name(#name))) name

enum class Status : uint32_t { kOk = 0 };
enum class Action : uint32_t { kContinue = 0, kPause = 1 };
enum class LogLevel : uint32_t { kInfo = 2, kError = 4 };
enum class MapType : uint32_t { kRequestHeaders = 0, kResponseHeaders = 2 };
enum class BufferType : uint32_t { kRequestBody = 0, kResponseBody = 1, kPluginConfiguration = 7 };

extern "C" {
Status IMPORT(proxy_log)(LogLevel level, const char* message, size_t size);
Status IMPORT(proxy_get_header_map_value)(MapType map, const char* key, size_t key_size, char** value, size_t* size);
Status IMPORT(proxy_get_buffer_bytes)(BufferType buffer, size_t start, size_t max_size, char** bytes, size_t* size);

// By this export a host knows the version. It is never called.
inline void EXPORT(proxy_abi_version_0_2_1)() {}

// The host asks for room for what it hands over; whoever receives it frees it.
inline void* EXPORT(proxy_on_memory_allocate)(size_t size) { return std::malloc(size); }
}

namespace proxy_wasm {

inline std::string Take(char* bytes, size_t size) {
  std::string text(bytes, size);
  std::free(bytes);
  return text;
}

inline void Log(LogLevel level, std::string_view text) { proxy_log(level, text.data(), text.size()); }

// Empty where there is no such header.
inline std::string Header(MapType map, std::string_view name) {
  char* bytes = nullptr;
  size_t size = 0;
  const Status status = proxy_get_header_map_value(map, name.data(), name.size(), &bytes, &size);
  return status == Status::kOk && bytes ? Take(bytes, size) : std::string();
}

// Empty where there is no such buffer in this callback.
inline std::string Buffer(BufferType buffer, size_t start, size_t max_size) {
  char* bytes = nullptr;
  size_t size = 0;
  const Status status = proxy_get_buffer_bytes(buffer, start, max_size, &bytes, &size);
  return status == Status::kOk && bytes ? Take(bytes, size) : std::string();
}

}  // namespace proxy_wasm
