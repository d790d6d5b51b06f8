// What the C++ plugins here need of Proxy-Wasm ABI 0.2.1, declared by ourselves because the C++ SDK is in no package registry.
// Names and types of the functions are the specification's (proxy-wasm/spec, abi-versions/v0.2.1); the helpers below are ours.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) name
#define EXPORT(name) __attribute__((export_name(#name))) name

enum class Status : uint32_t { kOk = 0 };
enum class Action : uint32_t { kContinue = 0, kPause = 1 };
enum class LogLevel : uint32_t { kInfo = 2, kWarn = 3, kError = 4 };
enum class MapType : uint32_t { kRequestHeaders = 0, kResponseHeaders = 2 };
enum class BufferType : uint32_t { kRequestBody = 0, kResponseBody = 1, kPluginConfiguration = 7 };
enum class StreamType : uint32_t { kRequest = 0, kResponse = 1 };

extern "C" {
Status IMPORT(proxy_log)(LogLevel level, const char* message, size_t size);
Status IMPORT(proxy_get_header_map_value)(MapType map, const char* key, size_t key_size, char** value, size_t* size);
Status IMPORT(proxy_replace_header_map_value)(MapType map, const char* key, size_t key_size, const char* value, size_t size);
Status IMPORT(proxy_remove_header_map_value)(MapType map, const char* key, size_t key_size);
Status IMPORT(proxy_get_buffer_bytes)(BufferType buffer, size_t start, size_t max_size, char** bytes, size_t* size);
Status IMPORT(proxy_set_buffer_bytes)(BufferType buffer, size_t start, size_t size, const char* bytes, size_t bytes_size);
Status IMPORT(proxy_send_local_response)(uint32_t status, const char* details, size_t details_size, const char* body, size_t body_size,
                                         const char* headers, size_t headers_size, int32_t grpc_status);
Status IMPORT(proxy_close_stream)(StreamType stream);

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

inline void SetHeader(MapType map, std::string_view name, std::string_view value) {
  proxy_replace_header_map_value(map, name.data(), name.size(), value.data(), value.size());
}

inline void RemoveHeader(MapType map, std::string_view name) { proxy_remove_header_map_value(map, name.data(), name.size()); }

// Empty where there is no such buffer in this callback.
inline std::string Buffer(BufferType buffer, size_t start, size_t max_size) {
  char* bytes = nullptr;
  size_t size = 0;
  const Status status = proxy_get_buffer_bytes(buffer, start, max_size, &bytes, &size);
  return status == Status::kOk && bytes ? Take(bytes, size) : std::string();
}

// Puts `bytes` in the place of the first `size` bytes of the buffer.
inline void SetBuffer(BufferType buffer, size_t size, std::string_view bytes) {
  proxy_set_buffer_bytes(buffer, 0, size, bytes.data(), bytes.size());
}

// Answers in place of the upstream. The callback that does so returns Action::kPause: the request stops there.
inline void Respond(uint32_t status, const std::vector<std::pair<std::string_view, std::string_view>>& headers, std::string_view body) {
  // A map on its way to the host: the number of pairs, the sizes of each key and value, then all of them, each with a zero behind.
  std::string sizes, texts;
  const auto add_size = [&sizes](uint32_t size) { sizes.append(reinterpret_cast<const char*>(&size), sizeof size); };
  add_size(static_cast<uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    add_size(static_cast<uint32_t>(name.size()));
    add_size(static_cast<uint32_t>(value.size()));
    texts.append(name).append(1, '\0').append(value).append(1, '\0');
  }
  const std::string map = sizes + texts;
  proxy_send_local_response(status, nullptr, 0, body.data(), body.size(), map.data(), map.size(), -1);
}

}  // namespace proxy_wasm
