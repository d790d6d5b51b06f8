#include "nginx/config.h"

#include <unistd.h>

#include <algorithm>

#include "base/nearest_name.h"

namespace weir::nginx {
namespace {

void DeleteMain(void* conf) { delete static_cast<MainConf*>(conf); }

PluginConf* FindPlugin(const MainConf& conf, std::string_view name) {
  for (const auto& plugin : conf.plugins) {
    if (plugin->spec.name == name) return plugin.get();
  }
  return nullptr;
}

std::string UnknownPlugin(const MainConf& conf, std::string_view name) {
  std::string message = "weir: no plugin \"" + std::string(name) + "\" is declared";
  std::vector<std::string_view> known;
  for (const auto& plugin : conf.plugins) known.push_back(plugin->spec.name);
  if (const std::string_view near = NearestName(name, known); !near.empty()) {
    return message + "; did you mean \"" + std::string(near) + "\"?";
  }
  return message + "; declare it in http{}: weir_plugin " + std::string(name) + " /path/to/plugin.wasm;";
}

}  // namespace

PluginConf::~PluginConf() {
  if (artefact_fd >= 0) close(artefact_fd);
}

void* CreateMain(ngx_conf_t* cf) noexcept {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(cf->pool, 0);
  if (cleanup == nullptr) return nullptr;
  auto* conf = new MainConf;
  cleanup->handler = DeleteMain;
  cleanup->data = conf;
  return conf;
}

void* CreateLocation(ngx_conf_t* cf) noexcept {
  auto* conf = static_cast<LocationConf*>(ngx_pcalloc(cf->pool, sizeof(LocationConf)));
  if (conf == nullptr) return nullptr;
  conf->plugins = static_cast<PluginConf**>(NGX_CONF_UNSET_PTR);
  conf->body_bytes = NGX_CONF_UNSET;
  conf->phase = NGX_CONF_UNSET_UINT;
  conf->decode = NGX_CONF_UNSET;
  conf->reroute = NGX_CONF_UNSET;
  conf->record = static_cast<RecordConf*>(NGX_CONF_UNSET_PTR);
  return conf;
}

char* MergeLocation(ngx_conf_t*, void* parent, void* child) noexcept {
  auto* above = static_cast<LocationConf*>(parent);
  auto* conf = static_cast<LocationConf*>(child);
  ngx_conf_merge_off_value(conf->body_bytes, above->body_bytes, static_cast<off_t>(Limits{}.body_bytes));
  ngx_conf_merge_uint_value(conf->phase, above->phase, static_cast<ngx_uint_t>(Phase::kAccess));
  ngx_conf_merge_value(conf->decode, above->decode, 0);
  ngx_conf_merge_value(conf->reroute, above->reroute, 0);
  if (conf->record == NGX_CONF_UNSET_PTR) conf->record = above->record == NGX_CONF_UNSET_PTR ? nullptr : above->record;
  if (conf->plugins != NGX_CONF_UNSET_PTR) return NGX_CONF_OK;
  conf->plugins = above->plugins == NGX_CONF_UNSET_PTR ? nullptr : above->plugins;
  conf->count = above->plugins == NGX_CONF_UNSET_PTR ? 0 : above->count;
  return NGX_CONF_OK;
}

bool ResolveUses(ngx_conf_t* cf, MainConf& conf) {
  for (const Use& use : conf.uses) {
    auto** plugins = static_cast<PluginConf**>(
        ngx_palloc(cf->pool, use.names.size() * sizeof(PluginConf*)));
    if (plugins == nullptr) return false;
    for (size_t i = 0; i < use.names.size(); i++) {
      plugins[i] = FindPlugin(conf, use.names[i]);
      if (plugins[i] == nullptr) {
        Complain(cf, UnknownPlugin(conf, use.names[i]), use.where);
        return false;
      }
    }
    use.location->plugins = plugins;
    use.location->count = use.names.size();
  }
  return true;
}

std::string Where(ngx_conf_t* cf) {
  if (cf->conf_file == nullptr || cf->conf_file->file.fd == NGX_INVALID_FILE) return "the command line";
  return std::string(View(cf->conf_file->file.name)) + ":" + std::to_string(cf->conf_file->line);
}

void Complain(ngx_conf_t* cf, std::string_view message, std::string_view where) {
  const ngx_str_t text = Borrow(message), place = Borrow(where);
  ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%V in %V", &text, &place);
}

}  // namespace weir::nginx
