// The functions of extism.h. What may be null or wrong is looked at here; the rest is weir/extism.h.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "capi/extism.h"
#include "capi/log.h"
#include "extism/json_config.h"
#include "extism/utf8.h"
#include "weir/extism.h"

using weir::extism::Compiled;
using weir::extism::CurrentPlugin;
using weir::extism::HostFunction;
using weir::extism::Plugin;
using weir::extism::Value;
using weir::extism::ValType;

struct ExtismCancelHandle {
  std::shared_ptr<weir::extism::CancelHandle> handle;
};

struct ExtismPlugin {
  std::unique_ptr<Plugin> plugin;
  ExtismCancelHandle cancel;
  // Recursive: a host function that calls its own plugin gets an error, not a deadlock.
  std::recursive_mutex mutex;
  std::string error;         ///< stored message, as extism_plugin_error gives it out
  bool has_error = false;
  std::string_view output;   ///< of the last call; stays through a reset
};

struct ExtismCompiledPlugin {
  std::shared_ptr<Compiled> compiled;
};

/// Emptied by the plugin that takes the function.
struct ExtismFunction {
  std::unique_ptr<HostFunction> function;
};

namespace {

constexpr const char* kVersion = "1.41.0";
constexpr const char* kCannotCompile = "Unable to compile Extism plugin: ";
constexpr const char* kCannotCreate = "Unable to create Extism plugin: ";
constexpr uint64_t kBytesMax = uint64_t{1} << 47;  // more is no object's size

weir::capi::Log& TheLog() {
  static auto* log = new weir::capi::Log;  // never destroyed: plugins may log while the process ends
  return *log;
}

/// Null: no engine can be made here; *why says so.
weir::extism::Runtime* TheRuntime(std::string* why) {
  static auto* made = new weir::Result<std::unique_ptr<weir::extism::Runtime>>(weir::extism::Runtime::Create());
  if (*made) return made->value().get();
  *why = made->error().message;
  return nullptr;
}

/// Compiled code is kept as the reference keeps it: unless this variable is there and empty.
weir::CodeCache Cache() {
  const char* setting = std::getenv("EXTISM_CACHE_CONFIG");
  return setting != nullptr && *setting == '\0' ? weir::CodeCache{} : weir::CodeCache::Default();
}

void SetMessage(char** errmsg, const std::string& text) {
  if (errmsg != nullptr) *errmsg = strdup(text.c_str());
}

/// Takes the functions out of the array. False: errmsg is set.
bool TakeFunctions(const ExtismFunction** functions, ExtismSize count, char** errmsg, std::vector<HostFunction>* taken) {
  if (functions == nullptr) return true;
  for (ExtismSize i = 0; i < count; ++i) {
    auto* function = const_cast<ExtismFunction*>(functions[i]);
    if (function == nullptr || function->function == nullptr) {
      SetMessage(errmsg, function == nullptr ? "Cannot pass null pointer" : "Function cannot be registered with multiple different Plugins");
      return false;
    }
    taken->push_back(std::move(*function->function));
    function->function.reset();
  }
  return true;
}

std::shared_ptr<Compiled> Compile(const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count, bool with_wasi,
                                  std::optional<uint64_t> fuel, char** errmsg) {
  weir::extism::PluginOptions options;
  if (!TakeFunctions(functions, count, errmsg, &options.functions)) return nullptr;
  std::string cause;
  auto* runtime = TheRuntime(&cause);
  if (wasm == nullptr || size > kBytesMax) cause = wasm == nullptr ? "the module is a null pointer" : "the module's size is none";
  if (runtime == nullptr || !cause.empty()) {
    SetMessage(errmsg, kCannotCompile + cause);
    return nullptr;
  }
  options.wasi = with_wasi;
  options.fuel = fuel;
  options.http = weir::extism::CurlClient();
  options.log.shared_level = &TheLog().level();
  options.log.write = [](auto level, std::string_view id, std::string_view message) { TheLog().Write(level, id, message); };
  options.cache = Cache();
  options.manifest_pointers = weir::extism::ManifestPointers::kAllowed;
  auto compiled = runtime->Compile({reinterpret_cast<const char*>(wasm), size}, std::move(options), &cause);
  if (compiled) return *std::move(compiled);
  SetMessage(errmsg, kCannotCompile + cause);
  return nullptr;
}

ExtismPlugin* NewPlugin(Compiled& compiled, const char* prefix, char** errmsg) {
  std::string cause;
  auto made = compiled.NewPlugin(&cause);
  if (!made) {
    SetMessage(errmsg, prefix + cause);
    return nullptr;
  }
  auto plugin = std::make_unique<ExtismPlugin>();
  plugin->plugin = *std::move(made);
  plugin->cancel.handle = plugin->plugin->cancel_handle();
  return plugin.release();
}

/// The user's pointer, and what to do with it when the function is gone.
class UserData {
 public:
  UserData(void* pointer, void (*free)(void*)) : pointer_(pointer), free_(free) {}
  ~UserData() {
    if (free_ != nullptr && pointer_ != nullptr) free_(pointer_);
  }
  UserData(const UserData&) = delete;
  UserData& operator=(const UserData&) = delete;
  void* pointer() const { return pointer_; }

