// A guest that makes the calls that a request header (x-do), or the configuration, says, and tells what came of them.
//
// Configuration: lines. "tick MS COMMANDS": the commands at each tick. "gate UPSTREAM TIMEOUT": every request asks GET /its path there, with
// its x-* headers, and goes on after 200; 401 and 403 are passed on to the client, anything else is 503.
// Commands are separated by ';'. Each begins with the phase it belongs to: rh sh (request and response headers), log.
//   http UPSTREAM METHOD PATH TIMEOUT [BODY]      a body of "N*" is N bytes; "+t" in METHOD adds a request trailer
//   grpc UPSTREAM SERVICE METHOD TIMEOUT MESSAGE
//   stream UPSTREAM SERVICE METHOD A,B,C          a message each, then the end; "-" alone: no message; "…!": no end; "…?": cancel at the first answer
//   open                                          does not wait for what was started in this phase
// The phase waits for all its calls. Each call adds one header x-call (of the request when it began in rh, of the response in sh), in
// the order in which they end, and logs it as "call …":
//   http    NAME STATUS headers=N body=SIZE trailers=N BODY(the first 64 bytes)      a failed one: NAME failed CODE MESSAGE
//   grpc    NAME <answer>                            a failed one: NAME status=CODE MESSAGE
//   stream  NAME [initial k=v] <answer>… [trailing k=v] status=CODE MESSAGE
//   refused NAME=status of the host function
// Of an answer the first 32 bytes are shown, and its size when there are more.
#include "proxy_wasm.h"

IMPORT(proxy_http_call)(const char* upstream, size_t upstream_size, const char* headers, size_t headers_size, const char* body, size_t body_size,
                        const char* trailers, size_t trailers_size, uint32_t timeout_ms, uint32_t* call);
IMPORT(proxy_get_status)(uint32_t* code, char** message, size_t* size);
IMPORT(proxy_grpc_call)(const char* upstream, size_t upstream_size, const char* service, size_t service_size, const char* method, size_t method_size,
                        const char* metadata, size_t metadata_size, const char* message, size_t message_size, uint32_t timeout_ms, uint32_t* call);
IMPORT(proxy_grpc_stream)(const char* upstream, size_t upstream_size, const char* service, size_t service_size, const char* method,
                          size_t method_size, const char* metadata, size_t metadata_size, uint32_t* stream);
IMPORT(proxy_grpc_send)(uint32_t stream, const char* message, size_t size, int end);
IMPORT(proxy_grpc_close)(uint32_t stream);
IMPORT(proxy_grpc_cancel)(uint32_t stream);

enum { kAnswerBody = 4, kGrpcMessage = 5 };
enum { kGrpcInitial = 4, kGrpcTrailing = 5, kAnswerHeaders = 6, kAnswerTrailers = 7 };
enum { kStreams = 20000, kCalls = 64, kScript = 600 };  // gated requests take no Call
typedef struct {
  int id;
  int pending;  // calls that the phase waits for
  int stream;   // 0 request, 1 response: which one waits
  int gate;     // the answer decides
} Stream;
typedef struct {
  uint32_t id;
  Stream* stream;  // null: nobody waits
  int owner;       // context
  int map;         // where the result goes; -1: only to the log
  int waits;
  int cancel;      // at the first message
  int unary;       // its message is its end; only a failure is told by on_grpc_close
  Line text;
} Call;
static Stream streams[kStreams];
static Call calls[kCalls];
static uint32_t gate_calls[kStreams];  // the call of a gated stream, by its place
static char gate_upstream[64], tick_script[kScript];
static size_t gate_size, tick_size;
static uint32_t gate_timeout;

