/* libextism, as Weir provides it: the names, types, values and layouts of libextism 1.41's extism.h, so that a program compiled against
 * either header runs with either library. docs/libextism.md says where the two differ.
 *
 *   char *why = NULL;
 *   ExtismPlugin *plugin = extism_plugin_new(wasm, wasm_bytes, NULL, 0, false, &why);
 *   if (plugin == NULL) { puts(why); extism_plugin_new_error_free(why); return 1; }
 *   if (extism_plugin_call(plugin, "greet", (const uint8_t *)"you", 3) == EXTISM_SUCCESS)
 *     fwrite(extism_plugin_output_data(plugin), 1, extism_plugin_output_length(plugin), stdout);
 *   extism_plugin_free(plugin);
 *
 * Null where a function wants something is an error of that function, never undefined, unless said here. Text ends with a zero byte
 * and is UTF-8. Nothing throws. Functions on one plugin from several threads wait for each other. */
#ifndef WEIR_EXTISM_H_
#define WEIR_EXTISM_H_

#include <stdbool.h>
#include <stdint.h>

/** Whose implementation this is. */
#define EXTISM_BY_WEIR 1

/** What a successful call gives. */
#define EXTISM_SUCCESS 0
/** Blocks of a plugin's memory pass as this type. */
#define EXTISM_PTR ExtismValType_I64

/** Declares a host function NAME. */
#define EXTISM_FUNCTION(NAME) \
  extern void NAME(ExtismCurrentPlugin *, const ExtismVal *, ExtismSize, ExtismVal *, ExtismSize, void *)
/** The same as cgo declares it. */
#define EXTISM_GO_FUNCTION(NAME) extern void NAME(void *, ExtismVal *, ExtismSize, ExtismVal *, ExtismSize, uintptr_t)

/** Types of WebAssembly's values. Host functions take and give the first four; a plugin with another cannot be made. */
typedef enum {
  ExtismValType_I32,
  ExtismValType_I64,
  ExtismValType_F32,
  ExtismValType_F64,
  ExtismValType_V128,
  ExtismValType_FuncRef,
  ExtismValType_ExternRef,
} ExtismValType;

/** Stops a plugin's call from another thread. It is the plugin's, and ends with it. */
typedef struct ExtismCancelHandle ExtismCancelHandle;
/** Modules compiled once, for any number of plugins. */
typedef struct ExtismCompiledPlugin ExtismCompiledPlugin;
/** The plugin that is calling a host function, for as long as that function runs. */
typedef struct ExtismCurrentPlugin ExtismCurrentPlugin;
/** A host function, to be given to one plugin. */
typedef struct ExtismFunction ExtismFunction;
typedef struct ExtismPlugin ExtismPlugin;

/** Where a block starts in a plugin's memory (bytes from extism_current_plugin_memory). 0: no block. */
typedef uint64_t ExtismMemoryHandle;
/** Bytes, or a count. */
typedef uint64_t ExtismSize;

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

/** A host function. `outputs` have their types, and are 0; without inputs or outputs that pointer is null. */
typedef void (*ExtismFunctionType)(ExtismCurrentPlugin *plugin, const ExtismVal *inputs, ExtismSize n_inputs, ExtismVal *outputs,
                                   ExtismSize n_outputs, void *data);
/** Gets one line of the log, which is good until it returns. */
typedef void (*ExtismLogDrainFunctionType)(const char *data, ExtismSize size);

