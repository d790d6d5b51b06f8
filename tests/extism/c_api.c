/* The C API, from C: what each function promises, and what it does with null, lengths that lie and misuse.
 *
 *   c_api               every case; the last line is `N passed, N failed, N skipped`, the exit code 1 after a failure
 *   c_api --layout      sizes and values of the types
 *   c_api --reference   without the cases in which Weir does not do what libextism does: for a run on libextism itself
 */
#include <extism.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capi/testing/modules.h"

static int failures;
#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      ++failures;                                                              \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);  \
    }                                                                          \
  } while (0)
/* After which a case cannot go on. */
#define NEED(condition)       \
  do {                        \
    CHECK(condition);         \
    if (!(condition)) return; \
  } while (0)
#define CHECK_TEXT(given, expected) CheckText(__LINE__, (given), (expected))

static void CheckText(int line, const char *given, const char *expected) {
  if (given == expected || (given != NULL && expected != NULL && strcmp(given, expected) == 0)) return;
  ++failures;
  fprintf(stderr, "%s:%d: \"%s\", not \"%s\"\n", __FILE__, line, given == NULL ? "(null)" : given, expected == NULL ? "(null)" : expected);
}

static const uint8_t *Bytes(const char *text) { return (const uint8_t *)text; }

static ExtismPlugin *NewWith(const char *source, const ExtismFunction **functions, ExtismSize count) {
  char *why = NULL;
  ExtismPlugin *plugin = extism_plugin_new(Bytes(source), strlen(source), functions, count, false, &why);
  if (plugin == NULL) fprintf(stderr, "no plugin: %s\n", why == NULL ? "(no message)" : why);
  CHECK(plugin != NULL && why == NULL);
  extism_plugin_new_error_free(why);
  return plugin;
}
static ExtismPlugin *New(const char *source) { return NewWith(source, NULL, 0); }

static int32_t Call(ExtismPlugin *plugin, const char *function, const char *input) {
  return extism_plugin_call(plugin, function, Bytes(input), strlen(input));
}
static bool OutputIs(ExtismPlugin *plugin, const char *expected) {
  return extism_plugin_output_length(plugin) == strlen(expected) && memcmp(extism_plugin_output_data(plugin), expected, strlen(expected)) == 0;
}

/* ---- plugins */

static void Version(void) { CHECK_TEXT(extism_version(), "1.41.0"); }

static void Id(void) {
  ExtismPlugin *one = New(kModule), *other = New(kModule);
  NEED(one != NULL && other != NULL);
  const uint8_t *id = extism_plugin_id(one);
  CHECK(id[6] >> 4 == 4 && id[8] >> 6 == 2); /* version and variant of a random UUID */
  CHECK(memcmp(id, extism_plugin_id(other), 16) != 0);
  CHECK(id == extism_plugin_id(one));
  extism_plugin_free(one);
  extism_plugin_free(other);
}

static void ManifestWithBytesOfTheProcess(void) {
  char manifest[256];
  snprintf(manifest, sizeof manifest, "{\"wasm\":[{\"data\":{\"ptr\":%llu,\"len\":%llu}}],\"config\":{\"key\":\"set\"}}",
           (unsigned long long)(uintptr_t)kModule, (unsigned long long)strlen(kModule));
  ExtismPlugin *plugin = New(manifest);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "config", "key") == 0 && OutputIs(plugin, "set"));
  extism_plugin_free(plugin);
}

static void Refused(const char *source, const char *prefix) {
  char *why = NULL;
  CHECK(extism_plugin_new(Bytes(source), strlen(source), NULL, 0, false, &why) == NULL);
  NEED(why != NULL);
  if (strncmp(why, prefix, strlen(prefix)) != 0) CheckText(__LINE__, why, prefix);
  extism_plugin_new_error_free(why);
  CHECK(extism_plugin_new(Bytes(source), strlen(source), NULL, 0, false, NULL) == NULL);
}
static void BadSources(void) {
  Refused("{\"wasm\":null}", "Unable to compile Extism plugin: ");
  Refused("{\"wasm\":[]}", "Unable to compile Extism plugin: No wasm files specified in Extism manifest");
  Refused("", "Unable to compile Extism plugin: No wasm files specified in Extism manifest");
  Refused("neither of them", "Unable to compile Extism plugin: Unknown manifest format");
  Refused("{\"wasm\":[{\"path\":\"there/is/no/such.wasm\"}]}", "Unable to compile Extism plugin: ");
  Refused("(module (import \"nobody\" \"has\" (func)))", "Unable to compile Extism plugin: unknown import: `nobody::has` has not been defined");
  Refused("(module (func (unknown)))", "Unable to compile Extism plugin: ");
}

