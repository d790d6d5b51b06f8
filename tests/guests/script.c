// A guest that does what the request (or its configuration) says, so that one module serves most end-to-end cases.
//
// Configuration: lines. "header NAME": commands come in that request header (default x-do). "do COMMANDS": commands for every
// request. "tick MS": tick period (default 10). "trace": log every callback. "start trap|loop|false|grow": misbehave in on_configure.
// "between FROM TO": on_configure fails between these Unix times in milliseconds.
// Commands are separated by ';'. Each begins with the phase it belongs to: rh rb rt sh sb st (request/response headers/body/trailers), log, done.
//   rh set NAME VALUE · add NAME VALUE · del NAME · get NAME (its status and value go to header x-got) · pairs (x-pairs: count, size)
//   rh setpairs (all pairs written back, and x-setpairs: 1) · prop a.b (header x-prop; bytes as hex when not printable)
//   local STATUS BODY · pause MS (resumed by a tick) · hold (until end of stream; bodies) · stop (pause for good) · close
//   sb prepend TEXT · append TEXT · replace TEXT (all held) · cut START SIZE TEXT · upper · grow BYTES  (at end of stream only)
//   sb shout (each chunk in capitals) · trailer NAME VALUE (at end of stream: added to the trailers)
//   passfirst (the commands behind it only from the second event of this phase on)
//   trap · loop · deep · eat · exit · log TEXT · pending (on_done answers false, and a tick calls proxy_done)
#include "proxy_wasm.h"

enum { kContexts = 2048, kScript = 700 };
typedef struct {
  int id;
  size_t size;
  char script[kScript];
  uint64_t wake_ns;  // 0: not waiting
  int wake_stream;   // 0 request, 1 response, 2 proxy_done
  uint32_t calls[8];
} Stream;
static Stream streams[kContexts];
static char header_name[64] = "x-do";
static size_t header_size = 4;
static char fixed[kScript];
static size_t fixed_size;
static int tracing;
static uint32_t ticks;

static Stream* Find(int id) {
  for (int i = 0; i < kContexts; i++)
    if (streams[i].id == id) return &streams[i];
  return 0;
}
static uint64_t Now(void) {
  uint64_t ns = 0;
  proxy_get_current_time_nanoseconds(&ns);
  return ns;
}
static volatile uint32_t sink;
__attribute__((noinline)) static uint32_t Deep(uint32_t n) {
  if (sink == UINT32_MAX) return n;
  return Deep(n + 1) * sink + n;  // not a tail call, and nothing in linear memory
}
static void Misbehave(Text what) {
  if (Equal(what, T("trap"))) __builtin_trap();
  if (Equal(what, T("loop")))
    for (;;) sink++;
  if (Equal(what, T("deep"))) sink = Deep(1);
  if (Equal(what, T("eat"))) {
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {}
    __builtin_trap();  // as an allocator that finds no memory does
  }
}

static const char* const kPhases[] = {"rh", "rb", "sh", "sb", "log", "done", "rt", "st"};
enum { kRh, kRb, kSh, kSb, kLog, kDone, kRt, kSt };
static int IsResponse(int phase) { return phase == kSh || phase == kSb || phase == kSt; }
static int IsBody(int phase) { return phase == kRb || phase == kSb; }
static const int kMaps[] = {kRequestHeaders, -1, kResponseHeaders, -1, -1, -1, kRequestTrailers, kResponseTrailers};

