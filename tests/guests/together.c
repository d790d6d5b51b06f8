// What plugins of one module see of each other: a count of requests in the guest's memory, and the configuration of each, by its root
// context. Each response gets the header x-seen: "ROOT CONFIGURATION COUNT". Configuration: "refuse" is refused; "tick MS": logs
// "tick ROOT" each MS; "fragile": a stream's context
// traps at its creation after "arm"; "gate UPSTREAM": requests wait for the answer of a call, which adds "x-answer: ROOT COUNT" to them. The request
// header x-do: "trap" traps, "arm" arms, "effective N" answers with the status of making context N effective.
#include "proxy_wasm.h"

IMPORT(proxy_http_call)(const char* upstream, size_t upstream_size, const char* headers, size_t headers_size, const char* body, size_t body_size,
                        const char* trailers, size_t trailers_size, uint32_t timeout_ms, uint32_t* call);

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}

enum { kRoots = 8, kStreams = 1 << 14, kCalls = 1 << 10 };
static struct {
  int root;
  char text[64];
  size_t size;
} roots[kRoots];
static int root_of[kStreams], stream_of[kCalls];
static uint64_t count;
static int armed;

static int Slot(int root) {
  for (int i = 0; i < kRoots; i++)
    if (roots[i].root == root) return i;
  return 0;
}
static Text ConfigurationOf(int root) { return (Text){roots[Slot(root)].text, roots[Slot(root)].size}; }

EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {
  if (parent != 0) {
    if (armed && Equal(ConfigurationOf(parent), T("fragile"))) __builtin_trap();
    root_of[id % kStreams] = parent;
    return;
  }
  for (int i = 0; i < kRoots; i++) {
    if (roots[i].root != 0) continue;
    roots[i].root = id;
    return;
  }
}
EXPORT(proxy_on_configure) int OnConfigure(int root, size_t size) {
  Begin();
  char* data = 0;
  if (size > sizeof roots[0].text || proxy_get_buffer_bytes(kPluginConfiguration, 0, size, &data, &size) != kOk) return 0;
  memcpy(roots[Slot(root)].text, data, size);
  roots[Slot(root)].size = size;
  Text rest = {data, size};
  Text word = Cut(&rest, ' ');
  if (Equal(word, T("tick"))) proxy_set_tick_period_milliseconds((uint32_t)Number(rest));
  return !Equal(word, T("refuse"));
}
EXPORT(proxy_on_tick) void OnTick(int root) {
  Line line = {.size = 0};
  Put(&line, T("tick ")), PutNumber(&line, (uint64_t)root);
  Log((Text){line.data, line.size});
}

static int Add(int map, Text name, Text value) { return proxy_add_header_map_value(map, name.data, name.size, value.data, value.size); }
static int Gate(int id, Text upstream) {
  static const char kHeaders[] = "\3\0\0\0\7\0\0\0\3\0\0\0\5\0\0\0\5\0\0\0\12\0\0\0\1\0\0\0:method\0GET\0:path\0/gate\0:authority\0u";
  uint32_t call = 0;
  if (proxy_http_call(upstream.data, upstream.size, kHeaders, sizeof kHeaders, 0, 0, 0, 0, 2000, &call) != kOk) return kContinue;
  stream_of[call % kCalls] = id;
  return kPause;
}
EXPORT(proxy_on_http_call_response) void OnHttpCallResponse(int root, uint32_t call, int headers, size_t body, int trailers) {
  proxy_set_effective_context(stream_of[call % kCalls]);
  Line line = {.size = 0};
  PutNumber(&line, (uint64_t)root), Put(&line, T(" ")), PutNumber(&line, count);
  Add(kRequestHeaders, T("x-answer"), (Text){line.data, line.size});
  proxy_continue_stream(0);
}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, size_t n, int end) {
  Begin();
  count++;
  char* data = 0;
  size_t size = 0;
  if (proxy_get_header_map_value(kRequestHeaders, "x-do", 4, &data, &size) == kOk) {
    Text rest = {data, size};
    Text word = Cut(&rest, ' ');
    if (Equal(word, T("trap"))) __builtin_trap();
    if (Equal(word, T("arm"))) armed = 1;
    if (Equal(word, T("effective"))) {
      int status = proxy_set_effective_context((int)Number(rest));
      proxy_set_effective_context(id);
      Line line = {.size = 0};
      PutNumber(&line, (uint64_t)status);
      proxy_send_local_response(200, 0, 0, line.data, line.size, 0, 0, -1);
      return kPause;
    }
  }
  Text rest = ConfigurationOf(root_of[id % kStreams]);
  return Equal(Cut(&rest, ' '), T("gate")) ? Gate(id, rest) : kContinue;
}
EXPORT(proxy_on_response_headers) int OnResponseHeaders(int id, size_t n, int end) {
  int root = root_of[id % kStreams];
  Line line = {.size = 0};
  PutNumber(&line, (uint64_t)root), Put(&line, T(" ")), Put(&line, ConfigurationOf(root)), Put(&line, T(" ")), PutNumber(&line, count);
  Add(kResponseHeaders, T("x-seen"), (Text){line.data, line.size});
  return kContinue;
}