static void Compiled(void) {
  char *why = NULL;
  ExtismCompiledPlugin *compiled = extism_compiled_plugin_new(Bytes(kModule), strlen(kModule), NULL, 0, false, &why);
  NEED(compiled != NULL && why == NULL);
  ExtismPlugin *one = extism_plugin_new_from_compiled(compiled, &why), *other = extism_plugin_new_from_compiled(compiled, NULL);
  NEED(one != NULL && other != NULL && why == NULL);
  extism_compiled_plugin_free(compiled);
  CHECK(Call(one, "remember", "mine") == 0);
  CHECK(Call(other, "recall", "") == 0 && OutputIs(other, ""));
  CHECK(Call(one, "recall", "") == 0 && OutputIs(one, "mine"));
  extism_plugin_free(one);
  CHECK(Call(other, "echo", "still here") == 0 && OutputIs(other, "still here"));
  extism_plugin_free(other);
  CHECK(extism_compiled_plugin_new(Bytes("no"), 2, NULL, 0, false, &why) == NULL && why != NULL);
  extism_plugin_new_error_free(why);
}

/* ---- calls */

static void Echo(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  enum { kMost = 300000 };
  uint8_t *input = malloc(kMost);
  for (size_t i = 0; i < kMost; ++i) input[i] = (uint8_t)(i * 31);
  const size_t sizes[] = {0, 1, 7, 8, 9, 1024, 65300, 65536, kMost, 3};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    CHECK(extism_plugin_call(plugin, "echo", input, sizes[i]) == EXTISM_SUCCESS);
    CHECK(extism_plugin_output_length(plugin) == sizes[i]);
    CHECK(extism_plugin_output_data(plugin) != NULL && memcmp(extism_plugin_output_data(plugin), input, sizes[i]) == 0);
    CHECK(extism_plugin_error(plugin) == NULL);
  }
  free(input);
  extism_plugin_free(plugin);
}

static void CountVowels(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "count_vowels", "this is a test") == 0 && OutputIs(plugin, "4"));
  CHECK(Call(plugin, "count_vowels", "xyz") == 0 && OutputIs(plugin, "0"));
  extism_plugin_free(plugin);
}

static void Codes(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "five", "") == 5);
  CHECK(extism_plugin_error(plugin) == NULL); /* a code alone is no error */
  CHECK(Call(plugin, "nothing", "") == 0);
  CHECK(Call(plugin, "long", "") == -1);
  CHECK(Call(plugin, "trap", "") == 134);
  CHECK(extism_plugin_error(plugin) != NULL && strstr(extism_plugin_error(plugin), "error while executing at wasm backtrace:") != NULL);
  CHECK(Call(plugin, "takes", "") == -1);
  CHECK_TEXT(extism_plugin_error(plugin), "expected 1 arguments, got 0");
  CHECK(Call(plugin, "absent", "") == -1);
  CHECK_TEXT(extism_plugin_error(plugin), "Function not found: absent");
  CHECK(Call(plugin, "bad \xff name", "") == -1);
  CHECK_TEXT(extism_plugin_error(plugin), "invalid utf-8 sequence of 1 bytes from index 4");
  CHECK(Call(plugin, "echo", "after all") == 0 && OutputIs(plugin, "after all") && extism_plugin_error(plugin) == NULL);
  extism_plugin_free(plugin);
}

static void Errors(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "fail", "it went wrong") == 3);
  CHECK_TEXT(extism_plugin_error(plugin), "it went wrong");
  CHECK_TEXT(extism_error(plugin), "it went wrong");
  CHECK(Call(plugin, "quiet_fail", "and says 0") == 0);
  CHECK_TEXT(extism_plugin_error(plugin), "and says 0");
  /* What the plugin set stays, */
  CHECK(extism_plugin_function_exists(plugin, "echo"));
  CHECK_TEXT(extism_plugin_error(plugin), "and says 0");
  CHECK(Call(plugin, "fail_and_trap", "both") == -1);
  CHECK_TEXT(extism_plugin_error(plugin), "both");
  CHECK(Call(plugin, "fail_freed", "gone") == 1);
  CHECK_TEXT(extism_plugin_error(plugin), "");
  /* what the host stored goes. */
  CHECK(Call(plugin, "absent", "") == -1 && extism_plugin_error(plugin) != NULL);
  CHECK(!extism_plugin_function_exists(plugin, "absent"));
  CHECK(Call(plugin, "echo", "") == 0 && extism_plugin_error(plugin) == NULL);
  CHECK(Call(plugin, "absent", "") == -1);
  CHECK(extism_plugin_config(plugin, Bytes("{}"), 2) && extism_plugin_error(plugin) == NULL);
  extism_plugin_free(plugin);
}

static void FunctionExists(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(extism_plugin_function_exists(plugin, "echo"));
  CHECK(extism_plugin_function_exists(plugin, "nothing"));
  CHECK(!extism_plugin_function_exists(plugin, "takes"));
  CHECK(!extism_plugin_function_exists(plugin, "long"));
  CHECK(!extism_plugin_function_exists(plugin, "memory"));
  CHECK(!extism_plugin_function_exists(plugin, "absent"));
  CHECK(!extism_plugin_function_exists(plugin, "bad \xff name"));
  extism_plugin_free(plugin);
}

