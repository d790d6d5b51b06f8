// A guest that makes the host calls that it is told to, and logs what each answers: for suites of `weir test`.
//
// Commands are lines of the configuration, or (from the request headers on) of the header x-do, separated by ';'. Each begins with the
// phase it belongs to: start (vm_start), conf, create, rh rb rt sh sb st (request/response headers/body/trailers), tick, done, log, delete,
// new, down, up (TCP).
//   get MAP NAME · size MAP · pairs MAP · add|set MAP NAME VALUE · del MAP NAME · setpairs MAP A=B,C=D     logs "get 0 x-a: 0 value"
//   buf BUFFER START SIZE · put BUFFER START SIZE TEXT · bufsize BUFFER
//   prop PATH ('.' is sent as NUL) · rawprop PATH · setprop PATH VALUE · local STATUS GRPC DETAILS BODY (with the header x-local: yes)
//   cont TYPE · close TYPE · tick MS · time · level · say LEVEL TEXT · metric NAME BY · share KEY VALUE · shared KEY · foreign NAME
//   call UPSTREAM (GET /; its answer is logged) · status · answer N (what the callback returns) · trap · loop · eat · chatter (logs for ever) · swell (adds headers for ever)
#include "proxy_wasm.h"

IMPORT(proxy_get_buffer_status)(int buffer, size_t* size, uint32_t* flags);
IMPORT(proxy_get_log_level)(uint32_t* level);
IMPORT(proxy_get_status)(uint32_t* code, char** message, size_t* size);
IMPORT(proxy_define_metric)(int type, const char* name, size_t size, uint32_t* id);
IMPORT(proxy_increment_metric)(uint32_t id, int64_t by);
IMPORT(proxy_set_shared_data)(const char* key, size_t key_size, const char* value, size_t size, uint32_t cas);
IMPORT(proxy_get_shared_data)(const char* key, size_t key_size, char** out, size_t* size, uint32_t* cas);
IMPORT(proxy_call_foreign_function)(const char* name, size_t name_size, const char* arguments, size_t size, char** out, size_t* out_size);
IMPORT(proxy_http_call)(const char* upstream, size_t upstream_size, const char* headers, size_t headers_size, const char* body, size_t body_size,
                        const char* trailers, size_t trailers_size, uint32_t timeout_ms, uint32_t* call);

enum { kScript = 4096 };
static char script[kScript], fixed[kScript];
static size_t script_size, fixed_size;
static volatile uint32_t sink;
static int answer;

static void Say(Text command, int status, Text result) {
  Line line = {.size = 0};
  Put(&line, command);
  Put(&line, T(": "));
  PutNumber(&line, (uint64_t)status);
  if (result.size) Put(&line, T(" "));
  Put(&line, result);
  proxy_log(kInfo, line.data, line.size);
}
static Text Nothing(void) { return (Text){"", 0}; }
static Text Num(uint64_t n) {
  static Line line;
  line.size = 0;
  PutNumber(&line, n);
  return (Text){line.data, line.size};
}

// Serialized pairs of "A=B,C=D".
static size_t Pairs(char* out, Text list) {
  uint32_t count = 0;
  Text rest = list;
  for (; rest.size; count++) Cut(&rest, ',');
  char* lengths = out + 4;
  char* bytes = out + 4 + 8 * count;
  memcpy(out, &count, 4);
  for (rest = list; rest.size; lengths += 8) {
    Text value = Cut(&rest, ','), name = Cut(&value, '=');
    uint32_t sizes[2] = {(uint32_t)name.size, (uint32_t)value.size};
    memcpy(lengths, sizes, 8);
    memcpy(bytes, name.data, name.size);
    bytes[name.size] = 0;
    memcpy(bytes + name.size + 1, value.data, value.size);
    bytes[name.size + 1 + value.size] = 0;
    bytes += name.size + value.size + 2;
  }
  return (size_t)(bytes - out);
}
// "a=b c=d" of serialized pairs.
static void SayPairs(Text command, int status, const char* pairs, size_t size) {
  Line line = {.size = 0};
  uint32_t count = 0;
  if (size >= 4) memcpy(&count, pairs, 4);
  const char* bytes = pairs + 4 + 8 * count;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t sizes[2];
    memcpy(sizes, pairs + 4 + 8 * i, 8);
    if (i) Put(&line, T(" "));
    Put(&line, (Text){bytes, sizes[0]});
    Put(&line, T("="));
    Put(&line, (Text){bytes + sizes[0] + 1, sizes[1]});
    bytes += sizes[0] + sizes[1] + 2;
  }
  Say(command, status, (Text){line.data, line.size});
}

static void Property(Text command, Text path, int dots) {
  char bytes[256];
  for (size_t i = 0; i < path.size && i < sizeof bytes; i++) bytes[i] = dots && path.data[i] == '.' ? 0 : path.data[i];
  char* value = 0;
  size_t size = 0;
  int status = proxy_get_property(bytes, path.size, &value, &size);
  Say(command, status, (Text){value, size});
}

