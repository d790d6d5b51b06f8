// Shared data, queues and metrics by command. The header x-do has commands, separated by ';'; each answers with one line of the body of
// a local response: the status, and what was read. Configuration, by line: "consume QUEUE" (each item is logged as "item QUEUE BYTES"),
// "define TYPE NAME" in on_configure, "busy MS" (on_queue_ready takes so long before it takes the item), "keep" (it takes none).
//
//   get K   set K V [CAS]   del K   ttl K MS   keys   count K (adds one by compare-and-swap)   limit K N (429 when count is over N)
//   fill K BYTES (sets a value of so many bytes)   loop N get|set|inc|now K (that call so many times; for benchmarks)
//   resolve VM Q   enq VM Q V   bulk VM Q N V (enqueues V0 … VN-1)   deq VM Q
//   def TYPE NAME   inc TYPE NAME BY   rec TYPE NAME V   value TYPE NAME
#include "proxy_wasm.h"

IMPORT(proxy_get_shared_data)(const char* key, size_t key_size, char** value, size_t* size, uint32_t* cas);
IMPORT(proxy_set_shared_data)(const char* key, size_t key_size, const char* value, size_t size, uint32_t cas);
IMPORT(proxy_register_shared_queue)(const char* name, size_t size, uint32_t* id);
IMPORT(proxy_resolve_shared_queue)(const char* vm, size_t vm_size, const char* name, size_t size, uint32_t* id);
IMPORT(proxy_enqueue_shared_queue)(uint32_t id, const char* item, size_t size);
IMPORT(proxy_dequeue_shared_queue)(uint32_t id, char** item, size_t* size);
IMPORT(proxy_define_metric)(int type, const char* name, size_t size, uint32_t* id);
IMPORT(proxy_increment_metric)(uint32_t id, int64_t by);
IMPORT(proxy_record_metric)(uint32_t id, uint64_t value);
IMPORT(proxy_get_metric)(uint32_t id, uint64_t* value);
IMPORT(proxy_call_foreign_function)(const char* name, size_t name_size, const char* argument, size_t size, char** out, size_t* out_size);

enum { kOut = 60000, kQueues = 8, kCasMismatch = 8 };
static char out[kOut];
static size_t out_size;
static struct {
  uint32_t id;
  char name[64];
  size_t size;
} queues[kQueues];
static int queue_count, keeps;
static uint64_t busy_ms;

static void Say(Text t) {
  for (size_t i = 0; i < t.size && out_size < kOut; i++) out[out_size++] = t.data[i];
}
static void SayNumber(uint64_t n) {
  Line line = {.size = 0};
  PutNumber(&line, n);
  Say((Text){line.data, line.size});
}
static void SayStatus(int status) { SayNumber((uint64_t)status); }

static int Foreign(Text name, Text argument, Text* answer) {
  char* data = 0;
  size_t size = 0;
  int status = proxy_call_foreign_function(name.data, name.size, argument.data, argument.size, &data, &size);
  *answer = (Text){data, size};
  return status;
}

/// The value after adding one; 0: it failed.
static uint64_t Count(Text key) {
  for (;;) {
    char* value = 0;
    size_t size = 0;
    uint32_t cas = 0;
    int status = proxy_get_shared_data(key.data, key.size, &value, &size, &cas);
    if (status != kOk && status != kNotFound) return 0;
    uint64_t next = Number((Text){value, size}) + 1;
    Line line = {.size = 0};
    PutNumber(&line, next);
    status = proxy_set_shared_data(key.data, key.size, line.data, line.size, cas);
    if (status == kOk) return next;
    if (status != kCasMismatch) return 0;
  }
}

static uint32_t Metric(Text* rest, int* status) {
  int type = (int)Number(Cut(rest, ' '));
  Text name = Cut(rest, ' ');
  uint32_t id = 0;
  *status = proxy_define_metric(type, name.data, name.size, &id);
  return id;
}

static uint32_t Queue(Text* rest, int* status) {
  Text vm = Cut(rest, ' '), name = Cut(rest, ' ');
  if (Equal(vm, T("-"))) vm.size = 0;
  uint32_t id = 0;
  *status = proxy_resolve_shared_queue(vm.data, vm.size, name.data, name.size, &id);
  return id;
}