static bool Config(ExtismPlugin *plugin, const char *json) { return extism_plugin_config(plugin, Bytes(json), strlen(json)); }
static void Configuration(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "config", "key") == 0 && OutputIs(plugin, ""));
  CHECK(Config(plugin, "{\"key\":\"one\",\"other\":\"two\"}"));
  CHECK(Call(plugin, "config", "key") == 0 && OutputIs(plugin, "one"));
  CHECK(Config(plugin, "{\"key\":null}"));
  CHECK(Call(plugin, "config", "key") == 0 && OutputIs(plugin, ""));
  CHECK(Call(plugin, "config", "other") == 0 && OutputIs(plugin, "two"));
  const char *const bad[] = {"", "{", "[]", "null", "{\"key\":1}", "{\"other\":\"new\",\"key\":{}}", "{\"key\":\"x\"} x", "\"text\""};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) CHECK(!Config(plugin, bad[i]));
  CHECK(Call(plugin, "config", "other") == 0 && OutputIs(plugin, "two"));
  extism_plugin_free(plugin);
}

static void Reset(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(extism_plugin_reset(plugin)); /* before the first call */
  CHECK(Call(plugin, "fail", "an error") == 3);
  CHECK(Call(plugin, "echo", "twelve bytes") == 0);
  CHECK(extism_plugin_reset(plugin));
  CHECK(extism_plugin_output_length(plugin) == 12); /* stays; the bytes do not */
  CHECK(Call(plugin, "fail", "an error") == 3);
  CHECK(extism_plugin_reset(plugin));
  CHECK_TEXT(extism_plugin_error(plugin), "");
  CHECK(Call(plugin, "echo", "works") == 0 && OutputIs(plugin, "works"));
  extism_plugin_free(plugin);
}

static void Fuel(void) {
  char *why = NULL;
  const char *unlinked = "(module (import \"nobody\" \"has\" (func)))";
  CHECK(extism_plugin_new_with_fuel_limit(Bytes(unlinked), strlen(unlinked), NULL, 0, false, 100000, &why) == NULL);
  CHECK_TEXT(why, "Unable to create Extism plugin: unknown import: `nobody::has` has not been defined");
  extism_plugin_new_error_free(why);
  why = NULL;
  ExtismPlugin *plugin = extism_plugin_new_with_fuel_limit(Bytes(kModule), strlen(kModule), NULL, 0, false, 100000, &why);
  NEED(plugin != NULL && why == NULL);
  for (int i = 0; i < 2; ++i) {
    CHECK(Call(plugin, "spin", "") == -1);
    CHECK_TEXT(extism_plugin_error(plugin), "plugin ran out of fuel");
    CHECK(Call(plugin, "echo", "enough") == 0 && OutputIs(plugin, "enough"));
  }
  extism_plugin_free(plugin);
  ExtismCompiledPlugin *compiled = extism_compiled_plugin_new_with_fuel_limit(Bytes(kModule), strlen(kModule), NULL, 0, false, 100000, &why);
  NEED(compiled != NULL);
  plugin = extism_plugin_new_from_compiled(compiled, &why);
  extism_compiled_plugin_free(compiled);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "spin", "") == -1);
  extism_plugin_free(plugin);
}

/* ---- from other threads */

static void Timeout(void) {
  char manifest[256];
  snprintf(manifest, sizeof manifest, "{\"wasm\":[{\"data\":{\"ptr\":%llu,\"len\":%llu}}],\"timeout_ms\":50}", (unsigned long long)(uintptr_t)kModule,
           (unsigned long long)strlen(kModule));
  ExtismPlugin *plugin = New(manifest);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "spin", "") == 134);
  CHECK_TEXT(extism_plugin_error(plugin), "timeout");
  /* It can be called again: one that takes no time, since 50 ms may pass on a busy machine. */
  CHECK(Call(plugin, "absent", "") == -1);
  CHECK_TEXT(extism_plugin_error(plugin), "Function not found: absent");
  extism_plugin_free(plugin);
}

