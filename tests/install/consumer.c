/* A program that was written for libextism: its plugin's answer, and the version. */
#include <extism.h>
#include <stdio.h>
#include <string.h>

static const char kPlugin[] =
    "(module (import \"extism:host/env\" \"input_offset\" (func $input (result i64)))"
    " (import \"extism:host/env\" \"input_length\" (func $length (result i64)))"
    " (import \"extism:host/env\" \"output_set\" (func $output_set (param i64 i64)))"
    " (func (export \"echo\") (result i32) (call $output_set (call $input) (call $length)) (i32.const 0)))";

int main(void) {
  char* why = NULL;
  ExtismPlugin* plugin = extism_plugin_new((const uint8_t*)kPlugin, sizeof kPlugin - 1, NULL, 0, false, &why);
  if (plugin == NULL) {
    fprintf(stderr, "%s\n", why);
    return 1;
  }
  const int32_t code = extism_plugin_call(plugin, "echo", (const uint8_t*)"through", 7);
  printf("%s %d %.*s\n", extism_version(), code, (int)extism_plugin_output_length(plugin), (const char*)extism_plugin_output_data(plugin));
  extism_plugin_free(plugin);
  return 0;
}