static void PutHeader(int map, Text name, Text value) {
  proxy_add_header_map_value(map, name.data, name.size, value.data, value.size);
}
static void HeaderCommand(int map, Text op, Text args) {
  Text name = Cut(&args, ' ');
  Line line = {.size = 0};
  if (Equal(op, T("set"))) proxy_replace_header_map_value(map, name.data, name.size, args.data, args.size);
  if (Equal(op, T("add"))) PutHeader(map, name, args);
  if (Equal(op, T("del"))) proxy_remove_header_map_value(map, name.data, name.size);
  if (Equal(op, T("get"))) {
    char* value = 0;
    size_t size = 0;
    PutNumber(&line, (uint64_t)proxy_get_header_map_value(map, name.data, name.size, &value, &size));
    Put(&line, T(":"));
    Put(&line, (Text){value, size});
    PutHeader(map, T("x-got"), (Text){line.data, line.size});
  }
  if (Equal(op, T("pairs"))) {
    char* pairs = 0;
    size_t bytes = 0, count = 0;
    proxy_get_header_map_pairs(map, &pairs, &bytes);
    proxy_get_header_map_size(map, &count);
    PutNumber(&line, bytes >= 4 ? *(uint32_t*)(void*)pairs : 0);
    Put(&line, T(" "));
    PutNumber(&line, count);
    Put(&line, T(" "));
    // the first name: behind the count and the lengths
    if (bytes >= 12) Put(&line, (Text){pairs + 4 + 8 * *(uint32_t*)(void*)pairs, *(uint32_t*)(void*)(pairs + 4)});
    PutHeader(map, T("x-pairs"), (Text){line.data, line.size});
  }
  if (Equal(op, T("setpairs"))) {
    char* pairs = 0;
    size_t bytes = 0;
    proxy_get_header_map_pairs(map, &pairs, &bytes);
    uint32_t count = *(uint32_t*)(void*)pairs;
    const char tail[] = "x-setpairs\0001";
    char* all = Allocate(bytes + 8 + sizeof tail);
    uint32_t lengths[2] = {10, 1};
    *(uint32_t*)(void*)all = count + 1;
    memcpy(all + 4, pairs + 4, 8 * count);
    memcpy(all + 4 + 8 * count, lengths, 8);
    memcpy(all + 12 + 8 * count, pairs + 4 + 8 * count, bytes - 4 - 8 * count);
    memcpy(all + 8 + bytes, tail, sizeof tail);
    proxy_set_header_map_pairs(map, all, bytes + 8 + sizeof tail);
  }
  if (Equal(op, T("prop"))) {
    char path[128];
    for (size_t i = 0; i < name.size && i < sizeof path; i++) path[i] = name.data[i] == '.' ? 0 : name.data[i];
    char* value = 0;
    size_t size = 0;
    PutNumber(&line, (uint64_t)proxy_get_property(path, name.size, &value, &size));
    Put(&line, T(":"));
    int text = 1;
    for (size_t i = 0; i < size; i++) text &= value[i] >= 32 && value[i] < 127;
    for (size_t i = 0; !text && i < size; i++) {
      const char* hex = "0123456789abcdef";
      Put(&line, (Text){&hex[(value[i] >> 4) & 15], 1});
      Put(&line, (Text){&hex[value[i] & 15], 1});
    }
    if (text) Put(&line, (Text){value, size});
    PutHeader(map, T("x-prop"), (Text){line.data, line.size});
  }
}
static void Shout(int buffer, size_t size) {
  char* bytes = 0;
  size_t have = 0;
  proxy_get_buffer_bytes(buffer, 0, size, &bytes, &have);
  for (size_t i = 0; i < have; i++)
    if (bytes[i] >= 'a' && bytes[i] <= 'z') bytes[i] = (char)(bytes[i] - 32);
  proxy_set_buffer_bytes(buffer, 0, have, bytes, have);
}
static void BodyCommand(int buffer, size_t size, Text op, Text args) {
  if (Equal(op, T("prepend"))) proxy_set_buffer_bytes(buffer, 0, 0, args.data, args.size);
  if (Equal(op, T("append"))) proxy_set_buffer_bytes(buffer, size, 0, args.data, args.size);
  if (Equal(op, T("replace"))) proxy_set_buffer_bytes(buffer, 0, size, args.data, args.size);
  if (Equal(op, T("cut"))) {
    size_t start = Number(Cut(&args, ' ')), length = Number(Cut(&args, ' '));
    proxy_set_buffer_bytes(buffer, start, length, args.data, args.size);
  }
  if (Equal(op, T("upper"))) Shout(buffer, size);
  if (Equal(op, T("trailer"))) {
    Text name = Cut(&args, ' ');
    PutHeader(buffer == kRequestBody ? kRequestTrailers : kResponseTrailers, name, args);
  }
  if (Equal(op, T("grow"))) {
    size_t n = Number(args);
    char* bytes = Allocate(n);
    memset(bytes, 'g', n);
    proxy_set_buffer_bytes(buffer, size, 0, bytes, n);
  }
}