struct Cancelling {
  const ExtismCancelHandle *handle;
};
static void CancelFromGuest(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)plugin, (void)in, (void)n_in, (void)out, (void)n_out;
  /* The call surely runs, since it calls this. */
  CHECK(extism_plugin_cancel(((struct Cancelling *)data)->handle));
}
static void Cancel(void) {
  struct Cancelling cancelling = {NULL};
  ExtismFunction *function = extism_function_new("notify", NULL, 0, NULL, 0, CancelFromGuest, &cancelling, NULL);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = NewWith(kNotifyModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  cancelling.handle = extism_plugin_cancel_handle(plugin);
  NEED(cancelling.handle != NULL);
  CHECK(Call(plugin, "quiet", "") == 0);
  CHECK(extism_plugin_cancel(cancelling.handle)); /* no call runs: it does nothing, */
  CHECK(Call(plugin, "quiet", "") == 0);          /* not even to the next one */
  CHECK(Call(plugin, "notify_and_spin", "") == 134);
  CHECK_TEXT(extism_plugin_error(plugin), "timeout");
  CHECK(Call(plugin, "quiet", "") == 0);
  extism_plugin_free(plugin);
}

static void *CallOften(void *plugin) {
  for (int i = 0; i < 200; ++i) {
    if (Call(plugin, "echo", "the same for all") != 0) return plugin;
    if (extism_plugin_output_length(plugin) != strlen("the same for all")) return plugin;
  }
  return NULL;
}
static void Threads(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, CallOften, plugin);
  for (int i = 0; i < 4; ++i) {
    void *failed = NULL;
    pthread_join(threads[i], &failed);
    CHECK(failed == NULL);
  }
  extism_plugin_free(plugin);
}

/* ---- host functions */

static int freed;
static void CountFree(void *data) { freed += data == &freed; }

static void AnswerTest(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  CHECK(n_in == 1 && n_out == 1 && in[0].t == EXTISM_PTR && out[0].t == EXTISM_PTR && out[0].v.i64 == 0);
  const ExtismMemoryHandle input = (ExtismMemoryHandle)in[0].v.i64;
  const ExtismSize length = extism_current_plugin_memory_length(plugin, input);
  CHECK(length == 5 && memcmp(extism_current_plugin_memory(plugin) + input, "input", 5) == 0);
  /* Not the start of a block, and not in memory. */
  CHECK(extism_current_plugin_memory_length(plugin, input + 1) == 0);
  CHECK(extism_current_plugin_memory_length(plugin, 0) == 0);
  CHECK(extism_current_plugin_memory_length(plugin, 1ull << 40) == 0);
  extism_current_plugin_memory_free(plugin, 1ull << 40);
  extism_current_plugin_memory_free(plugin, 0);
  CHECK(extism_current_plugin_memory_alloc(plugin, 0) == 0);
  const ExtismMemoryHandle short_lived = extism_current_plugin_memory_alloc(plugin, 100);
  CHECK(short_lived != 0 && extism_current_plugin_memory_length(plugin, short_lived) == 100);
  extism_current_plugin_memory_free(plugin, short_lived);
  CHECK(extism_current_plugin_memory_length(plugin, short_lived) == 0);
  const char *text = data == NULL ? "no data" : data == &freed ? "counted" : data;
  const ExtismMemoryHandle answer = extism_current_plugin_memory_alloc(plugin, strlen(text));
  CHECK(extism_current_plugin_memory_length(plugin, answer) == strlen(text));
  memcpy(extism_current_plugin_memory(plugin) + answer, text, strlen(text));
  out[0].v.i64 = (int64_t)answer;
}
static const ExtismValType kPointer[] = {EXTISM_PTR};
static ExtismFunction *HelloWorld(void *data, void (*free_data)(void *)) {
  return extism_function_new("hello_world", kPointer, 1, kPointer, 1, AnswerTest, data, free_data);
}

static void HostFunction(void) {
  char data[] = "test";
  ExtismFunction *function = HelloWorld(data, NULL);
  NEED(function != NULL);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = NewWith(kHelloModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "run", "input") == 0 && OutputIs(plugin, "test"));
  CHECK(Call(plugin, "run", "input") == 0 && OutputIs(plugin, "test"));
  extism_plugin_free(plugin);
}