#ifdef __cplusplus
extern "C" {
#endif

/* ---- plugins */

/** A plugin of a module (binary or text) or a manifest (JSON or TOML). Takes `functions`: each is good for one plugin, and is still to
 * be freed. Null: an error, and `*errmsg` (if `errmsg` is not null) says which; free it with extism_plugin_new_error_free. */
ExtismPlugin *extism_plugin_new(const uint8_t *wasm, ExtismSize wasm_size, const ExtismFunction **functions, ExtismSize n_functions,
                                bool with_wasi, char **errmsg);
/** The same; each call may take `fuel_limit` instructions. */
ExtismPlugin *extism_plugin_new_with_fuel_limit(const uint8_t *wasm, ExtismSize wasm_size, const ExtismFunction **functions,
                                                ExtismSize n_functions, bool with_wasi, uint64_t fuel_limit, char **errmsg);
/** A plugin of what was compiled; `compiled` may be freed before it. */
ExtismPlugin *extism_plugin_new_from_compiled(const ExtismCompiledPlugin *compiled, char **errmsg);
/** Ends a plugin, when a call that runs on it has ended. Null does nothing. */
void extism_plugin_free(ExtismPlugin *plugin);
/** Null does nothing. */
void extism_plugin_new_error_free(char *err);

/** Compiles for extism_plugin_new_from_compiled; arguments and errors are those of extism_plugin_new. */
ExtismCompiledPlugin *extism_compiled_plugin_new(const uint8_t *wasm, ExtismSize wasm_size, const ExtismFunction **functions,
                                                 ExtismSize n_functions, bool with_wasi, char **errmsg);
ExtismCompiledPlugin *extism_compiled_plugin_new_with_fuel_limit(const uint8_t *wasm, ExtismSize wasm_size,
                                                                 const ExtismFunction **functions, ExtismSize n_functions, bool with_wasi,
                                                                 uint64_t fuel_limit, char **errmsg);
/** Null does nothing. */
void extism_compiled_plugin_free(ExtismCompiledPlugin *plugin);

/** The 16 bytes of the plugin's UUID, good as long as it. */
const uint8_t *extism_plugin_id(ExtismPlugin *plugin);
/** Sets the configuration of a JSON object of strings; null as a value removes. False: it is none, and nothing was set. Forgets the
 * error that extism_plugin_error would tell, unless the plugin set it. */
bool extism_plugin_config(ExtismPlugin *plugin, const uint8_t *json, ExtismSize json_size);
/** Whether the plugin exports a function of this name that extism_plugin_call can call. Forgets the error as extism_plugin_config does. */
bool extism_plugin_function_exists(ExtismPlugin *plugin, const char *func_name);
/** Lets the plugin read the headers of HTTP responses. */
void extism_plugin_allow_http_response_headers(ExtismPlugin *plugin);

/* ---- calls */

/** What the function returned, 0 if it returns nothing; -1 if it could not be called or failed; 134 if it trapped or was stopped. A plugin can set an error and
 * return 0: extism_plugin_error tells. */
int32_t extism_plugin_call(ExtismPlugin *plugin, const char *func_name, const uint8_t *data, ExtismSize data_len);
/** The same; `host_context` is what extism_current_plugin_host_context gives to host functions. */
int32_t extism_plugin_call_with_host_context(ExtismPlugin *plugin, const char *func_name, const uint8_t *data, ExtismSize data_len,
                                             void *host_context);
/** Why the last call failed; null if it did not. Good until the next function on this plugin. */
const char *extism_plugin_error(ExtismPlugin *plugin);
/** Older name of extism_plugin_error. */
const char *extism_error(ExtismPlugin *plugin);
/** The output of the last call: extism_plugin_output_length bytes in the plugin's memory, good until its next call or reset. */
const uint8_t *extism_plugin_output_data(ExtismPlugin *plugin);
ExtismSize extism_plugin_output_length(ExtismPlugin *plugin);
/** Frees all blocks of the plugin's memory, as every call does first. */
bool extism_plugin_reset(ExtismPlugin *plugin);

const ExtismCancelHandle *extism_plugin_cancel_handle(const ExtismPlugin *plugin);
/** Stops the call that runs, which fails with "timeout"; without one it does nothing. */
bool extism_plugin_cancel(const ExtismCancelHandle *handle);

/* ---- host functions */

/** A function that plugins import as `name` from extism:host/user. `free_user_data` (unless null) gets `user_data` (unless null) once,
 * when the function and all that hold it have ended. Null: `name` is no UTF-8, or `func` is null. */
ExtismFunction *extism_function_new(const char *name, const ExtismValType *inputs, ExtismSize n_inputs, const ExtismValType *outputs,
                                    ExtismSize n_outputs, ExtismFunctionType func, void *user_data, void (*free_user_data)(void *_));
/** Null does nothing. */
void extism_function_free(ExtismFunction *f);
/** The module that plugins import it from; before a plugin has taken it. */
void extism_function_set_namespace(ExtismFunction *ptr, const char *namespace_);

/** Where the plugin's memory starts. It stays there while the plugin lives. */
uint8_t *extism_current_plugin_memory(ExtismCurrentPlugin *plugin);
/** A new block of `n` zeros; 0: `n` is 0, or there is no memory. */
ExtismMemoryHandle extism_current_plugin_memory_alloc(ExtismCurrentPlugin *plugin, ExtismSize n);
/** The block's bytes; 0: no block starts there. */
ExtismSize extism_current_plugin_memory_length(ExtismCurrentPlugin *plugin, ExtismMemoryHandle n);
/** Does nothing where no block starts. */
void extism_current_plugin_memory_free(ExtismCurrentPlugin *plugin, ExtismMemoryHandle ptr);
void *extism_current_plugin_host_context(ExtismCurrentPlugin *plugin);

/* ---- logs: of all plugins of the process. The first of these two that succeeds wins, later ones give false. */

/** Writes the log to a file; null, "-" and "stderr", or "stdout" mean those. `log_level`: trace, debug, info, warn, error (the default),
 * or a list such as "extism=debug". */
bool extism_log_file(const char *filename, const char *log_level);
/** Keeps lines for extism_log_drain. */
bool extism_log_custom(const char *log_level);
/** Calls `handler` with each line that is kept, and forgets it. */
void extism_log_drain(ExtismLogDrainFunctionType handler);

/** Of the libextism that this one stands in for: "1.41.0". */
const char *extism_version(void);

#ifdef __cplusplus
}
#endif

#endif