static void Headers(Text command, Text op, Text rest) {
  int map = (int)Number(Cut(&rest, ' '));
  char* out = 0;
  size_t size = 0;
  if (Equal(op, T("pairs"))) {
    int status = proxy_get_header_map_pairs(map, &out, &size);
    SayPairs(command, status, out, size);
  } else if (Equal(op, T("size"))) {
    int status = proxy_get_header_map_size(map, &size);
    Say(command, status, Num(size));
  } else if (Equal(op, T("setpairs"))) {
    static char pairs[1024];
    size = Pairs(pairs, rest);
    Say(command, proxy_set_header_map_pairs(map, pairs, size), Nothing());
  } else {
    Text name = Cut(&rest, ' ');
    int status = -1;
    if (Equal(op, T("get"))) status = proxy_get_header_map_value(map, name.data, name.size, &out, &size);
    if (Equal(op, T("add"))) status = proxy_add_header_map_value(map, name.data, name.size, rest.data, rest.size);
    if (Equal(op, T("set"))) status = proxy_replace_header_map_value(map, name.data, name.size, rest.data, rest.size);
    if (Equal(op, T("del"))) status = proxy_remove_header_map_value(map, name.data, name.size);
    Say(command, status, (Text){out, size});
  }
}

static void Buffers(Text command, Text op, Text rest) {
  int buffer = (int)Number(Cut(&rest, ' '));
  char* out = 0;
  size_t size = 0;
  if (Equal(op, T("bufsize"))) {
    uint32_t flags = 0;
    int status = proxy_get_buffer_status(buffer, &size, &flags);
    return Say(command, status, Num(size));
  }
  uint32_t start = (uint32_t)Number(Cut(&rest, ' ')), length = (uint32_t)Number(Cut(&rest, ' '));
  int put = Equal(op, T("put"));
  int status = put ? proxy_set_buffer_bytes(buffer, start, length, rest.data, rest.size) : proxy_get_buffer_bytes(buffer, start, length, &out, &size);
  Say(command, status, (Text){out, size});
}

static void Others(Text command, Text op, Text rest) {
  char* out = 0;
  size_t size = 0;
  uint32_t n = 0;
  Text first = rest, more = rest;
  first = Cut(&more, ' ');
  if (Equal(op, T("local"))) {
    Text grpc = Cut(&more, ' '), details = Cut(&more, ' ');
    static char pairs[64];
    size = Pairs(pairs, T("x-local=yes"));
    int code = Equal(grpc, T("-1")) ? -1 : (int)Number(grpc);
    Say(command, proxy_send_local_response((int)Number(first), details.data, details.size, more.data, more.size, pairs, size, code), Nothing());
  }
  if (Equal(op, T("prop"))) Property(command, rest, 1);
  if (Equal(op, T("rawprop"))) Property(command, rest, 0);
  if (Equal(op, T("setprop"))) Say(command, proxy_set_property(first.data, first.size, more.data, more.size), Nothing());
  if (Equal(op, T("cont"))) Say(command, proxy_continue_stream((int)Number(first)), Nothing());
  if (Equal(op, T("close"))) Say(command, proxy_close_stream((int)Number(first)), Nothing());
  if (Equal(op, T("tick"))) Say(command, proxy_set_tick_period_milliseconds((uint32_t)Number(first)), Nothing());
  if (Equal(op, T("say"))) proxy_log((int)Number(first), more.data, more.size);
  if (Equal(op, T("level"))) {
    int status = proxy_get_log_level(&n);
    Say(command, status, Num(n));
  }
  if (Equal(op, T("time"))) {
    uint64_t now = 0;
    int status = proxy_get_current_time_nanoseconds(&now);
    Say(command, status, Num(now));
  }
  if (Equal(op, T("status"))) {
    int status = proxy_get_status(&n, &out, &size);
    Say(command, status, Num(n));
  }
  if (Equal(op, T("metric"))) {
    int status = proxy_define_metric(0, first.data, first.size, &n);
    if (status == kOk) status = proxy_increment_metric(n, (int64_t)Number(more));
    Say(command, status, Nothing());
  }
  if (Equal(op, T("share"))) Say(command, proxy_set_shared_data(first.data, first.size, more.data, more.size, 0), Nothing());
  if (Equal(op, T("shared"))) {
    int status = proxy_get_shared_data(first.data, first.size, &out, &size, &n);
    Say(command, status, (Text){out, size});
  }
  if (Equal(op, T("foreign"))) {
    int status = proxy_call_foreign_function(first.data, first.size, "", 0, &out, &size);
    Say(command, status, Nothing());
  }
  if (Equal(op, T("call"))) {
    static char pairs[128];
    size = Pairs(pairs, T(":method=GET,:path=/,:authority=it"));
    Say(command, proxy_http_call(first.data, first.size, pairs, size, more.data, more.size, "\0\0\0\0", 4, 1000, &n), Nothing());
  }
  if (Equal(op, T("answer"))) answer = (int)Number(first);
  if (Equal(op, T("trap"))) __builtin_trap();
  if (Equal(op, T("loop")))
    for (;;) sink++;
  if (Equal(op, T("chatter")))
    for (;;) proxy_log(kInfo, script, kScript);
  if (Equal(op, T("swell")))
    for (;;) proxy_add_header_map_value(kRequestHeaders, "x", 1, script, kScript);
  if (Equal(op, T("eat"))) {
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {}
    __builtin_trap();
  }
}