static void GrowsMemory(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)in, (void)n_in, (void)n_out, (void)data;
  /* base + handle is right for every block, also when memory grew in between. */
  ExtismMemoryHandle handles[40];
  for (int i = 0; i < 40; ++i) {
    handles[i] = extism_current_plugin_memory_alloc(plugin, 50000);
    CHECK(handles[i] != 0);
    memset(extism_current_plugin_memory(plugin) + handles[i], i + 1, 50000);
  }
  for (int i = 0; i < 40; ++i) {
    const uint8_t *block = extism_current_plugin_memory(plugin) + handles[i];
    CHECK(block[0] == i + 1 && block[49999] == i + 1);
  }
  out[0].v.i64 = (int64_t)handles[39];
}
static void HostFunctionThatAllocatesMuch(void) {
  ExtismFunction *function = extism_function_new("hello_world", kPointer, 1, kPointer, 1, GrowsMemory, NULL, NULL);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = NewWith(kHelloModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  for (int i = 0; i < 3; ++i) {
    CHECK(Call(plugin, "run", "input") == 0);
    CHECK(extism_plugin_output_length(plugin) == 50000 && extism_plugin_output_data(plugin)[49999] == 40);
  }
  extism_plugin_free(plugin);
}

static void Mixes(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)plugin, (void)data;
  CHECK(n_in == 4 && n_out == 4);
  CHECK(in[0].t == ExtismValType_I32 && in[0].v.i32 == -3);
  CHECK(in[1].t == ExtismValType_I64 && in[1].v.i64 == -5000000000);
  CHECK(in[2].t == ExtismValType_F32 && in[2].v.f32 == 1.5f);
  CHECK(in[3].t == ExtismValType_F64 && in[3].v.f64 == -0.1);
  for (int i = 0; i < 4; ++i) CHECK(out[i].t == in[i].t);
  out[0].v.i32 = in[0].v.i32 * 2;
  out[1].v.i64 = in[1].v.i64 * 2;
  out[2].v.f32 = in[2].v.f32 * 2;
  out[3].v.f64 = in[3].v.f64 * 2;
}
static int visits;
static void Visit(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)plugin, (void)data;
  CHECK(in == NULL && n_in == 0 && out == NULL && n_out == 0);
  ++visits;
}
static void HostFunctionTypes(void) {
  const ExtismValType all[] = {ExtismValType_I32, ExtismValType_I64, ExtismValType_F32, ExtismValType_F64};
  ExtismFunction *mix = extism_function_new("mix", all, 4, all, 4, Mixes, NULL, NULL);
  ExtismFunction *visit = extism_function_new("visit", NULL, 0, NULL, 0, Visit, NULL, NULL);
  extism_function_set_namespace(visit, "elsewhere");
  const ExtismFunction *functions[] = {mix, visit};
  ExtismPlugin *plugin = NewWith(kMixModule, functions, 2);
  extism_function_free(mix);
  extism_function_free(visit);
  NEED(plugin != NULL);
  visits = 0;
  CHECK(Call(plugin, "mix", "") == 1); /* all four came back as they should */
  CHECK(Call(plugin, "visit", "") == 0 && visits == 2);
  extism_plugin_free(plugin);
}

static void Misregistered(const ExtismFunction **functions, ExtismSize count, const char *expected) {
  char *why = NULL;
  CHECK(extism_plugin_new(Bytes(kHelloModule), strlen(kHelloModule), functions, count, false, &why) == NULL);
  CHECK_TEXT(why, expected);
  extism_plugin_new_error_free(why);
  why = NULL;
  CHECK(extism_compiled_plugin_new(Bytes(kHelloModule), strlen(kHelloModule), functions, count, false, &why) == NULL);
  CHECK_TEXT(why, expected);
  extism_plugin_new_error_free(why);
}
static void FunctionsForOnePluginOnly(void) {
  ExtismFunction *function = HelloWorld(NULL, NULL);
  const ExtismFunction *functions[] = {function, NULL};
  ExtismPlugin *plugin = NewWith(kHelloModule, functions, 1);
  NEED(plugin != NULL);
  Misregistered(functions, 1, "Function cannot be registered with multiple different Plugins");
  const ExtismFunction *null_first[] = {NULL, function};
  Misregistered(null_first, 2, "Cannot pass null pointer");
  extism_function_set_namespace(function, "too late");
  extism_function_free(function);
  CHECK(Call(plugin, "run", "input") == 0 && OutputIs(plugin, "no data"));
  extism_plugin_free(plugin);
  CHECK(extism_function_new("bad \xff name", NULL, 0, NULL, 0, Visit, NULL, NULL) == NULL);
}

static void UserDataIsFreedOnce(void) {
  freed = 0;
  ExtismFunction *function = HelloWorld(&freed, CountFree);
  extism_function_free(function); /* never taken */
  CHECK(freed == 1);

  freed = 0;
  function = HelloWorld(&freed, CountFree);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = NewWith(kHelloModule, functions, 1);
  NEED(plugin != NULL);
  extism_function_free(function);
  CHECK(freed == 0 && Call(plugin, "run", "input") == 0 && OutputIs(plugin, "counted"));
  extism_plugin_free(plugin);
  CHECK(freed == 1);

  freed = 0;
  functions[0] = function = HelloWorld(&freed, CountFree);
  ExtismCompiledPlugin *compiled = extism_compiled_plugin_new(Bytes(kHelloModule), strlen(kHelloModule), functions, 1, false, NULL);
  NEED(compiled != NULL);
  ExtismPlugin *one = extism_plugin_new_from_compiled(compiled, NULL), *other = extism_plugin_new_from_compiled(compiled, NULL);
  extism_compiled_plugin_free(compiled);
  extism_plugin_free(one);
  CHECK(freed == 0 && Call(other, "run", "input") == 0);
  extism_plugin_free(other);
  CHECK(freed == 1);
  extism_function_free(function);
  CHECK(freed == 1);

  freed = 0; /* taken by what fails */
  functions[0] = function = HelloWorld(&freed, CountFree);
  CHECK(extism_plugin_new(Bytes("no"), 2, functions, 1, false, NULL) == NULL);
  extism_function_free(function);
  CHECK(freed == 1);
}