 private:
  void* const pointer_;
  void (*const free_)(void*);
};

bool TakeTypes(const ExtismValType* types, ExtismSize count, std::vector<ValType>* taken) {
  if (types == nullptr) return true;
  for (ExtismSize i = 0; i < count; ++i) {
    if (static_cast<uint32_t>(types[i]) > ExtismValType_F64) return false;
    taken->push_back(static_cast<ValType>(types[i]));
  }
  return true;
}

void CallUser(ExtismFunctionType func, const UserData& data, CurrentPlugin& plugin, const std::vector<ValType>& in_types, std::span<const Value> in,
              const std::vector<ValType>& out_types, std::span<Value> out) {
  std::array<ExtismVal, 16> few;
  std::vector<ExtismVal> many(in.size() + out.size() > few.size() ? in.size() + out.size() : 0);
  ExtismVal* const values = many.empty() ? few.data() : many.data();
  ExtismVal* const outputs = values + in.size();
  static_assert(sizeof(ExtismValUnion) == sizeof(Value));
  for (size_t i = 0; i < in.size(); ++i) {
    values[i].t = static_cast<ExtismValType>(in_types[i]);
    std::memcpy(&values[i].v, &in[i], sizeof(Value));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    outputs[i].t = static_cast<ExtismValType>(out_types[i]);
    outputs[i].v.i64 = 0;
  }
  func(reinterpret_cast<ExtismCurrentPlugin*>(&plugin), in.empty() ? nullptr : values, in.size(), out.empty() ? nullptr : outputs, out.size(), data.pointer());
  for (size_t i = 0; i < out.size(); ++i) std::memcpy(&out[i], &outputs[i].v, sizeof(Value));
}

CurrentPlugin* Current(ExtismCurrentPlugin* plugin) { return reinterpret_cast<CurrentPlugin*>(plugin); }

}  // namespace

