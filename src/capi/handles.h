// What the opaque types of extism.h are.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "capi/extism.h"
#include "weir/extism.h"

namespace weir::capi {

/// The bytes that a pointer and a length name; null is empty whatever its length. nullopt: no object of C is so long.
std::optional<std::string_view> Bytes(const uint8_t* data, ExtismSize bytes);
/// `*errmsg` becomes a copy of `message`, for extism_plugin_new_error_free.
void TellError(char** errmsg, std::string_view message);

inline extism::CurrentPlugin* Of(ExtismCurrentPlugin* plugin) { return reinterpret_cast<extism::CurrentPlugin*>(plugin); }
inline ExtismCurrentPlugin* Of(extism::CurrentPlugin& plugin) { return reinterpret_cast<ExtismCurrentPlugin*>(&plugin); }

}  // namespace weir::capi

struct ExtismFunction {
  std::mutex mutex;
  std::optional<weir::extism::HostFunction> function;  ///< gone when a plugin has taken it
  bool good_types = true;                              ///< else a type that host functions cannot have
};

struct ExtismCompiledPlugin {
  std::shared_ptr<weir::extism::Compiled> compiled;
};

struct ExtismCancelHandle {
  std::shared_ptr<weir::extism::CancelHandle> handle;
};

struct ExtismPlugin {
  ~ExtismPlugin() { plugin.reset(); }
  /// Held for each function on the plugin. A host function may use its own plugin: it is on the thread that holds it.
  std::recursive_mutex mutex;
  std::unique_ptr<weir::extism::Plugin> plugin;
  ExtismCancelHandle cancel;
  bool calling = false;
  bool free_after_call = false;      ///< a host function freed its own plugin
  std::optional<std::string> error;  ///< of the last call, or of this interface
  std::string_view output;           ///< in the plugin's memory
};