static void HasContext(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)in, (void)n_in, (void)out, (void)n_out;
  *(void **)data = extism_current_plugin_host_context(plugin);
}
static void HostContext(void) {
  void *seen = &seen;
  ExtismFunction *function = extism_function_new("notify", NULL, 0, NULL, 0, HasContext, &seen, NULL);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = NewWith(kNotifyModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "notify", "") == 0 && seen == NULL);
  int context = 0;
  CHECK(extism_plugin_call_with_host_context(plugin, "notify", NULL, 0, &context) == 0 && seen == &context);
  CHECK(extism_plugin_call_with_host_context(plugin, "notify", NULL, 0, NULL) == 0 && seen == NULL);
  extism_plugin_free(plugin);
}

/* ---- where Weir does better */

static void NullEverywhere(void) {
  CHECK(extism_plugin_id(NULL) == NULL);
  CHECK(extism_current_plugin_host_context(NULL) == NULL);
  CHECK(extism_current_plugin_memory(NULL) == NULL);
  CHECK(extism_current_plugin_memory_alloc(NULL, 8) == 0);
  CHECK(extism_current_plugin_memory_length(NULL, 8) == 0);
  extism_current_plugin_memory_free(NULL, 8);
  CHECK(extism_function_new(NULL, NULL, 0, NULL, 0, Visit, NULL, NULL) == NULL);
  CHECK(extism_function_new("name", NULL, 0, NULL, 0, NULL, NULL, NULL) == NULL);
  extism_function_free(NULL);
  extism_function_set_namespace(NULL, "name");
  char *why = NULL;
  CHECK(extism_plugin_new(NULL, 0, NULL, 0, false, &why) == NULL && why != NULL);
  extism_plugin_new_error_free(why);
  CHECK(extism_plugin_new(NULL, 100, NULL, 100, false, NULL) == NULL);
  CHECK(extism_plugin_new(Bytes("x"), UINT64_MAX, NULL, 0, false, NULL) == NULL);
  CHECK(extism_plugin_new_with_fuel_limit(NULL, 0, NULL, 0, false, 1, NULL) == NULL);
  CHECK(extism_compiled_plugin_new(NULL, 0, NULL, 0, false, NULL) == NULL);
  CHECK(extism_compiled_plugin_new_with_fuel_limit(NULL, 0, NULL, 0, false, 1, NULL) == NULL);
  extism_compiled_plugin_free(NULL);
  why = NULL;
  CHECK(extism_plugin_new_from_compiled(NULL, &why) == NULL && why != NULL);
  extism_plugin_new_error_free(why);
  extism_plugin_allow_http_response_headers(NULL);
  extism_plugin_new_error_free(NULL);
  extism_plugin_free(NULL);
  CHECK(extism_plugin_cancel_handle(NULL) == NULL);
  CHECK(!extism_plugin_cancel(NULL));
  CHECK(!extism_plugin_config(NULL, Bytes("{}"), 2));
  CHECK(!extism_plugin_function_exists(NULL, "f"));
  CHECK(extism_plugin_call(NULL, "f", NULL, 0) == -1);
  CHECK(extism_plugin_call_with_host_context(NULL, "f", NULL, 0, NULL) == -1);
  CHECK(extism_error(NULL) == NULL && extism_plugin_error(NULL) == NULL);
  CHECK(extism_plugin_output_length(NULL) == 0 && extism_plugin_output_data(NULL) == NULL);
  extism_log_drain(NULL);
  CHECK(!extism_plugin_reset(NULL));
}

static void NullOfAPlugin(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(extism_plugin_output_length(plugin) == 0 && extism_plugin_output_data(plugin) != NULL);
  CHECK(extism_plugin_call(plugin, NULL, NULL, 0) == -1 && extism_plugin_error(plugin) != NULL);
  CHECK(extism_plugin_call(plugin, "echo", NULL, 5) == -1 && extism_plugin_error(plugin) != NULL);
  CHECK(extism_plugin_call(plugin, "echo", Bytes("x"), UINT64_MAX) == -1 && extism_plugin_error(plugin) != NULL);
  CHECK(extism_plugin_call(plugin, "echo", NULL, 0) == 0 && extism_plugin_output_length(plugin) == 0);
  CHECK(!extism_plugin_function_exists(plugin, NULL));
  CHECK(!extism_plugin_config(plugin, NULL, 5));
  CHECK(!extism_plugin_config(plugin, Bytes("{}"), UINT64_MAX));
  extism_plugin_free(plugin);
}

