/* Plugins that come and go leave nothing: memory after many is what it was after the first ones.
 *
 *   leak [FROM_COMPILED [NEW]]    how many plugins of each kind (20000, and 2000 which are each compiled, or loaded from the cache)
 */
#include <extism.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capi/testing/modules.h"

/* What may differ: the allocator's and the kernel's own rounding. One leaked page a plugin would be 80 MiB. */
static const long kSlackBytes = 4 << 20;

static long ResidentBytes(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2) exit(2);
  fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

static long Mappings(void) {
  long lines = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  if (file == NULL) exit(2);
  for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

static int freed;
static void Free(void *data) { freed += data == &freed; }
static void Answer(ExtismCurrentPlugin *plugin, const ExtismVal *in, ExtismSize n_in, ExtismVal *out, ExtismSize n_out, void *data) {
  (void)in, (void)n_in, (void)n_out, (void)data;
  out[0].v.i64 = (int64_t)extism_current_plugin_memory_alloc(plugin, 100000);
}
static const ExtismValType kPointer[] = {EXTISM_PTR};

static int Use(ExtismPlugin *plugin) {
  const bool good = plugin != NULL && extism_plugin_call(plugin, "run", (const uint8_t *)"input", 5) == 0 && extism_plugin_output_length(plugin) == 100000 &&
                    extism_plugin_call(plugin, "absent", NULL, 0) == -1 && extism_plugin_error(plugin) != NULL;
  extism_plugin_free(plugin);
  return good;
}

static int NewOne(void) {
  ExtismFunction *function = extism_function_new("hello_world", kPointer, 1, kPointer, 1, Answer, &freed, Free);
  const ExtismFunction *functions[] = {function};
  ExtismPlugin *plugin = extism_plugin_new((const uint8_t *)kHelloModule, strlen(kHelloModule), functions, 1, false, NULL);
  extism_function_free(function);
  return Use(plugin);
}

static ExtismCompiledPlugin *compiled;
static int FromCompiled(void) { return Use(extism_plugin_new_from_compiled(compiled, NULL)); }

static int Flat(const char *what, int (*one)(void), long count) {
  for (long i = 0; i < count / 10 + 100; ++i) {
    if (!one()) return 0;
  }
  const long before = ResidentBytes(), mappings = Mappings();
  for (long i = 0; i < count; ++i) {
    if (!one()) return 0;
  }
  const long grown = ResidentBytes() - before, mapped = Mappings() - mappings;
  const int good = grown < kSlackBytes && mapped < 64;
  printf("%s %ld %s: %+ld KiB, %+ld mappings\n", good ? "ok  " : "FAIL", count, what, grown / 1024, mapped);
  return good;
}

int main(int argc, char **argv) {
  const long from_compiled = argc > 1 ? strtol(argv[1], NULL, 10) : 20000, new_ones = argc > 2 ? strtol(argv[2], NULL, 10) : 2000;
  ExtismFunction *function = extism_function_new("hello_world", kPointer, 1, kPointer, 1, Answer, &freed, Free);
  const ExtismFunction *functions[] = {function};
  compiled = extism_compiled_plugin_new((const uint8_t *)kHelloModule, strlen(kHelloModule), functions, 1, false, NULL);
  extism_function_free(function);
  if (compiled == NULL) return 1;
  int passed = Flat("plugins of one that is compiled", FromCompiled, from_compiled);
  extism_compiled_plugin_free(compiled);
  freed = 0;
  passed += Flat("plugins of a module", NewOne, new_ones);
  const long expected = new_ones + new_ones / 10 + 100;
  printf("%s user data was freed for each\n", freed == expected ? "ok  " : "FAIL");
  passed += freed == expected;
  printf("%d passed, %d failed, 0 skipped\n", passed, 3 - passed);
  return passed != 3;
}