/// Serialized pairs.
typedef struct {
  Text names[24], values[24];
  uint32_t count;
} Pairs;
static void AddPair(Pairs* pairs, Text name, Text value) {
  if (pairs->count == 24) return;
  pairs->names[pairs->count] = name;
  pairs->values[pairs->count++] = value;
}
static Text Serialize(const Pairs* pairs) {
  size_t size = 4;
  for (uint32_t i = 0; i < pairs->count; i++) size += 8 + pairs->names[i].size + pairs->values[i].size + 2;
  char* out = Allocate(size);
  *(uint32_t*)(void*)out = pairs->count;
  char* at = out + 4 + 8 * pairs->count;
  for (uint32_t i = 0; i < pairs->count; i++) {
    ((uint32_t*)(void*)(out + 4))[2 * i] = (uint32_t)pairs->names[i].size;
    ((uint32_t*)(void*)(out + 4))[2 * i + 1] = (uint32_t)pairs->values[i].size;
    const Text both[] = {pairs->names[i], pairs->values[i]};
    for (int k = 0; k < 2; k++) {
      memcpy(at, both[k].data, both[k].size);
      at += both[k].size;
      *at++ = 0;
    }
  }
  return (Text){out, size};
}
static Text HeaderOf(int map, Text name) {
  char* value = 0;
  size_t size = 0;
  if (proxy_get_header_map_value(map, name.data, name.size, &value, &size) != kOk) size = 0;
  return (Text){value, size};
}

static Stream* FindStream(int id) {
  for (int i = 0; i < kStreams; i++)
    if (streams[i].id == id) return &streams[i];
  return 0;
}
static Call* FindCall(uint32_t id) {
  for (int i = 0; i < kCalls; i++)
    if (calls[i].id == id) return &calls[i];
  return 0;
}

static void Deliver(Call* call) {
  Line line = {.size = 0};
  Put(&line, T("call "));
  Put(&line, (Text){call->text.data, call->text.size});
  Log((Text){line.data, line.size});
  Stream* stream = call->stream;
  call->id = 0;
  if (!stream || stream->id != call->owner) return;
  proxy_set_effective_context(call->owner);
  if (call->map >= 0) proxy_add_header_map_value(call->map, "x-call", 6, call->text.data, call->text.size);
  if (call->waits && --stream->pending == 0) proxy_continue_stream(stream->stream);
}

/// A call that could not be started: its status goes where its answer would.
static void Refused(Call* call, int status) {
  Put(&call->text, T("="));
  PutNumber(&call->text, (uint64_t)status);
  call->waits = 0;
  Deliver(call);
}

static Call* NewCall(Stream* stream, int context, int map, Text kind, Text upstream) {
  Call* call = FindCall(0);
  if (!call) return 0;
  memset(call, 0, sizeof *call);
  call->stream = stream;
  call->owner = context;
  call->map = map;
  Put(&call->text, kind);
  Put(&call->text, T(" "));
  Put(&call->text, upstream);
  return call;
}