static void LyingSizes(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)in, (void)n_in, (void)n_out, (void)data;
  const ExtismSize sizes[] = {UINT64_MAX, UINT64_MAX - 11, 1ull << 63, 1ull << 40, UINT32_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) CHECK(extism_current_plugin_memory_alloc(plugin, sizes[i]) == 0);
  CHECK(extism_current_plugin_memory_length(plugin, UINT64_MAX) == 0);
  extism_current_plugin_memory_free(plugin, UINT64_MAX);
  out[0].v.i64 = (int64_t)extism_current_plugin_memory_alloc(plugin, 3);
  memcpy(extism_current_plugin_memory(plugin) + out[0].v.i64, "yes", 3);
}
static void SizesNearTheEndOfNumbers(void) {
  ExtismFunction *function = extism_function_new("hello_world", kPointer, 1, kPointer, 1, LyingSizes, NULL, NULL);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = NewWith(kHelloModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "run", "input") == 0 && OutputIs(plugin, "yes"));
  extism_plugin_free(plugin);
  /* An output range that wraps. */
  plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "output_wraps", "") == 0 && extism_plugin_output_length(plugin) == 0);
  CHECK(Call(plugin, "alloc_wraps", "") == 0);
  CHECK(Call(plugin, "echo", "sound") == 0 && OutputIs(plugin, "sound"));
  extism_plugin_free(plugin);
}

static void TypesThatAreNone(void) {
  const ExtismValType types[] = {ExtismValType_V128, ExtismValType_FuncRef, ExtismValType_ExternRef, (ExtismValType)7, (ExtismValType)-1};
  for (size_t i = 0; i < sizeof types / sizeof *types; ++i) {
    freed = 0;
    ExtismFunction *function = extism_function_new("hello_world", &types[i], 1, kPointer, 1, AnswerTest, &freed, CountFree);
    NEED(function != NULL);
    const ExtismFunction *functions[] = {function};
    Misregistered(functions, 1, "Function hello_world: its types can be I32, I64, F32 and F64");
    extism_function_free(function);
    CHECK(freed == 1);
  }
  CHECK(extism_function_new("f", kPointer, UINT64_MAX, NULL, 0, Visit, NULL, NULL) == NULL);
}

static void ChangesType(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)plugin, (void)in, (void)n_in, (void)n_out, (void)data;
  out[0].t = ExtismValType_F32;
}
static void ResultOfAnotherType(void) {
  ExtismFunction *function = extism_function_new("hello_world", kPointer, 1, kPointer, 1, ChangesType, NULL, NULL);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = NewWith(kHelloModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "run", "input") == -1 && extism_plugin_error(plugin) != NULL);
  extism_plugin_free(plugin);
}

static void UsesItself(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)plugin, (void)in, (void)n_in, (void)out, (void)n_out;
  ExtismPlugin *itself = *(ExtismPlugin **)data;
  CHECK(Call(itself, "quiet", "") == -1);
  CHECK_TEXT(extism_plugin_error(itself), "cannot make reentrant calls into plugin");
  CHECK(extism_plugin_output_length(itself) == 0 && extism_plugin_output_data(itself) != NULL);
  CHECK(extism_plugin_function_exists(itself, "quiet"));
  CHECK(Config(itself, "{\"a\":\"b\"}"));
  CHECK(extism_plugin_reset(itself));
}
static void FreesItself(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)plugin, (void)in, (void)n_in, (void)out, (void)n_out;
  extism_plugin_free(*(ExtismPlugin **)data);
}
static void HostFunctionsOnTheirPlugin(void) {
  ExtismPlugin *plugin = NULL;
  ExtismFunction *function = extism_function_new("notify", NULL, 0, NULL, 0, UsesItself, &plugin, NULL);
  const ExtismFunction *functions[] = {function};
  plugin = NewWith(kNotifyModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "notify", "") == 0 && extism_plugin_error(plugin) == NULL);
  CHECK(Call(plugin, "notify", "input") == 0);
  extism_plugin_free(plugin);

  function = extism_function_new("notify", NULL, 0, NULL, 0, FreesItself, &plugin, NULL);
  functions[0] = function;
  plugin = NewWith(kNotifyModule, functions, 1);
  extism_function_free(function);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "notify", "") == 0); /* it ends with the call */
}

/* ---- the log: last, since it is set once a process */