extern "C" {

const char* extism_version() { return kVersion; }

ExtismPlugin* extism_plugin_new(const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count, bool with_wasi, char** errmsg) {
  const auto compiled = Compile(wasm, size, functions, count, with_wasi, std::nullopt, errmsg);
  return compiled == nullptr ? nullptr : NewPlugin(*compiled, kCannotCompile, errmsg);
}

ExtismPlugin* extism_plugin_new_with_fuel_limit(const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count,
                                                bool with_wasi, uint64_t fuel_limit, char** errmsg) {
  const auto compiled = Compile(wasm, size, functions, count, with_wasi, fuel_limit, errmsg);
  return compiled == nullptr ? nullptr : NewPlugin(*compiled, kCannotCreate, errmsg);
}

void extism_plugin_new_error_free(char* err) { std::free(err); }

void extism_plugin_free(ExtismPlugin* plugin) { delete plugin; }

ExtismCompiledPlugin* extism_compiled_plugin_new(const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count,
                                                 bool with_wasi, char** errmsg) {
  auto compiled = Compile(wasm, size, functions, count, with_wasi, std::nullopt, errmsg);
  return compiled == nullptr ? nullptr : new ExtismCompiledPlugin{std::move(compiled)};
}

ExtismCompiledPlugin* extism_compiled_plugin_new_with_fuel_limit(const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions,
                                                                 ExtismSize count, bool with_wasi, uint64_t fuel_limit, char** errmsg) {
  auto compiled = Compile(wasm, size, functions, count, with_wasi, fuel_limit, errmsg);
  return compiled == nullptr ? nullptr : new ExtismCompiledPlugin{std::move(compiled)};
}

void extism_compiled_plugin_free(ExtismCompiledPlugin* plugin) { delete plugin; }

ExtismPlugin* extism_plugin_new_from_compiled(const ExtismCompiledPlugin* compiled, char** errmsg) {
  if (compiled != nullptr) return NewPlugin(*compiled->compiled, kCannotCreate, errmsg);
  SetMessage(errmsg, std::string(kCannotCreate) + "the compiled plugin is a null pointer");
  return nullptr;
}

const uint8_t* extism_plugin_id(ExtismPlugin* plugin) { return plugin == nullptr ? nullptr : plugin->plugin->id().data(); }

bool extism_plugin_function_exists(ExtismPlugin* plugin, const char* func_name) {
  if (plugin == nullptr || func_name == nullptr || weir::extism::Utf8Fault(func_name)) return false;
  std::lock_guard lock(plugin->mutex);
  plugin->has_error = false;
  return plugin->plugin->FunctionExists(func_name);
}

bool extism_plugin_config(ExtismPlugin* plugin, const uint8_t* json, ExtismSize json_size) {
  if (plugin == nullptr || json == nullptr || json_size > kBytesMax) return false;
  const auto changes = weir::extism::ParseConfig({reinterpret_cast<const char*>(json), json_size});
  if (!changes) return false;
  std::lock_guard lock(plugin->mutex);
  for (const auto& [key, value] : *changes) plugin->plugin->SetConfig(key, value);
  plugin->has_error = false;
  return true;
}

void extism_plugin_allow_http_response_headers(ExtismPlugin* plugin) {
  if (plugin == nullptr) return;
  std::lock_guard lock(plugin->mutex);
  plugin->plugin->AllowHttpResponseHeaders();
}

int32_t extism_plugin_call(ExtismPlugin* plugin, const char* func_name, const uint8_t* data, ExtismSize data_len) {
  return extism_plugin_call_with_host_context(plugin, func_name, data, data_len, nullptr);
}

int32_t extism_plugin_call_with_host_context(ExtismPlugin* plugin, const char* func_name, const uint8_t* data, ExtismSize data_len,
                                             void* host_context) {
  if (plugin == nullptr) return -1;
  std::lock_guard lock(plugin->mutex);
  const auto fail = [&](std::string text) {
    plugin->error = std::move(text);
    plugin->has_error = true;
    return -1;
  };
  if (func_name == nullptr) return fail("the function's name is a null pointer");
  if (auto fault = weir::extism::Utf8Fault(func_name)) return fail(*std::move(fault));
  if (data != nullptr && data_len > kBytesMax) return fail("the input's length is none");
  const std::string_view input = data == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data), data_len);
  plugin->has_error = false;
  const auto outcome = plugin->plugin->CallRaw(func_name, input, {.host_context = host_context});
  plugin->output = outcome.output;
  if (outcome.failed) {
    plugin->error = outcome.error;
    plugin->has_error = true;
  }
  return outcome.code;
}

const char* extism_plugin_error(ExtismPlugin* plugin) {
  if (plugin == nullptr) return nullptr;
  std::lock_guard lock(plugin->mutex);
  if (auto text = plugin->plugin->GuestError()) {
    plugin->error = *std::move(text);
    plugin->has_error = true;
  }
  return plugin->has_error ? plugin->error.c_str() : nullptr;
}

const char* extism_error(ExtismPlugin* plugin) { return extism_plugin_error(plugin); }