static int IsOne(Text op, const char* const* names) {
  for (; *names; names++) {
    size_t size = 0;
    while ((*names)[size]) size++;
    if (Equal(op, (Text){*names, size})) return 1;
  }
  return 0;
}
static void Run(Text commands, char separator, Text phase) {
  static const char* const kHeaders[] = {"get", "size", "pairs", "add", "set", "del", "setpairs", 0};
  static const char* const kBuffers[] = {"buf", "put", "bufsize", 0};
  while (commands.size) {
    Text command = Cut(&commands, separator), rest = command;
    if (!Equal(Cut(&rest, ' '), phase)) continue;
    command = rest;
    Text op = Cut(&rest, ' ');
    if (IsOne(op, kHeaders)) {
      Headers(command, op, rest);
    } else if (IsOne(op, kBuffers)) {
      Buffers(command, op, rest);
    } else {
      Others(command, op, rest);
    }
  }
}
static int Phase(Text phase, int otherwise) {
  answer = otherwise;
  Run((Text){fixed, fixed_size}, '\n', phase);
  Run((Text){script, script_size}, ';', phase);
  return answer;
}
static void Keep(char* to, size_t* to_size, const char* from, size_t size) {
  *to_size = size < kScript ? size : kScript;
  memcpy(to, from, *to_size);
}

EXPORT(_initialize) void Initialize(void) { proxy_log(kInfo, "before the root context", 23); }
EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_context_create) void OnCreate(int id, int parent) {
  Begin();
  if (parent) Phase(T("create"), 0);
}
EXPORT(proxy_on_vm_start) int OnStart(int id, int size) {
  Begin();
  char* bytes = 0;
  size_t bytes_size = 0;
  proxy_get_buffer_bytes(kPluginConfiguration, 0, kScript, &bytes, &bytes_size);
  Keep(fixed, &fixed_size, bytes, bytes_size);
  return Phase(T("start"), 1);
}
EXPORT(proxy_on_configure) int OnConfigure(int id, int size) {
  Begin();
  return Phase(T("conf"), 1);
}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, int count, int end) {
  Begin();
  char* bytes = 0;
  size_t size = 0;
  if (proxy_get_header_map_value(kRequestHeaders, "x-do", 4, &bytes, &size) == kOk) Keep(script, &script_size, bytes, size);
  Begin();
  Line line = {.size = 0};
  Put(&line, T("request headers "));
  PutNumber(&line, (uint64_t)count);
  if (end) Put(&line, T(" end"));
  proxy_log(kInfo, line.data, line.size);
  return Phase(T("rh"), kContinue);
}
static int Body(Text phase, int size, int end) {
  Begin();
  Line line = {.size = 0};
  Put(&line, phase);
  Put(&line, T(" "));
  PutNumber(&line, (uint64_t)size);
  if (end) Put(&line, T(" end"));
  proxy_log(kInfo, line.data, line.size);
  return Phase(phase, kContinue);
}
EXPORT(proxy_on_request_body) int OnRequestBody(int id, int size, int end) { return Body(T("rb"), size, end); }
EXPORT(proxy_on_response_body) int OnResponseBody(int id, int size, int end) { return Body(T("sb"), size, end); }
EXPORT(proxy_on_response_headers) int OnResponseHeaders(int id, int count, int end) {
  Begin();
  return Phase(T("sh"), kContinue);
}
EXPORT(proxy_on_request_trailers) int OnRequestTrailers(int id, int count) {
  Begin();
  return Phase(T("rt"), kContinue);
}
EXPORT(proxy_on_response_trailers) int OnResponseTrailers(int id, int count) {
  Begin();
  return Phase(T("st"), kContinue);
}
EXPORT(proxy_on_tick) void OnTick(int id) {
  Begin();
  proxy_log(kInfo, "tick", 4);
  Phase(T("tick"), 0);
}
EXPORT(proxy_on_http_call_response) void OnAnswer(int id, int call, int headers, int size, int trailers) {
  Begin();
  char* bytes = 0;
  size_t bytes_size = 0;
  proxy_get_buffer_bytes(4, 0, 1024, &bytes, &bytes_size);
  Say(T("answer"), headers, (Text){bytes, bytes_size});
}
EXPORT(proxy_on_new_connection) int OnConnection(int id) {
  Begin();
  return Phase(T("new"), kContinue);
}
EXPORT(proxy_on_downstream_data) int OnDownstream(int id, int size, int end) { return Body(T("down"), size, end); }
EXPORT(proxy_on_upstream_data) int OnUpstream(int id, int size, int end) { return Body(T("up"), size, end); }
EXPORT(proxy_on_done) int OnDone(int id) {
  Begin();
  return Phase(T("done"), 1);
}
EXPORT(proxy_on_log) void OnLog(int id) {
  Begin();
  proxy_log(kInfo, "on_log", 6);
}
EXPORT(proxy_on_delete) void OnDelete(int id) {
  Begin();
  Phase(T("delete"), 0);
}
