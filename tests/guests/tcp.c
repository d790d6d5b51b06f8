// A guest for TCP connections that does what its configuration says.
//
// Configuration: lines. "do COMMANDS": for every connection. "tick MS": tick period (default 10). "trace": log every callback.
// Commands are separated by ';'. Each begins with the phase it belongs to: nc (new connection), dd, ud (data from downstream, from
// upstream), dc, uc (that side closed), log, done. Within one phase, in order:
//   if TEXT · the rest of this phase is for data that contains TEXT; ifnot TEXT
//   stop (pause) · hold (pause until the end of that side) · line (pause until a newline came) · pause MS (resumed by a tick, once)
//   append TEXT · prepend TEXT · replace TEXT · upper · grow BYTES · cut FROM SIZE TEXT · reverse
//   close (that side) · closelater MS (by a tick) · count NAME (one more in that counter) · trap · loop · log TEXT · prop a.b (its status and value to the log; bytes as hex
//   when not printable) · setprop a.b VALUE (its status to the log) · data (what is there to the log) · pending (on_done, 30 ms)
#include "proxy_wasm.h"

IMPORT(proxy_define_metric)(int type, const char* name, size_t size, uint32_t* id);
IMPORT(proxy_increment_metric)(uint32_t id, int64_t by);

enum { kNc, kDd, kUd, kDc, kUc, kLog, kDone, kPhases };
static const Text kNames[] = {T("nc"), T("dd"), T("ud"), T("dc"), T("uc"), T("log"), T("done")};
enum { kDownstreamData = 2, kUpstreamData = 3, kDownstream = 2, kUpstream = 3 };
enum { kConnections = 4096, kScript = 1024 };

typedef struct {
  int id;
  int wake_stream, close_stream;  // of the tick that comes
  uint64_t wake_ns, close_ns;
  uint32_t calls[kPhases];
  int paused_once[kPhases];
} Connection;
static Connection connections[kConnections];
static char script[kScript];
static size_t script_size;
static int tracing;

static Connection* Find(int id) {
  for (int i = 0; i < kConnections; i++)
    if (connections[i].id == id) return &connections[i];
  return 0;
}
static uint64_t Now(void) {
  uint64_t now = 0;
  proxy_get_current_time_nanoseconds(&now);
  return now;
}
static int Contains(Text all, Text part) {
  for (size_t i = 0; i + part.size <= all.size; i++)
    if (Equal((Text){all.data + i, part.size}, part)) return 1;
  return 0;
}
static void PutBytes(Line* line, Text value) {
  int text = 1;
  for (size_t i = 0; i < value.size; i++) text &= value.data[i] >= 32 && value.data[i] < 127;
  for (size_t i = 0; !text && i < value.size; i++) {
    const char* hex = "0123456789abcdef";
    Put(line, (Text){&hex[(value.data[i] >> 4) & 15], 1});
    Put(line, (Text){&hex[value.data[i] & 15], 1});
  }
  if (text) Put(line, value);
}
static size_t Path(Text name, char* path, size_t room) {
  size_t i = 0;
  for (; i < name.size && i < room; i++) path[i] = name.data[i] == '.' ? 0 : name.data[i];
  return i;
}
static void Property(Text name) {
  char path[128];
  char* value = 0;
  size_t size = 0, length = Path(name, path, sizeof path);
  Line line = {.size = 0};
  Put(&line, T("prop "));
  Put(&line, name);
  Put(&line, T("="));
  PutNumber(&line, (uint64_t)proxy_get_property(path, length, &value, &size));
  Put(&line, T(":"));
  PutBytes(&line, (Text){value, size});
  Log((Text){line.data, line.size});
}
static void SetProperty(Text name, Text value) {
  char path[128];
  size_t length = Path(name, path, sizeof path);
  Line line = {.size = 0};
  Put(&line, T("setprop "));
  Put(&line, name);
  Put(&line, T("="));
  PutNumber(&line, (uint64_t)proxy_set_property(path, length, value.data, value.size));
  Log((Text){line.data, line.size});
}
static Text Data(int buffer, size_t size) {
  char* bytes = 0;
  size_t have = 0;
  proxy_get_buffer_bytes(buffer, 0, size, &bytes, &have);
  return (Text){bytes, have};
}
static void Change(int buffer, size_t size, Text op, Text args) {
  if (Equal(op, T("prepend"))) proxy_set_buffer_bytes(buffer, 0, 0, args.data, args.size);
  if (Equal(op, T("append"))) proxy_set_buffer_bytes(buffer, (size_t)-1, 0, args.data, args.size);
  if (Equal(op, T("replace"))) proxy_set_buffer_bytes(buffer, 0, size, args.data, args.size);
  if (Equal(op, T("cut"))) {
    size_t start = Number(Cut(&args, ' ')), length = Number(Cut(&args, ' '));
    proxy_set_buffer_bytes(buffer, start, length, args.data, args.size);
  }
  if (Equal(op, T("upper")) || Equal(op, T("reverse"))) {
    Text all = Data(buffer, size);
    char* bytes = (char*)all.data;
    for (size_t i = 0; Equal(op, T("upper")) && i < all.size; i++)
      if (bytes[i] >= 'a' && bytes[i] <= 'z') bytes[i] = (char)(bytes[i] - 32);
    for (size_t i = 0; Equal(op, T("reverse")) && i < all.size / 2; i++) {
      char one = bytes[i];
      bytes[i] = bytes[all.size - 1 - i];
      bytes[all.size - 1 - i] = one;
    }
    proxy_set_buffer_bytes(buffer, 0, all.size, bytes, all.size);
  }
  if (Equal(op, T("grow"))) {
    size_t n = Number(args);
    char* bytes = Allocate(n);
    memset(bytes, 'g', n);
    proxy_set_buffer_bytes(buffer, (size_t)-1, 0, bytes, n);
  }
}

