/* The C interface of Extism 1.41, by Weir: programs written for libextism compile and run with it unchanged.
 *
 * A plugin is a WebAssembly module whose functions take bytes and give bytes. Unless said otherwise null pointers are answered with
 * null, 0, false or -1; what a function returns stays its plugin's, and is good until that plugin is called again or freed. A plugin
 * may be used by several threads: calls wait for each other. */
#ifndef WEIR_EXTISM_H_
#define WEIR_EXTISM_H_

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t ExtismSize;
/* Offset of a block in a plugin's kernel memory; 0 is none. extism_current_plugin_memory() + handle is its first byte. */
typedef uint64_t ExtismMemoryHandle;

typedef enum {
  ExtismValType_I32,
  ExtismValType_I64,
  ExtismValType_F32,
  ExtismValType_F64,
  ExtismValType_V128,      /* the last three are not for host functions */
  ExtismValType_FuncRef,
  ExtismValType_ExternRef,
} ExtismValType;
/* The type of a handle. */
#define EXTISM_PTR ExtismValType_I64
#define EXTISM_SUCCESS 0

typedef union {
  int32_t i32;
  int64_t i64;
  float f32;
  double f64;
} ExtismValUnion;

typedef struct {
  ExtismValType t;
  ExtismValUnion v;
} ExtismVal;

typedef struct ExtismCancelHandle ExtismCancelHandle;
typedef struct ExtismCompiledPlugin ExtismCompiledPlugin;
typedef struct ExtismCurrentPlugin ExtismCurrentPlugin;
typedef struct ExtismFunction ExtismFunction;
typedef struct ExtismPlugin ExtismPlugin;

/* A host function. `outputs` are zero and have their types; without inputs or outputs those pointers are null. */
typedef void (*ExtismFunctionType)(ExtismCurrentPlugin *plugin, const ExtismVal *inputs, ExtismSize n_inputs, ExtismVal *outputs,
                                   ExtismSize n_outputs, void *data);
typedef void (*ExtismLogDrainFunctionType)(const char *data, ExtismSize size);

const char *extism_version(void);

/* ---- plugins. `wasm` is a module, binary or text, or a manifest, JSON or TOML. The functions of the array are taken over: each still
 * has to be freed, and can be used for no other plugin. On failure: null, and *errmsg (unless errmsg is null) says why; it is freed
 * with extism_plugin_new_error_free. */
ExtismPlugin *extism_plugin_new(const uint8_t *wasm, ExtismSize wasm_size, const ExtismFunction **functions, ExtismSize n_functions,
                                bool with_wasi, char **errmsg);
/* Each call may take so much fuel: about one for an instruction. */
ExtismPlugin *extism_plugin_new_with_fuel_limit(const uint8_t *wasm, ExtismSize wasm_size, const ExtismFunction **functions,
                                                ExtismSize n_functions, bool with_wasi, uint64_t fuel_limit, char **errmsg);
void extism_plugin_new_error_free(char *err);
void extism_plugin_free(ExtismPlugin *plugin);

/* Compiled once, for many plugins. */
ExtismCompiledPlugin *extism_compiled_plugin_new(const uint8_t *wasm, ExtismSize wasm_size, const ExtismFunction **functions,
                                                 ExtismSize n_functions, bool with_wasi, char **errmsg);
ExtismCompiledPlugin *extism_compiled_plugin_new_with_fuel_limit(const uint8_t *wasm, ExtismSize wasm_size,
                                                                 const ExtismFunction **functions, ExtismSize n_functions,
                                                                 bool with_wasi, uint64_t fuel_limit, char **errmsg);
void extism_compiled_plugin_free(ExtismCompiledPlugin *plugin);
ExtismPlugin *extism_plugin_new_from_compiled(const ExtismCompiledPlugin *compiled, char **errmsg);

/* 16 bytes: a UUID of version 4. */
const uint8_t *extism_plugin_id(ExtismPlugin *plugin);
/* Whether the plugin exports a function of that name that can be called: no parameters, and no result or an i32. */
bool extism_plugin_function_exists(ExtismPlugin *plugin, const char *func_name);
/* {"key": "value", "other": null}: sets and removes. False: it is no such JSON. */
bool extism_plugin_config(ExtismPlugin *plugin, const uint8_t *json, ExtismSize json_size);
/* Plugins may read the headers of HTTP responses. */
void extism_plugin_allow_http_response_headers(ExtismPlugin *plugin);

/* ---- calls. What the function returned; -1 when it could not be called, 134 when it was aborted. A plugin that set an error may
 * have returned 0: ask extism_plugin_error. */
int32_t extism_plugin_call(ExtismPlugin *plugin, const char *func_name, const uint8_t *data, ExtismSize data_len);
/* `host_context` is handed to host functions by extism_current_plugin_host_context. */
int32_t extism_plugin_call_with_host_context(ExtismPlugin *plugin, const char *func_name, const uint8_t *data, ExtismSize data_len,
                                             void *host_context);
/* Null: there was none. */
const char *extism_plugin_error(ExtismPlugin *plugin);
/* The older name of extism_plugin_error. */
const char *extism_error(ExtismPlugin *plugin);
ExtismSize extism_plugin_output_length(ExtismPlugin *plugin);
const uint8_t *extism_plugin_output_data(ExtismPlugin *plugin);
/* Forgets all blocks, as each call does before it begins. */
bool extism_plugin_reset(ExtismPlugin *plugin);

/* Part of the plugin: not to be freed, and not to be used after it. */
const ExtismCancelHandle *extism_plugin_cancel_handle(const ExtismPlugin *plugin);
/* From any thread: the call that runs, if one does, ends with "timeout". */
bool extism_plugin_cancel(const ExtismCancelHandle *handle);

/* ---- host functions */
/* Null: the name is not UTF-8, or a type is none of the four numbers. `free_user_data` (may be null) is called when nobody can call
 * the function any more. */
ExtismFunction *extism_function_new(const char *name, const ExtismValType *inputs, ExtismSize n_inputs, const ExtismValType *outputs,
                                    ExtismSize n_outputs, ExtismFunctionType func, void *user_data, void (*free_user_data)(void *));
/* In place of "extism:host/user". */
void extism_function_set_namespace(ExtismFunction *function, const char *name_space);
void extism_function_free(ExtismFunction *function);

/* Inside of a host function. */
uint8_t *extism_current_plugin_memory(ExtismCurrentPlugin *plugin);
ExtismMemoryHandle extism_current_plugin_memory_alloc(ExtismCurrentPlugin *plugin, ExtismSize n);
/* 0 for what is no live block. */
ExtismSize extism_current_plugin_memory_length(ExtismCurrentPlugin *plugin, ExtismMemoryHandle handle);
void extism_current_plugin_memory_free(ExtismCurrentPlugin *plugin, ExtismMemoryHandle handle);
/* Null: the call has none. */
void *extism_current_plugin_host_context(ExtismCurrentPlugin *plugin);

/* ---- logs, of the whole process. The first of the two that is called counts; later ones give false. `log_level` is error, warn, info,
 * debug, trace, or a filter like "extism=debug". */
/* `filename`: "-", "stderr" or null, "stdout", or a file that is appended to. */
bool extism_log_file(const char *filename, const char *log_level);
/* Lines are kept until extism_log_drain hands them over. */
bool extism_log_custom(const char *log_level);
void extism_log_drain(ExtismLogDrainFunctionType handler);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_EXTISM_H_ */
