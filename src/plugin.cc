// The one file that knows every family of plugins: by what a module exports, it is one of them.
#include "weir/plugin.h"

#include "proxy_wasm/link.h"
#include "proxy_wasm/plugin.h"

namespace weir {
namespace {

std::string Prefix(std::string_view plugin_name, std::string_view path) {
  return "plugin \"" + std::string(plugin_name) + "\"" + (path.empty() ? "" : " (" + std::string(path) + ")") + ": ";
}

Result<proxy_wasm::Version> Check(const Module& module, std::string_view prefix) {
  auto version = proxy_wasm::DeclaredVersion(module);
  if (!version) {
    return Error{ErrorCode::kInvalidModule, std::string(prefix) + "not a Proxy-Wasm plugin: it exports none of the ABI markers " +
                                                std::string(proxy_wasm::MarkerNames()) + "; build it with a Proxy-Wasm SDK"};
  }
  WEIR_TRY_VOID(proxy_wasm::CheckModule(module, *version, prefix));
  return *version;
}

}  // namespace

Result<void> CheckPlugin(const Module& module, std::string_view plugin_name) {
  auto version = Check(module, Prefix(plugin_name, module.name()));
  if (!version) return std::move(version).error();
  return {};
}

Result<std::unique_ptr<Plugin>> LoadPlugin(Engine& engine, std::shared_ptr<const Module> module, PluginSpec spec, Host& host) {
  if (spec.path.empty()) spec.path = module->name();
  WEIR_TRY(const proxy_wasm::Version version, Check(*module, Prefix(spec.name, spec.path)));
  return proxy_wasm::ProxyWasmPlugin::Load(engine, std::move(module), version, std::move(spec), host);
}

}  // namespace weir