ExtismSize extism_plugin_output_length(ExtismPlugin* plugin) {
  if (plugin == nullptr) return 0;
  std::lock_guard lock(plugin->mutex);
  return plugin->output.size();
}

const uint8_t* extism_plugin_output_data(ExtismPlugin* plugin) {
  if (plugin == nullptr) return nullptr;
  std::lock_guard lock(plugin->mutex);
  // Of no output too there is a place: callers make strings of it.
  static constexpr uint8_t kNothing = 0;
  return plugin->output.data() == nullptr ? &kNothing : reinterpret_cast<const uint8_t*>(plugin->output.data());
}

bool extism_plugin_reset(ExtismPlugin* plugin) {
  if (plugin == nullptr) return false;
  std::lock_guard lock(plugin->mutex);
  plugin->plugin->Reset();
  return true;
}

const ExtismCancelHandle* extism_plugin_cancel_handle(const ExtismPlugin* plugin) { return plugin == nullptr ? nullptr : &plugin->cancel; }

bool extism_plugin_cancel(const ExtismCancelHandle* handle) {
  if (handle == nullptr) return false;
  handle->handle->Cancel();
  return true;
}

ExtismFunction* extism_function_new(const char* name, const ExtismValType* inputs, ExtismSize n_inputs, const ExtismValType* outputs, ExtismSize n_outputs,
                                    ExtismFunctionType func, void* user_data, void (*free_user_data)(void*)) {
  auto function = std::make_unique<HostFunction>();
  if (name == nullptr || func == nullptr || weir::extism::Utf8Fault(name)) return nullptr;
  if (!TakeTypes(inputs, n_inputs, &function->params) || !TakeTypes(outputs, n_outputs, &function->results)) return nullptr;
  function->name = name;
  function->call = [func, data = std::make_shared<UserData>(user_data, free_user_data), in_types = function->params, out_types = function->results](
                       CurrentPlugin& plugin, std::span<const Value> in, std::span<Value> out) -> weir::Result<void> {
    CallUser(func, *data, plugin, in_types, in, out_types, out);
    return {};
  };
  return new ExtismFunction{std::move(function)};
}

void extism_function_set_namespace(ExtismFunction* function, const char* name_space) {
  if (function == nullptr || name_space == nullptr || function->function == nullptr) return;
  function->function->module = name_space;
}

void extism_function_free(ExtismFunction* function) { delete function; }

uint8_t* extism_current_plugin_memory(ExtismCurrentPlugin* plugin) { return plugin == nullptr ? nullptr : Current(plugin)->memory(); }

ExtismMemoryHandle extism_current_plugin_memory_alloc(ExtismCurrentPlugin* plugin, ExtismSize n) { return plugin == nullptr ? 0 : Current(plugin)->Alloc(n); }

ExtismSize extism_current_plugin_memory_length(ExtismCurrentPlugin* plugin, ExtismMemoryHandle handle) {
  return plugin == nullptr ? 0 : Current(plugin)->Length(handle);
}

void extism_current_plugin_memory_free(ExtismCurrentPlugin* plugin, ExtismMemoryHandle handle) {
  if (plugin != nullptr) Current(plugin)->Free(handle);
}

void* extism_current_plugin_host_context(ExtismCurrentPlugin* plugin) { return plugin == nullptr ? nullptr : Current(plugin)->host_context(); }

bool extism_log_file(const char* filename, const char* log_level) {
  const std::string name = filename == nullptr ? "stderr" : filename, level = log_level == nullptr ? "error" : log_level;
  if (weir::extism::Utf8Fault(name) || weir::extism::Utf8Fault(level)) return false;
  return TheLog().OpenFile(name, level);
}

bool extism_log_custom(const char* log_level) {
  const std::string level = log_level == nullptr ? "error" : log_level;
  return !weir::extism::Utf8Fault(level) && TheLog().OpenBuffer(level);
}

void extism_log_drain(ExtismLogDrainFunctionType handler) {
  if (handler != nullptr) TheLog().Drain(handler);
}

}  // extern "C"