static int StartHttp(Call* call, Text upstream, Text args) {
  Text method = Cut(&args, ' '), path = Cut(&args, ' '), timeout = Cut(&args, ' ');
  Pairs headers = {.count = 0}, trailers = {.count = 0};
  if (method.size > 2 && method.data[method.size - 2] == '+') {
    method.size -= 2;
    AddPair(&trailers, T("x-last"), T("1"));
  }
  AddPair(&headers, T(":method"), method);
  AddPair(&headers, T(":path"), path);
  AddPair(&headers, T(":authority"), upstream);
  AddPair(&headers, T("x-from"), T("calls"));
  if (args.size && args.data[args.size - 1] == '*') {
    size_t size = Number(args);
    char* bytes = Allocate(size);
    memset(bytes, 'b', size);
    args = (Text){bytes, size};
  }
  Text h = Serialize(&headers), t = Serialize(&trailers);
  return proxy_http_call(upstream.data, upstream.size, h.data, h.size, args.data, args.size, t.data, t.size, (uint32_t)Number(timeout), &call->id);
}
static Text Metadata(void) {
  Pairs metadata = {.count = 0};
  AddPair(&metadata, T("x-from"), T("calls"));
  AddPair(&metadata, T("x-bytes-bin"), (Text){"\0\1\xff", 3});
  return Serialize(&metadata);
}
static int StartGrpc(Call* call, Text upstream, Text args) {
  call->unary = 1;
  Text service = Cut(&args, ' '), method = Cut(&args, ' '), timeout = Cut(&args, ' '), m = Metadata();
  return proxy_grpc_call(upstream.data, upstream.size, service.data, service.size, method.data, method.size, m.data, m.size, args.data, args.size,
                         (uint32_t)Number(timeout), &call->id);
}
static int StartStream(Call* call, Text upstream, Text args) {
  Text service = Cut(&args, ' '), method = Cut(&args, ' '), m = Metadata();
  int end = 1;
  if (args.size && args.data[args.size - 1] == '!') end = 0, args.size--;
  if (args.size && args.data[args.size - 1] == '?') call->cancel = 1, end = 0, args.size--;
  int status = proxy_grpc_stream(upstream.data, upstream.size, service.data, service.size, method.data, method.size, m.data, m.size, &call->id);
  if (status != kOk) return status;
  if (Equal(args, T("-"))) args.size = 0;
  while (args.size) {
    Text message = Cut(&args, ',');
    status = proxy_grpc_send(call->id, message.data, message.size, 0);
    if (status != kOk) return status;
  }
  return end ? proxy_grpc_close(call->id) : kOk;
}

/// Runs the commands of a phase. The answer: whether it waits.
static int Run(Stream* stream, int context, int map, Text phase, Text script) {
  int started = 0, waits = 1;
  uint32_t ids[32];
  while (script.size) {
    Text command = Cut(&script, ';'), where = Cut(&command, ' '), op = Cut(&command, ' ');
    if (!Equal(where, phase)) continue;
    if (Equal(op, T("open"))) waits = 0;
    int http = Equal(op, T("http")), grpc = Equal(op, T("grpc")), grpc_stream = Equal(op, T("stream"));
    if (!http && !grpc && !grpc_stream) continue;
    Text upstream = Cut(&command, ' ');
    Call* call = NewCall(stream, context, map, op, upstream);
    if (!call) {
      Log(T("call: no room"));
      continue;
    }
    int status = http ? StartHttp(call, upstream, command) : grpc ? StartGrpc(call, upstream, command) : StartStream(call, upstream, command);
    if (status != kOk) {
      Refused(call, status);
    } else if (started < 32) {
      ids[started++] = call->id;
    }
  }
  if (!waits || !stream) return kContinue;
  for (int i = 0; i < started; i++) FindCall(ids[i])->waits = 1;
  stream->pending = started;
  return started ? kPause : kContinue;
}