static char drained[2000];
static void Drained(const char *line, ExtismSize size) {
  CHECK(strlen(line) == size);
  strncat(drained, line, sizeof drained - strlen(drained) - 1);
}
static void LogOff(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(Call(plugin, "log_level", "") == INT32_MAX);
  CHECK(Call(plugin, "log", "unheard") == 0);
  extism_log_drain(Drained);
  CHECK_TEXT(drained, "");
  extism_plugin_free(plugin);
}
static void LogCustom(void) {
  ExtismPlugin *plugin = New(kModule); /* made before, told after */
  NEED(plugin != NULL);
  CHECK(!extism_log_custom("bad \xff text"));
  CHECK(!extism_log_file("bad \xff text", NULL));
  CHECK(extism_log_custom("info"));
  CHECK(!extism_log_file("stderr", NULL));
  CHECK(Call(plugin, "log_level", "") == 2);
  CHECK(Call(plugin, "log", "heard") == 0);
  CHECK(Call(plugin, "log_debug", "unheard") == 0);
  extism_log_drain(Drained);
  CHECK(strstr(drained, "  INFO extism::pdk: heard plugin=\"") != NULL && strstr(drained, "unheard") == NULL);
  drained[0] = '\0';
  extism_log_drain(Drained);
  CHECK_TEXT(drained, "");
  extism_plugin_free(plugin);
}
static void LogTwice(void) {
  ExtismPlugin *plugin = New(kModule);
  NEED(plugin != NULL);
  CHECK(!extism_log_custom("trace"));
  CHECK(!extism_log_file("there/is/no/such/folder", "trace"));
  CHECK(Call(plugin, "log", "still heard") == 0);
  extism_log_drain(Drained);
  CHECK(strstr(drained, "still heard") != NULL);
  extism_plugin_free(plugin);
}

/* ---- layouts */

_Static_assert(sizeof(ExtismVal) == 16 && offsetof(ExtismVal, v) == 8, "as in libextism's extism.h");
_Static_assert(sizeof(ExtismValType) == 4 && sizeof(ExtismValUnion) == 8, "as in libextism's extism.h");
_Static_assert(sizeof(ExtismSize) == 8 && sizeof(ExtismMemoryHandle) == 8, "as in libextism's extism.h");
_Static_assert(ExtismValType_I32 == 0 && ExtismValType_V128 == 4 && ExtismValType_ExternRef == 6, "as in libextism's extism.h");
_Static_assert(EXTISM_SUCCESS == 0 && EXTISM_PTR == ExtismValType_I64, "as in libextism's extism.h");

struct Case {
  const char *name;
  void (*run)(void);
  bool weir_only;
};
static const struct Case kCases[] = {
    {"version", Version, false},
    {"id", Id, false},
    {"manifest with bytes of the process", ManifestWithBytesOfTheProcess, false},
    {"bad sources", BadSources, false},
    {"compiled", Compiled, false},
    {"echo", Echo, false},
    {"count vowels", CountVowels, false},
    {"codes", Codes, false},
    {"errors", Errors, false},
    {"function exists", FunctionExists, false},
    {"configuration", Configuration, false},
    {"reset", Reset, false},
    {"fuel", Fuel, false},
    {"timeout", Timeout, false},
    {"cancel", Cancel, false},
    {"threads", Threads, false},
    {"host function", HostFunction, false},
    {"host function that allocates much", HostFunctionThatAllocatesMuch, false},
    {"host function types", HostFunctionTypes, false},
    {"functions for one plugin only", FunctionsForOnePluginOnly, false},
    {"user data is freed once", UserDataIsFreedOnce, false},
    {"host context", HostContext, false},
    {"null everywhere", NullEverywhere, true},
    {"null of a plugin", NullOfAPlugin, true},
    {"sizes near the end of numbers", SizesNearTheEndOfNumbers, true},
    {"types that are none", TypesThatAreNone, true},
    {"result of another type", ResultOfAnotherType, true},
    {"host functions on their plugin", HostFunctionsOnTheirPlugin, true},
    {"log off", LogOff, false},
    {"log custom", LogCustom, false},
    {"log twice", LogTwice, true},
};

static int Layout(void) {
  printf("%zu %zu %zu %zu %zu %zu %zu", sizeof(ExtismVal), _Alignof(ExtismVal), offsetof(ExtismVal, v), sizeof(ExtismValUnion), sizeof(ExtismValType),
         sizeof(ExtismSize), sizeof(ExtismMemoryHandle));
  /* By name. */
  printf(" ('ExtismValType_ExternRef', %d) ('ExtismValType_F32', %d) ('ExtismValType_F64', %d) ('ExtismValType_FuncRef', %d)", ExtismValType_ExternRef,
         ExtismValType_F32, ExtismValType_F64, ExtismValType_FuncRef);
  printf(" ('ExtismValType_I32', %d) ('ExtismValType_I64', %d) ('ExtismValType_V128', %d)\n", ExtismValType_I32, ExtismValType_I64, ExtismValType_V128);
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--layout") == 0) return Layout();
  const bool reference = argc > 1 && strcmp(argv[1], "--reference") == 0;
  int passed = 0, failed = 0, skipped = 0;
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; ++i) {
    if (reference && kCases[i].weir_only) {
      ++skipped;
      continue;
    }
    failures = 0;
    kCases[i].run();
    printf("%s %s\n", failures == 0 ? "ok  " : "FAIL", kCases[i].name);
    fflush(stdout);
    failures == 0 ? ++passed : ++failed;
  }
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed != 0;
}