static void Loop(Text rest) {
  uint64_t times = Number(Cut(&rest, ' ')), begun, ended;
  Text what = Cut(&rest, ' ');
  uint32_t id = 0, cas;
  char* data;
  size_t size;
  uintptr_t top = arena_top;
  if (Equal(what, T("inc"))) proxy_define_metric(0, rest.data, rest.size, &id);
  proxy_get_current_time_nanoseconds(&begun);
  for (uint64_t i = 0; i < times; i++) {
    if (Equal(what, T("get"))) proxy_get_shared_data(rest.data, rest.size, &data, &size, &cas);
    if (Equal(what, T("set"))) proxy_set_shared_data(rest.data, rest.size, "0123456789abcdef", 16, 0);
    if (Equal(what, T("inc"))) proxy_increment_metric(id, 1);
    if (Equal(what, T("now"))) proxy_get_current_time_nanoseconds(&ended);
    arena_top = top;
  }
  proxy_get_current_time_nanoseconds(&ended);
  SayNumber((ended - begun) * 100 / (times ? times : 1));  // hundredths of a nanosecond
}

/// 0, or the status of the response.
static int Run(Text rest) {
  Text command = Cut(&rest, ' '), answer = {0, 0};
  int status = 0, http = 0;
  uint64_t value = 0;
  if (Equal(command, T("get"))) {
    char* data = 0;
    size_t size = 0;
    uint32_t cas = 0;
    status = proxy_get_shared_data(rest.data, rest.size, &data, &size, &cas);
    SayStatus(status), Say(T(" ")), SayNumber(cas), Say(T(" ")), Say((Text){data, size});
  } else if (Equal(command, T("set"))) {
    Text key = Cut(&rest, ' '), bytes = Cut(&rest, ' ');
    SayStatus(proxy_set_shared_data(key.data, key.size, bytes.data, bytes.size, (uint32_t)Number(rest)));
  } else if (Equal(command, T("fill"))) {
    Text key = Cut(&rest, ' ');
    size_t size = Number(rest);
    char* bytes = Allocate(size);
    memset(bytes, 'f', size);
    SayStatus(proxy_set_shared_data(key.data, key.size, bytes, size, 0));
  } else if (Equal(command, T("del"))) {
    SayStatus(Foreign(T("weir.shared_delete"), rest, &answer));
  } else if (Equal(command, T("ttl"))) {
    Text key = Cut(&rest, ' ');
    char* argument = Allocate(8 + key.size);
    uint64_t ms = Number(rest);
    memcpy(argument, &ms, 8);
    memcpy(argument + 8, key.data, key.size);
    SayStatus(Foreign(T("weir.shared_set_ttl"), (Text){argument, 8 + key.size}, &answer));
  } else if (Equal(command, T("keys"))) {
    SayStatus(Foreign(T("weir.shared_keys"), T(""), &answer));
    while (answer.size) Say(T(" ")), Say(Cut(&answer, 0));
  } else if (Equal(command, T("count"))) {
    SayNumber(Count(rest));
  } else if (Equal(command, T("limit"))) {
    Text key = Cut(&rest, ' ');
    value = Count(key);
    SayNumber(value);
    if (value > Number(rest)) http = 429;
  } else if (Equal(command, T("loop"))) {
    Loop(rest);
  } else if (Equal(command, T("resolve"))) {
    Queue(&rest, &status);
    SayStatus(status);
  } else if (Equal(command, T("enq"))) {
    uint32_t id = Queue(&rest, &status);
    SayStatus(status ? status : proxy_enqueue_shared_queue(id, rest.data, rest.size));
  } else if (Equal(command, T("bulk"))) {
    uint32_t id = Queue(&rest, &status);
    uint64_t count = Number(Cut(&rest, ' ')), good = 0;
    for (uint64_t i = 0; i < count && !status; i++) {
      Line line = {.size = 0};
      Put(&line, rest), PutNumber(&line, i);
      status = proxy_enqueue_shared_queue(id, line.data, line.size);
      good += !status;
    }
    SayStatus(status), Say(T(" ")), SayNumber(good);
  } else if (Equal(command, T("deq"))) {
    uint32_t id = Queue(&rest, &status);
    char* data = 0;
    size_t size = 0;
    SayStatus(status ? status : proxy_dequeue_shared_queue(id, &data, &size)), Say(T(" ")), Say((Text){data, size});
  } else if (Equal(command, T("def"))) {
    Metric(&rest, &status);
    SayStatus(status);
  } else if (Equal(command, T("inc"))) {
    uint32_t id = Metric(&rest, &status);
    int negative = rest.size && rest.data[0] == '-';
    if (negative) rest.data++, rest.size--;
    int64_t by = (int64_t)Number(rest);
    SayStatus(status ? status : proxy_increment_metric(id, negative ? -by : by));
  } else if (Equal(command, T("rec"))) {
    uint32_t id = Metric(&rest, &status);
    SayStatus(status ? status : proxy_record_metric(id, Number(rest)));
  } else if (Equal(command, T("value"))) {
    uint32_t id = Metric(&rest, &status);
    if (!status) status = proxy_get_metric(id, &value);
    SayStatus(status), Say(T(" ")), SayNumber(value);
  } else if (Equal(command, T("trap"))) {
    __builtin_trap();
  } else {
    Say(T("what? ")), Say(command);
  }
  Say(T("\n"));
  return http;
}