static int Gate(Stream* stream) {
  Pairs headers = {.count = 0};
  Text path = HeaderOf(kRequestHeaders, T(":path")), token = HeaderOf(kRequestHeaders, T("x-token"));
  AddPair(&headers, T(":method"), T("GET"));
  AddPair(&headers, T(":path"), path);
  AddPair(&headers, T(":authority"), T("gate.test"));
  if (token.size) AddPair(&headers, T("x-token"), token);
  Pairs none = {.count = 0};
  Text h = Serialize(&headers), t = Serialize(&none);
  uint32_t id = 0;
  int status = proxy_http_call(gate_upstream, gate_size, h.data, h.size, 0, 0, t.data, t.size, gate_timeout, &id);
  if (status != kOk) {
    proxy_send_local_response(503, "gate", 4, "gate: no call\n", 14, 0, 0, -1);
    return kPause;
  }
  gate_calls[stream - streams] = id;
  return kPause;
}
static void GateAnswer(Stream* stream, size_t body_size) {
  proxy_set_effective_context(stream->id);
  Text status = HeaderOf(kAnswerHeaders, T(":status"));
  if (Equal(status, T("200"))) {
    Text user = HeaderOf(kAnswerHeaders, T("x-user"));
    if (user.size) proxy_replace_header_map_value(kRequestHeaders, "x-user", 6, user.data, user.size);
    proxy_continue_stream(0);
    return;
  }
  if (Equal(status, T("401")) || Equal(status, T("403"))) {
    char* body = 0;
    size_t size = 0;
    proxy_get_buffer_bytes(kAnswerBody, 0, body_size, &body, &size);
    proxy_send_local_response((int)Number(status), "gate", 4, body, size, 0, 0, -1);
    return;
  }
  proxy_send_local_response(503, "gate", 4, "gate: no answer\n", 16, 0, 0, -1);
}

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_vm_start) int OnVmStart(int root, int size) { return 1; }
EXPORT(proxy_on_configure) int OnConfigure(int root, size_t size) {
  Begin();
  char* bytes = 0;
  size_t have = 0;
  proxy_get_buffer_bytes(kPluginConfiguration, 0, size, &bytes, &have);
  for (Text rest = {bytes, have}; rest.size;) {
    Text line = Cut(&rest, '\n'), key = Cut(&line, ' ');
    if (Equal(key, T("tick"))) {
      uint32_t period = (uint32_t)Number(Cut(&line, ' '));
      if (line.size > kScript) return 0;
      memcpy(tick_script, line.data, line.size);
      tick_size = line.size;
      proxy_set_tick_period_milliseconds(period);
    }
    if (Equal(key, T("gate"))) {
      Text upstream = Cut(&line, ' ');
      if (upstream.size > sizeof gate_upstream) return 0;
      memcpy(gate_upstream, upstream.data, upstream.size);
      gate_size = upstream.size;
      gate_timeout = (uint32_t)Number(line);
    }
    if (Equal(key, T("start"))) Run(0, root, -1, T("start"), line);
  }
  return 1;
}
EXPORT(proxy_on_tick) void OnTick(int root) {
  Begin();
  Run(0, root, -1, T("tick"), (Text){tick_script, tick_size});
}
EXPORT(proxy_on_context_create) void OnContextCreate(int id, int parent) {
  if (!parent) return;
  Stream* stream = FindStream(0);
  if (!stream) return;
  memset(stream, 0, sizeof *stream);
  gate_calls[stream - streams] = 0;
  stream->id = id;
}
static int Phase(int id, int map, Text phase) {
  Begin();
  Stream* stream = FindStream(id);
  if (!stream) return kContinue;
  stream->stream = map == kResponseHeaders;
  if (gate_size && map == kRequestHeaders) return Gate(stream);
  Text script = HeaderOf(kRequestHeaders, T("x-do"));
  return script.size ? Run(stream, id, map, phase, script) : kContinue;
}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, size_t n, int end) { return Phase(id, kRequestHeaders, T("rh")); }
EXPORT(proxy_on_response_headers) int OnResponseHeaders(int id, size_t n, int end) { return Phase(id, kResponseHeaders, T("sh")); }
EXPORT(proxy_on_log) void OnLog(int id) {
  Begin();
  Text script = HeaderOf(kRequestHeaders, T("x-do"));
  if (script.size) Run(0, id, -1, T("log"), script);
}
EXPORT(proxy_on_delete) void OnDelete(int id) {
  Stream* stream = id ? FindStream(id) : 0;
  if (stream) {
    stream->id = 0;
    gate_calls[stream - streams] = 0;
  }
}

