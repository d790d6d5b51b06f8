// What is asked of a plugin.
#include "capi/handles.h"
#include "extism/json_config.h"
#include "extism/utf8.h"

namespace weir::capi {
namespace {

constexpr int32_t kFailed = -1;
constexpr uint8_t kNoOutput[1] = {0};  // an empty output's address: some bindings take no null

int32_t Refuse(ExtismPlugin& plugin, std::string why) {
  plugin.error = std::move(why);
  return kFailed;
}

/// Precondition: the plugin is locked.
int32_t Call(ExtismPlugin& plugin, const char* function, const uint8_t* data, ExtismSize bytes, void* host_context) {
  if (plugin.calling) return Refuse(plugin, "cannot make reentrant calls into plugin");
  if (function == nullptr) return Refuse(plugin, "the function name is null");
  if (auto fault = extism::Utf8Fault(function)) return Refuse(plugin, *std::move(fault));
  const auto input = Bytes(data, bytes);
  if (!input) return Refuse(plugin, "an input of " + std::to_string(bytes) + " bytes is more than memory has");
  if (input->size() != bytes) return Refuse(plugin, "the input is null, and not empty");
  plugin.error.reset();
  plugin.output = {};
  plugin.calling = true;
  auto outcome = plugin.plugin->CallRaw(function, *input, {.host_context = host_context});
  plugin.calling = false;
  plugin.output = outcome.output;
  plugin.error.reset();  // of what host functions did with the plugin
  if (outcome.failed) plugin.error = std::move(outcome.error);
  return outcome.code;
}

}  // namespace
}  // namespace weir::capi

extern "C" {

const uint8_t* extism_plugin_id(ExtismPlugin* plugin) { return plugin == nullptr ? nullptr : plugin->plugin->id().data(); }

int32_t extism_plugin_call(ExtismPlugin* plugin, const char* func_name, const uint8_t* data, ExtismSize data_len) {
  return extism_plugin_call_with_host_context(plugin, func_name, data, data_len, nullptr);
}

int32_t extism_plugin_call_with_host_context(ExtismPlugin* plugin, const char* func_name, const uint8_t* data, ExtismSize data_len, void* host_context) {
  if (plugin == nullptr) return weir::capi::kFailed;
  int32_t code = 0;
  bool free = false;
  {
    std::lock_guard lock(plugin->mutex);
    code = weir::capi::Call(*plugin, func_name, data, data_len, host_context);
    free = plugin->free_after_call && !plugin->calling;
  }
  if (free) extism_plugin_free(plugin);
  return code;
}

const char* extism_plugin_error(ExtismPlugin* plugin) {
  if (plugin == nullptr) return nullptr;
  std::lock_guard lock(plugin->mutex);
  // The same text stays where it is: a pointer to it stays good.
  if (auto guest = plugin->plugin->GuestError(); guest && plugin->error != guest) plugin->error = std::move(guest);
  return plugin->error ? plugin->error->c_str() : nullptr;
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
  return plugin->output.empty() ? weir::capi::kNoOutput : reinterpret_cast<const uint8_t*>(plugin->output.data());
}

bool extism_plugin_function_exists(ExtismPlugin* plugin, const char* func_name) {
  if (plugin == nullptr || func_name == nullptr || weir::extism::Utf8Fault(func_name)) return false;
  std::lock_guard lock(plugin->mutex);
  plugin->error.reset();
  return plugin->plugin->FunctionExists(func_name);
}

bool extism_plugin_config(ExtismPlugin* plugin, const uint8_t* json, ExtismSize json_size) {
  if (plugin == nullptr) return false;
  const auto text = weir::capi::Bytes(json, json_size);
  if (!text) return false;
  const auto rows = weir::extism::ParseConfig(*text);
  if (!rows) return false;
  std::lock_guard lock(plugin->mutex);
  for (const auto& [key, value] : *rows) plugin->plugin->SetConfig(key, value);
  plugin->error.reset();
  return true;
}

bool extism_plugin_reset(ExtismPlugin* plugin) {
  if (plugin == nullptr) return false;
  std::lock_guard lock(plugin->mutex);
  plugin->plugin->Reset();
  return true;
}

void extism_plugin_allow_http_response_headers(ExtismPlugin* plugin) {
  if (plugin == nullptr) return;
  std::lock_guard lock(plugin->mutex);
  plugin->plugin->AllowHttpResponseHeaders();
}

const ExtismCancelHandle* extism_plugin_cancel_handle(const ExtismPlugin* plugin) { return plugin == nullptr ? nullptr : &plugin->cancel; }

bool extism_plugin_cancel(const ExtismCancelHandle* handle) {
  if (handle == nullptr) return false;
  handle->handle->Cancel();
  return true;
}

const char* extism_version(void) { return "1.41.0"; }

}  // extern "C"
