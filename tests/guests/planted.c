// A guest with the bug that its configuration names, for `weir fuzz` to find; with none of them it is sound.
//   header   traps on a value of a header that stands in its data
//   letters  traps on one that its code compares letter by letter
//   split    traps when a body is cut inside the word that it looks for
//   loop     never ends on a path of more than 600 bytes
//   chunks   puts a mark before every chunk, where it means the body
//   eat      takes as many KiB as a header says
//   answer   traps on an answer of 5xx to its call
//   silence  goes on with an answer, and never without one
//   tick     traps on its 30th tick
//   path     traps without a :path
//   trailer  traps on a trailer of the response
//   data     (TCP) traps on a byte of the upstream's first data
#include "proxy_wasm.h"

IMPORT(proxy_http_call)(const char* upstream, size_t upstream_size, const char* headers, size_t headers_size, const char* body, size_t body_size,
                        const char* trailers, size_t trailers_size, uint32_t timeout_ms, uint32_t* call);

static char bug[16];
static size_t bug_size, ticks, upstream_seen;
static int waiting;  // the stream whose call is in flight
static volatile uint32_t sink;

#ifdef MENDED
static int Has(Text name) { return 0; }
#else
static int Has(Text name) { return Equal((Text){bug, bug_size}, name); }
#endif
static _Noreturn void Trap(void) { __builtin_trap(); }
/// Out of line: what it is given stands in the data.
static __attribute__((noinline)) int Same(const char* a, const char* b, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (a[i] != b[i]) return 0;
  return 1;
}
static Text Get(int map, Text name, int* status) {
  Text value = {"", 0};
  char* data = 0;
  *status = proxy_get_header_map_value(map, name.data, name.size, &data, &value.size);
  if (*status != kOk) return (Text){"", 0};
  value.data = data;
  return value;
}

EXPORT(proxy_abi_version_0_2_1) void Version(void) {}
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) { Begin(); }
EXPORT(proxy_on_configure) int OnConfigure(int id, size_t size) {
  Begin();
  char* data = 0;
  if (size == 0 || size > sizeof bug) return size == 0;
  if (proxy_get_buffer_bytes(kPluginConfiguration, 0, size, &data, &bug_size) != kOk) return 0;
  memcpy(bug, data, bug_size);
  if (Has(T("tick"))) proxy_set_tick_period_milliseconds(100);
  return 1;
}
EXPORT(proxy_on_tick) void OnTick(int id) {
  if (Has(T("tick")) && ++ticks == 30) Trap();
}

EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, int count, int end) {
  Begin();
  int status;
  Text mode = Get(kRequestHeaders, T("x-debug-mode"), &status);
  if (Has(T("header")) && mode.size == 13 && Same(mode.data, "dump-settings", 13)) Trap();
  if (Equal(mode, T("dump-state"))) {
    if (Has(T("letters"))) Trap();
    Log(T("state: fine"));
  }
  Text path = Get(kRequestHeaders, T(":path"), &status);
  if (status != kOk && Has(T("path"))) Trap();
  if (path.size > 600 && Has(T("loop")))
    for (;;) sink++;
  Text count_text = Get(kRequestHeaders, T("x-reserve-kib"), &status);
  if (Has(T("eat"))) {
    for (uint64_t left = Number(count_text); left > 0; left--) {
      char* memory = Allocate(1024);
      if (!memory) Trap();
      *memory = 1;
    }
  }
  if (Has(T("answer")) || Has(T("silence"))) {
    static const char kHeaders[] =
        "\3\0\0\0\7\0\0\0\3\0\0\0\5\0\0\0\1\0\0\0\12\0\0\0\5\0\0\0:method\0GET\0:path\0/\0:authority\0authz";
    uint32_t call;
    if (proxy_http_call("authz", 5, kHeaders, sizeof kHeaders, 0, 0, 0, 0, 500, &call) != kOk) return kContinue;
    waiting = id;
    return kPause;
  }
  return kContinue;
}
EXPORT(proxy_on_http_call_response) void OnAnswer(int root, uint32_t call, int headers, size_t body, int trailers) {
  int status;
  Text code = Get(6, T(":status"), &status);
  if (Has(T("answer")) && status == kOk && code.data[0] == '5') Trap();
  if (Has(T("silence")) && headers == 0) return;
  proxy_set_effective_context(waiting);
  proxy_continue_stream(0);
}

/// Whether a proper beginning of `word` ends the text.
static int EndsInside(Text text, Text word) {
  for (size_t n = 3; n < word.size; n++)
    if (text.size >= n && Equal((Text){text.data + text.size - n, n}, (Text){word.data, n})) return 1;
  return 0;
}
EXPORT(proxy_on_request_body) int OnRequestBody(int id, size_t size, int end) {
  Begin();
  Text body = {"", 0};
  char* data = 0;
  if (size == 0 || proxy_get_buffer_bytes(kRequestBody, 0, size, &data, &body.size) != kOk) return kContinue;
  body.data = data;
  if (Has(T("split")) && !end && EndsInside(body, T("<!--secret-->"))) Trap();
  if (Has(T("chunks"))) proxy_set_buffer_bytes(kRequestBody, 0, 0, ">", 1);
  return kContinue;
}
EXPORT(proxy_on_response_trailers) int OnResponseTrailers(int id, int count) {
  Begin();
  int status;
  Text checksum = Get(kResponseTrailers, T("x-checksum"), &status);
  if (Has(T("trailer")) && status == kOk && checksum.size > 8) Trap();
  return kContinue;
}

EXPORT(proxy_on_new_connection) int OnNewConnection(int id) { return kContinue; }
EXPORT(proxy_on_upstream_data) int OnUpstreamData(int id, size_t size, int end) {
  Begin();
  char* data = 0;
  size_t got = 0;
  if (upstream_seen++ || !Has(T("data")) || proxy_get_buffer_bytes(3, 0, size, &data, &got) != kOk) return kContinue;
  if (got && data[0] == '{') Trap();
  return kContinue;
}
