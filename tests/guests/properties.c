// Says what each property of the host is, in each phase: a line "prop PHASE PATH STATUS VALUE" for every path of its configuration (one
// a line, parts separated by '.'). A request header "x-set: a.b=value" sets one first, and the status goes to the log: "set a.b STATUS".
#include "proxy_wasm.h"

static char paths[8192];
static size_t paths_size;

static size_t Path(Text dotted, char* out, size_t room) {
  size_t i = 0;
  for (; i < dotted.size && i < room; i++) out[i] = dotted.data[i] == '.' ? 0 : dotted.data[i];
  return i;
}
static void PutHex(Line* line, const char* bytes, size_t size) {
  const char* hex = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    Put(line, (Text){&hex[(bytes[i] >> 4) & 15], 1});
    Put(line, (Text){&hex[bytes[i] & 15], 1});
  }
}
/// What has no blank, comma or control character as it is behind a '=', else in hexadecimal: a line of NGINX's log has 2 KiB.
static void PutValue(Line* line, const char* bytes, size_t size) {
  int plain = size > 0;
  for (size_t i = 0; i < size; i++) plain &= bytes[i] > ' ' && bytes[i] < 127 && bytes[i] != ',';
  if (!plain) return PutHex(line, bytes, size);
  Put(line, T("="));
  Put(line, (Text){bytes, size});
}
static void Say(Text phase) {
  for (Text rest = {paths, paths_size}; rest.size;) {
    Text dotted = Cut(&rest, '\n');
    char path[128];
    char* value = 0;
    size_t size = 0;
    int status = proxy_get_property(path, Path(dotted, path, sizeof path), &value, &size);
    Line line = {.size = 0};
    Put(&line, T("prop "));
    Put(&line, phase);
    Put(&line, T(" "));
    Put(&line, dotted);
    Put(&line, T(" "));
    PutNumber(&line, (uint64_t)status);
    Put(&line, T(" "));
    PutValue(&line, value, size);
    Log((Text){line.data, line.size});
  }
}

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_vm_start) int OnVmStart(int root, int size) { return 1; }
EXPORT(proxy_on_configure) int OnConfigure(int root, size_t size) {
  Begin();
  char* bytes = 0;
  size_t have = 0;
  proxy_get_buffer_bytes(kPluginConfiguration, 0, size, &bytes, &have);
  if (have > sizeof paths) return 0;
  memcpy(paths, bytes, have);
  paths_size = have;
  return 1;
}
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, size_t n, int end) {
  Begin();
  char* value = 0;
  size_t size = 0;
  if (proxy_get_header_map_value(kRequestHeaders, "x-set", 5, &value, &size) == kOk && size) {
    Text rest = {value, size}, dotted = Cut(&rest, '=');
    char path[128];
    Line line = {.size = 0};
    Put(&line, T("set "));
    Put(&line, dotted);
    Put(&line, T(" "));
    PutNumber(&line, (uint64_t)proxy_set_property(path, Path(dotted, path, sizeof path), rest.data, rest.size));
    Log((Text){line.data, line.size});
  }
  Say(T("rh"));
  return kContinue;
}
EXPORT(proxy_on_request_body) int OnRequestBody(int id, size_t n, int end) {
  if (end) Begin(), Say(T("rb"));
  return kContinue;
}
EXPORT(proxy_on_response_headers) int OnResponseHeaders(int id, size_t n, int end) {
  Begin(), Say(T("sh"));
  return kContinue;
}
EXPORT(proxy_on_response_body) int OnResponseBody(int id, size_t n, int end) {
  if (end) Begin(), Say(T("sb"));
  return kContinue;
}
EXPORT(proxy_on_done) int OnDone(int id) {
  Begin(), Say(T("done"));
  return 1;
}
EXPORT(proxy_on_log) void OnLog(int id) { Begin(), Say(T("log")); }
EXPORT(proxy_on_delete) void OnDelete(int id) {}