EXPORT(proxy_abi_version_0_2_1) void Abi(void) {}
EXPORT(proxy_on_configure) int OnConfigure(int root, size_t size) {
  Begin();
  char* bytes = 0;
  size_t have = 0;
  proxy_get_buffer_bytes(kPluginConfiguration, 0, size, &bytes, &have);
  for (Text rest = {bytes, have}; rest.size;) {
    Text line = Cut(&rest, '\n'), key = Cut(&line, ' ');
    if (Equal(key, T("consume")) && queue_count < kQueues && line.size <= sizeof queues[0].name) {
      memcpy(queues[queue_count].name, line.data, line.size);
      queues[queue_count].size = line.size;
      if (proxy_register_shared_queue(line.data, line.size, &queues[queue_count].id) != kOk) return 0;
      queue_count++;
    }
    if (Equal(key, T("define"))) {
      int status = 0;
      proxy_increment_metric(Metric(&line, &status), 1);
      if (status) return 0;
    }
    if (Equal(key, T("busy"))) busy_ms = Number(line);
    if (Equal(key, T("keep"))) keeps = 1;
  }
  return 1;
}
EXPORT(proxy_on_queue_ready) void OnQueueReady(int root, uint32_t id) {
  Begin();
  uint64_t begun = 0, now = 0;
  proxy_get_current_time_nanoseconds(&begun);
  do proxy_get_current_time_nanoseconds(&now);
  while (now - begun < busy_ms * 1000000);
  for (int i = 0; i < queue_count; i++) {
    if (queues[i].id != id) continue;
    char* data = 0;
    size_t size = 0;
    Line line = {.size = 0};
    if (keeps) {
      Put(&line, T("told ")), Put(&line, (Text){queues[i].name, queues[i].size});
    } else {
      if (proxy_dequeue_shared_queue(id, &data, &size) != kOk) return;
      Put(&line, T("item ")), Put(&line, (Text){queues[i].name, queues[i].size}), Put(&line, T(" ")), Put(&line, (Text){data, size});
    }
    Log((Text){line.data, line.size});
  }
}
EXPORT(proxy_on_request_headers) int OnRequestHeaders(int id, size_t n, int end) {
  Begin();
  char* commands = 0;
  size_t size = 0;
  if (proxy_get_header_map_value(kRequestHeaders, "x-do", 4, &commands, &size) != kOk || !size) return kContinue;
  out_size = 0;
  int http = 200;
  for (Text rest = {commands, size}; rest.size;) {
    int status = Run(Cut(&rest, ';'));
    if (status) http = status;
  }
  proxy_send_local_response(http, 0, 0, out, out_size, 0, 0, -1);
  return kPause;
}