/// Runs the commands of one phase; the answer is the action.
static int Run(Connection* c, int phase, size_t size, int end) {
  int action = kContinue;
  const int side = phase == kUd || phase == kUc ? kUpstream : kDownstream;
  const int buffer = phase == kUd ? kUpstreamData : kDownstreamData;
  for (Text rest = {script, script_size}; rest.size;) {
    Text command = Cut(&rest, ';'), where = Cut(&command, ' '), op = Cut(&command, ' ');
    if (!Equal(where, kNames[phase])) continue;
    if (Equal(op, T("if")) && !Contains(Data(buffer, size), command)) return action;
    if (Equal(op, T("ifnot")) && Contains(Data(buffer, size), command)) return action;
    if (Equal(op, T("trap"))) __builtin_trap();
    if (Equal(op, T("loop")))
      for (volatile int i = 0;; i++) {}
    if (Equal(op, T("log"))) Log(command);
    if (Equal(op, T("count"))) {
      uint32_t id = 0;
      if (!proxy_define_metric(0, command.data, command.size, &id)) proxy_increment_metric(id, 1);
    }
    if (Equal(op, T("prop"))) Property(command);
    if (Equal(op, T("setprop"))) {
      Text name = Cut(&command, ' ');
      SetProperty(name, command);
    }
    if (Equal(op, T("data"))) {
      Line line = {.size = 0};
      Put(&line, T("data "));
      Put(&line, kNames[phase]);
      Put(&line, T(" "));
      PutBytes(&line, Data(buffer, size));
      Log((Text){line.data, line.size});
    }
    if (Equal(op, T("stop"))) action = kPause;
    if (Equal(op, T("hold")) && !end) action = kPause;
    if (Equal(op, T("line")) && !end && !Contains(Data(buffer, size), T("\n"))) action = kPause;
    if (Equal(op, T("pause"))) {
      if (!c->paused_once[phase]) {
        c->paused_once[phase] = 1;
        c->wake_ns = Now() + Number(command) * 1000000u;
        c->wake_stream = side;
      }
      if (c->wake_ns) action = kPause;
    }
    if (Equal(op, T("pending"))) {
      c->wake_ns = Now() + 30000000u;
      c->wake_stream = 0;
      action = kPause;
    }
    if (Equal(op, T("close"))) proxy_close_stream(side);
    if (Equal(op, T("closelater")) && !c->close_ns) {
      c->close_ns = Now() + Number(command) * 1000000u;
      c->close_stream = side;
    }
    if (phase == kDd || phase == kUd) Change(buffer, size, op, command);
  }
  return action;
}
static int Event(int id, int phase, size_t size, int end) {
  Begin();
  Connection* c = Find(id);
  if (!c) return kContinue;
  c->calls[phase]++;
  if (tracing) {
    Line line = {.size = 0};
    Put(&line, T("trace "));
    Put(&line, kNames[phase]);
    if (phase == kDd || phase == kUd) {
      Put(&line, T(" size="));
      PutNumber(&line, size);
      Put(&line, T(" end="));
      PutNumber(&line, (uint64_t)end);
    }
    if (phase == kDc || phase == kUc) {
      Put(&line, T(" peer="));
      PutNumber(&line, (uint64_t)end);
    }
    Log((Text){line.data, line.size});
  }
  return Run(c, phase, size, end);
}

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_vm_start) int OnVmStart(int root, int size) { return 1; }
EXPORT(proxy_on_configure) int OnConfigure(int root, size_t size) {
  Begin();
  proxy_set_tick_period_milliseconds(10);
  for (Text rest = Data(kPluginConfiguration, size); rest.size;) {
    Text line = Cut(&rest, '\n'), key = Cut(&line, ' ');
    if (Equal(key, T("do")) && line.size < kScript) {
      memcpy(script, line.data, line.size);
      script_size = line.size;
    }
    if (Equal(key, T("tick"))) proxy_set_tick_period_milliseconds((uint32_t)Number(line));
    if (Equal(key, T("trace"))) tracing = 1;
    if (Equal(key, T("refuse"))) return 0;
  }
  return 1;
}
EXPORT(proxy_on_tick) void OnTick(int root) {
  Begin();
  uint64_t now = Now();
  for (int i = 0; i < kConnections; i++) {
    Connection* c = &connections[i];
    if (!c->id) continue;
    if (c->wake_ns && c->wake_ns <= now) {
      c->wake_ns = 0;
      proxy_set_effective_context(c->id);
      if (c->wake_stream) proxy_continue_stream(c->wake_stream);
      else proxy_done();
    }
    if (c->close_ns && c->close_ns != ~0ull && c->close_ns <= now) {
      c->close_ns = ~0ull;
      proxy_set_effective_context(c->id);
      proxy_close_stream(c->close_stream);
    }
  }
}
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {
  if (!parent) return;
  Connection* c = Find(0);
  if (!c) return;
  memset(c, 0, sizeof *c);
  c->id = id;
}
EXPORT(proxy_on_new_connection) int OnNewConnection(int id) { return Event(id, kNc, 0, 0); }
EXPORT(proxy_on_downstream_data) int OnDownstreamData(int id, size_t n, int end) { return Event(id, kDd, n, end); }
EXPORT(proxy_on_upstream_data) int OnUpstreamData(int id, size_t n, int end) { return Event(id, kUd, n, end); }
EXPORT(proxy_on_downstream_connection_close) void OnDownstreamClose(int id, int peer) { Event(id, kDc, 0, peer); }
EXPORT(proxy_on_upstream_connection_close) void OnUpstreamClose(int id, int peer) { Event(id, kUc, 0, peer); }
EXPORT(proxy_on_done) int OnDone(int id) { return Event(id, kDone, 0, 0) == kContinue; }
EXPORT(proxy_on_log) void OnLog(int id) { Event(id, kLog, 0, 0); }
EXPORT(proxy_on_delete) void OnDelete(int id) {
  Connection* c = Find(id);
  if (c && id) c->id = 0;
  if (tracing && id && c) Log(T("trace delete"));
}