/// Runs the commands of one phase; the answer is the action.
static int Run(Stream* s, int phase, Text script, size_t size, int end) {
  int action = kContinue;
  while (script.size) {
    Text command = Cut(&script, ';'), where = Cut(&command, ' '), op = Cut(&command, ' ');
    Text name = {kPhases[phase], phase == kLog ? 3 : phase == kDone ? 4 : 2};
    if (!Equal(where, name)) continue;
    if (Equal(op, T("passfirst")) && s->calls[phase] == 1) return action;
    Misbehave(op);
    if (Equal(op, T("log"))) Log(command);
    if (Equal(op, T("local"))) {
      int status = (int)Number(Cut(&command, ' '));
      static const char headers[] = "\1\0\0\0\7\0\0\0\1\0\0\0x-local\0001";
      proxy_send_local_response(status, "script", 6, command.data, command.size, headers, sizeof headers, -1);
    }
    if (Equal(op, T("close"))) proxy_close_stream(IsResponse(phase));
    if (Equal(op, T("stop"))) action = kPause;
    if (Equal(op, T("hold")) && !end) action = kPause;
    if (Equal(op, T("pause"))) {
      int again = s->calls[phase] > 1 && IsBody(phase);
      if (!again) {
        s->wake_ns = Now() + Number(command) * 1000000u;
        s->wake_stream = IsResponse(phase);
      }
      if (s->wake_ns) action = kPause;
    }
    if (Equal(op, T("pending"))) {
      s->wake_ns = Now() + 30000000u;
      s->wake_stream = 2;
      action = kPause;
    }
    if (kMaps[phase] >= 0) HeaderCommand(kMaps[phase], op, command);
    if (IsBody(phase) && Equal(op, T("shout"))) Shout(phase == kRb ? kRequestBody : kResponseBody, size);
    if (IsBody(phase) && end) BodyCommand(phase == kRb ? kRequestBody : kResponseBody, size, op, command);
  }
  return action;
}
static int Event(int id, int phase, size_t size, int end) {
  Begin();
  Stream* s = Find(id);
  if (!s) return kContinue;
  s->calls[phase]++;
  if (phase == kRh) {
    char* value = 0;
    size_t length = 0;
    if (proxy_get_header_map_value(kRequestHeaders, header_name, header_size, &value, &length) == kOk && length) {
      if (length > kScript) length = kScript;
      memcpy(s->script, value, length);
      s->size = length;
    }
  }
  if (tracing) {
    Line line = {.size = 0};
    Put(&line, T("trace "));
    Put(&line, (Text){kPhases[phase], 2});
    Put(&line, T(" size="));
    PutNumber(&line, size);
    Put(&line, T(" end="));
    PutNumber(&line, (uint64_t)end);
    Log((Text){line.data, line.size});
  }
  int action = Run(s, phase, (Text){fixed, fixed_size}, size, end);
  return Run(s, phase, (Text){s->script, s->size}, size, end) | action;
}

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_vm_start) int OnVmStart(int root, int size) { return 1; }
EXPORT(proxy_on_configure) int OnConfigure(int root, size_t size) {
  Begin();
  proxy_set_tick_period_milliseconds(10);
  char* bytes = 0;
  size_t have = 0;
  proxy_get_buffer_bytes(kPluginConfiguration, 0, size, &bytes, &have);
  for (Text rest = {bytes, have}; rest.size;) {
    Text line = Cut(&rest, '\n'), key = Cut(&line, ' ');
    if (Equal(key, T("header")) && line.size < sizeof header_name) {
      memcpy(header_name, line.data, line.size);
      header_size = line.size;
    }
    if (Equal(key, T("do")) && line.size < kScript) {
      memcpy(fixed, line.data, line.size);
      fixed_size = line.size;
    }
    if (Equal(key, T("tick"))) proxy_set_tick_period_milliseconds((uint32_t)Number(line));
    if (Equal(key, T("trace"))) tracing = 1;
    if (Equal(key, T("between"))) {
      uint64_t from = Number(Cut(&line, ' ')), to = Number(line), now = Now() / 1000000u;
      if (now >= from && now < to) return 0;
    }
    if (Equal(key, T("start"))) {
      Misbehave(line);
      if (Equal(line, T("false"))) return 0;
    }
  }
  return 1;
}
EXPORT(proxy_on_tick) void OnTick(int root) {
  Begin();
  uint64_t now = Now();
  if (tracing && ++ticks <= 3) Log(T("trace tick"));
  for (int i = 0; i < kContexts; i++) {
    Stream* s = &streams[i];
    if (!s->id || !s->wake_ns || s->wake_ns > now) continue;
    s->wake_ns = 0;
    proxy_set_effective_context(s->id);
    if (s->wake_stream == 2) proxy_done();
    else proxy_continue_stream(s->wake_stream);
  }
}
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {
  if (!parent) return;
  Stream* s = Find(0);
  if (!s) return;
  memset(s, 0, sizeof *s);
  s->id = id;
}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, size_t n, int end) { return Event(id, kRh, n, end); }
EXPORT(proxy_on_request_body) int OnRequestBody(int id, size_t n, int end) { return Event(id, kRb, n, end); }
EXPORT(proxy_on_request_trailers) int OnRequestTrailers(int id, size_t n) { return Event(id, kRt, n, 0); }
EXPORT(proxy_on_response_trailers) int OnResponseTrailers(int id, size_t n) { return Event(id, kSt, n, 0); }
EXPORT(proxy_on_response_headers) int OnResponseHeaders(int id, size_t n, int end) { return Event(id, kSh, n, end); }
EXPORT(proxy_on_response_body) int OnResponseBody(int id, size_t n, int end) { return Event(id, kSb, n, end); }
EXPORT(proxy_on_done) int OnDone(int id) {
  Begin();
  Stream* s = Find(id);
  return !s || Run(s, kDone, (Text){s->script, s->size}, 0, 1) == kContinue;
}
EXPORT(proxy_on_log) void OnLog(int id) {
  Begin();
  Stream* s = Find(id);
  if (!s) return;
  if (tracing) {
    Line line = {.size = 0};
    Put(&line, T("trace log"));
    for (int i = 0; i < 4; i++) {
      Put(&line, T(" "));
      Put(&line, (Text){kPhases[i], 2});
      Put(&line, T("="));
      PutNumber(&line, s->calls[i]);
    }
    Log((Text){line.data, line.size});
  }
  Run(s, kLog, (Text){s->script, s->size}, 0, 1);
}
EXPORT(proxy_on_delete) void OnDelete(int id) {
  Stream* s = Find(id);
  if (s && id) s->id = 0;
  if (tracing && id && s) Log(T("trace delete"));
}
