// How plugins come and go.
#include <cstdlib>

#include "capi/cache.h"
#include "capi/handles.h"
#include "capi/log.h"

namespace weir::capi {
namespace {

constexpr const char* kCompile = "Unable to compile Extism plugin: ";
constexpr const char* kCreate = "Unable to create Extism plugin: ";

/// That of the process: the C API has no place for it. Plugins may be in use until the process ends, so it does not end either.
Result<extism::Runtime*> ProcessRuntime() {
  static std::mutex mutex;
  static extism::Runtime* runtime = nullptr;
  std::lock_guard lock(mutex);
  if (runtime == nullptr) {
    WEIR_TRY(auto made, extism::Runtime::Create());
    runtime = made.release();
  }
  return runtime;
}

/// What the functions that make something are given, but for `errmsg`.
struct Wanted {
  const uint8_t* wasm;
  ExtismSize wasm_bytes;
  const ExtismFunction** functions;
  ExtismSize function_count;
  bool wasi;
  std::optional<uint64_t> fuel;
};

Result<std::vector<extism::HostFunction>> TakeFunctions(const Wanted& wanted) {
  std::vector<extism::HostFunction> taken;
  for (ExtismSize i = 0; wanted.functions != nullptr && i < wanted.function_count; ++i) {
    auto* f = const_cast<ExtismFunction*>(wanted.functions[i]);
    if (f == nullptr) return Error{ErrorCode::kInvalidArgument, "Cannot pass null pointer"};
    std::lock_guard lock(f->mutex);
    if (!f->function) return Error{ErrorCode::kInvalidArgument, "Function cannot be registered with multiple different Plugins"};
    if (!f->good_types) {
      return Error{ErrorCode::kInvalidArgument, "Function " + f->function->name + ": its types can be I32, I64, F32 and F64"};
    }
    taken.push_back(*std::move(f->function));
    f->function.reset();
  }
  return taken;
}

/// The innermost message is what the reference tells.
std::string Told(const char* what, std::string cause, const Error& error) { return what + (cause.empty() ? error.message : std::move(cause)); }

Result<std::shared_ptr<extism::Compiled>> Compile(const Wanted& wanted) {
  extism::PluginOptions options;
  WEIR_TRY(options.functions, TakeFunctions(wanted));
  const auto source = Bytes(wanted.wasm, wanted.wasm_bytes);
  if (!source) return Error{ErrorCode::kInvalidArgument, kCompile + std::to_string(wanted.wasm_bytes) + " bytes are more than memory has"};
  auto cache = CacheOfEnvironment();
  if (!cache) return Error{ErrorCode::kInvalidArgument, kCompile + cache.error().message};
  options.cache = *std::move(cache);
  options.wasi = wanted.wasi;
  options.fuel = wanted.fuel;
  options.http = extism::CurlClient();
  options.log = ProcessLog();
  options.manifest_pointers = extism::ManifestPointers::kAllowed;
  auto runtime = ProcessRuntime();
  if (!runtime) return Error{ErrorCode::kInternal, kCompile + runtime.error().message};
  std::string cause;
  auto compiled = (*runtime)->Compile(*source, std::move(options), &cause);
  if (!compiled) return Error{compiled.error().code, Told(kCompile, std::move(cause), compiled.error())};
  return compiled;
}

/// `what`: how an error begins.
Result<ExtismPlugin*> NewPlugin(extism::Compiled& compiled, const char* what) {
  std::string cause;
  auto made = compiled.NewPlugin(&cause);
  if (!made) return Error{made.error().code, Told(what, std::move(cause), made.error())};
  auto* plugin = new ExtismPlugin;
  plugin->plugin = *std::move(made);
  plugin->cancel.handle = plugin->plugin->cancel_handle();
  return plugin;
}

ExtismPlugin* Given(Result<ExtismPlugin*> plugin, char** errmsg) {
  if (plugin) return *plugin;
  TellError(errmsg, plugin.error().message);
  return nullptr;
}

ExtismCompiledPlugin* CompiledOf(const Wanted& wanted, char** errmsg) {
  auto compiled = Compile(wanted);
  if (compiled) return new ExtismCompiledPlugin{*std::move(compiled)};
  TellError(errmsg, compiled.error().message);
  return nullptr;
}

ExtismPlugin* PluginOf(const Wanted& wanted, char** errmsg) {
  auto compiled = Compile(wanted);
  // The words are the reference's.
  if (compiled) return Given(NewPlugin(**compiled, wanted.fuel ? kCreate : kCompile), errmsg);
  TellError(errmsg, compiled.error().message);
  return nullptr;
}

}  // namespace
}  // namespace weir::capi

using weir::capi::CompiledOf;
using weir::capi::PluginOf;

extern "C" {

ExtismPlugin* extism_plugin_new(const uint8_t* wasm, ExtismSize wasm_size, const ExtismFunction** functions, ExtismSize n_functions, bool with_wasi,
                                char** errmsg) {
  return PluginOf({wasm, wasm_size, functions, n_functions, with_wasi, std::nullopt}, errmsg);
}

ExtismPlugin* extism_plugin_new_with_fuel_limit(const uint8_t* wasm, ExtismSize wasm_size, const ExtismFunction** functions, ExtismSize n_functions,
                                                bool with_wasi, uint64_t fuel_limit, char** errmsg) {
  return PluginOf({wasm, wasm_size, functions, n_functions, with_wasi, fuel_limit}, errmsg);
}

ExtismCompiledPlugin* extism_compiled_plugin_new(const uint8_t* wasm, ExtismSize wasm_size, const ExtismFunction** functions, ExtismSize n_functions,
                                                 bool with_wasi, char** errmsg) {
  return CompiledOf({wasm, wasm_size, functions, n_functions, with_wasi, std::nullopt}, errmsg);
}

ExtismCompiledPlugin* extism_compiled_plugin_new_with_fuel_limit(const uint8_t* wasm, ExtismSize wasm_size, const ExtismFunction** functions,
                                                                 ExtismSize n_functions, bool with_wasi, uint64_t fuel_limit, char** errmsg) {
  return CompiledOf({wasm, wasm_size, functions, n_functions, with_wasi, fuel_limit}, errmsg);
}

void extism_compiled_plugin_free(ExtismCompiledPlugin* plugin) { delete plugin; }

ExtismPlugin* extism_plugin_new_from_compiled(const ExtismCompiledPlugin* compiled, char** errmsg) {
  if (compiled == nullptr) {
    weir::capi::TellError(errmsg, std::string(weir::capi::kCreate) + "the compiled plugin is null");
    return nullptr;
  }
  return weir::capi::Given(weir::capi::NewPlugin(*compiled->compiled, weir::capi::kCreate), errmsg);
}

void extism_plugin_new_error_free(char* err) { std::free(err); }

void extism_plugin_free(ExtismPlugin* plugin) {
  if (plugin == nullptr) return;
  {
    std::lock_guard lock(plugin->mutex);
    if (plugin->calling) {
      plugin->free_after_call = true;
      return;
    }
  }
  delete plugin;
}

}  // extern "C"