static void PutCount(Line* line, Text name, size_t count) {
  Put(line, name);
  PutNumber(line, count);
}
EXPORT(proxy_on_http_call_response) void OnHttpCallResponse(int context, uint32_t id, size_t headers, size_t body_size, size_t trailers) {
  Begin();
  Call* call = FindCall(id);
  if (!call) {
    for (int i = 0; i < kStreams; i++)
      if (gate_calls[i] == id && id) {
        gate_calls[i] = 0;
        GateAnswer(&streams[i], body_size);
        return;
      }
    Log(T("call: unknown answer"));
    return;
  }
  Text status = HeaderOf(kAnswerHeaders, T(":status"));
  if (headers == 0) {
    uint32_t code = 0;
    char* message = 0;
    size_t size = 0;
    int got = proxy_get_status(&code, &message, &size);
    Put(&call->text, T(" failed "));
    if (got != kOk) PutCount(&call->text, T("get_status="), (size_t)got);
    PutNumber(&call->text, code);
    Put(&call->text, T(" "));
    Put(&call->text, (Text){message, size});
  } else {
    Put(&call->text, T(" "));
    Put(&call->text, status);
    PutCount(&call->text, T(" headers="), headers);
    PutCount(&call->text, T(" body="), body_size);
    PutCount(&call->text, T(" trailers="), trailers);
    char* body = 0;
    size_t have = 0;
    if (body_size) proxy_get_buffer_bytes(kAnswerBody, 0, 64, &body, &have);
    Put(&call->text, T(" "));
    for (size_t i = 0; i < have; i++) Put(&call->text, body[i] >= 32 && body[i] < 127 ? (Text){body + i, 1} : T("."));
  }
  Deliver(call);
}

static void PutMetadata(Line* line, Text name, int map) {
  char* pairs = 0;
  size_t bytes = 0;
  if (proxy_get_header_map_pairs(map, &pairs, &bytes) != kOk || bytes < 4) return;
  uint32_t count = *(uint32_t*)(void*)pairs;
  const char* at = pairs + 4 + 8 * count;
  Put(line, T(" ["));
  Put(line, name);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t sizes[2];
    memcpy(sizes, pairs + 4 + 8 * i, 8);
    Text key = {at, sizes[0]}, value = {at + sizes[0] + 1, sizes[1]};
    at = value.data + value.size + 1;
    if (key.size < 2 || key.data[0] != 'x' || key.data[1] != '-') continue;  // ours; what else a server sends is its own affair
    Put(line, T(" "));
    Put(line, key);
    Put(line, T("="));
    for (size_t k = 0; k < value.size; k++) Put(line, value.data[k] >= 32 && value.data[k] < 127 ? (Text){value.data + k, 1} : T("."));
  }
  Put(line, T("]"));
}
EXPORT(proxy_on_grpc_receive_initial_metadata) void OnInitial(int context, uint32_t id, size_t count) {
  Begin();
  Call* call = FindCall(id);
  if (call) PutMetadata(&call->text, T("initial"), kGrpcInitial);
}
EXPORT(proxy_on_grpc_receive) void OnMessage(int context, uint32_t id, size_t size) {
  Begin();
  Call* call = FindCall(id);
  if (!call) return Log(T("call: unknown message"));
  char* message = 0;
  size_t have = 0;
  proxy_get_buffer_bytes(kGrpcMessage, 0, size, &message, &have);
  Put(&call->text, T(" <"));
  Put(&call->text, (Text){message, have > 32 ? 32 : have});
  Put(&call->text, T(">"));
  if (have > 32) PutNumber(&call->text, have);
  if (call->cancel) {
    proxy_grpc_cancel(id);
    Put(&call->text, T(" cancelled"));
  }
  if (call->cancel || call->unary) Deliver(call);
}
EXPORT(proxy_on_grpc_receive_trailing_metadata) void OnTrailing(int context, uint32_t id, size_t count) {
  Begin();
  Call* call = FindCall(id);
  if (call) PutMetadata(&call->text, T("trailing"), kGrpcTrailing);
}
EXPORT(proxy_on_grpc_close) void OnClose(int context, uint32_t id, uint32_t status) {
  Begin();
  Call* call = FindCall(id);
  if (!call) return Log(T("call: unknown close"));
  uint32_t code = 0;
  char* message = 0;
  size_t size = 0;
  proxy_get_status(&code, &message, &size);
  PutCount(&call->text, T(" status="), status);
  if (code != status) PutCount(&call->text, T(" get_status="), code);
  Put(&call->text, T(" "));
  Put(&call->text, (Text){message, size});
  Deliver(call);
}
