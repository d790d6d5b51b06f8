// The directives, as tables: each argument of weir_plugin is a row with the function that takes its value.
#include <algorithm>

#include "host/log.h"
#include "nginx/arguments.h"
#include "nginx/config.h"
#include "nginx/metrics_location.h"

namespace weir::nginx {
namespace {

constexpr uint64_t kMemoryMin = 64ull << 10, kMemoryMax = 4ull << 30;  // a page; all that 32 bits address

constexpr Argument<PluginConf> kArguments[] = {
    {"config", false,
     [](ngx_conf_t* cf, PluginConf& plugin, std::string_view value) -> std::string {
       Result<std::string> bytes = ReadFile(FullPath(cf, value));
       if (!bytes) return "cannot be read: " + bytes.error().message;
       plugin.spec.configuration = *std::move(bytes);
       return {};
     }},
    {"config_inline", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       plugin.spec.configuration = value;
       return {};
     }},
    {"root_id", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       plugin.spec.root_id = value;
       return {};
     }},
    {"vm_id", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       plugin.spec.vm_id = value;
       return {};
     }},
    {"vm_config", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       plugin.spec.vm_configuration = value;
       return {};
     }},
    {"env", true,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       const size_t equals = value.find('=');
       if (equals == 0 || equals == value.npos) return "wants NAME=VALUE: env=REGION=eu";
       plugin.spec.environment.emplace_back(value.substr(0, equals), value.substr(equals + 1));
       return {};
     }},
    {"memory", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       uint64_t bytes = 0;
       if (!ParseSize(value, &bytes)) return BadSize(value);
       if (bytes < kMemoryMin || bytes > kMemoryMax) {
         return "must be between 64k and 4g, not " + std::string(value);
       }
       plugin.spec.limits.memory_bytes = bytes;
       return {};
     }},
    {"timeout", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) {
       return TakeTime(value, &plugin.spec.limits.callback_ms);
     }},
    {"start_timeout", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) {
       return TakeTime(value, &plugin.spec.limits.start_ms);
     }},
    {"on_error", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       if (value != "closed" && value != "open") {
         return "must be closed (the request gets 503) or open (it goes on without the plugin), not \"" +
                std::string(value) + "\"";
       }
       plugin.spec.on_error = value == "open" ? OnError::kOpen : OnError::kClosed;
       return {};
     }},
    {"statuses", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       if (value != "lenient" && value != "strict") {
         return "must be lenient or strict, not \"" + std::string(value) + "\"";
       }
       plugin.spec.statuses = value == "strict" ? Statuses::kStrict : Statuses::kLenient;
       return {};
     }},
    {"stderr_level", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       const std::optional<LogLevel> level = LogLevelOf(value);
       if (level) plugin.spec.stderr_level = *level;
       return level ? "" : "must be trace, debug, info, warn, error or critical, not \"" + std::string(value) + "\"";
     }},
    {"header_pause", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       if (value != "stream" && value != "headers_only") {
         return "must be stream or headers_only, not \"" + std::string(value) + "\"";
       }
       plugin.spec.header_pause = value == "stream" ? HeaderPause::kStream : HeaderPause::kHeadersOnly;
       return {};
     }},
    {"allow", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       Result<Allow> allow = ParseAllow(value);
       if (!allow) return allow.error().message;
       plugin.spec.allow = *std::move(allow);
       return {};
     }},
    {"on_buffer_full", false,
     [](ngx_conf_t*, PluginConf& plugin, std::string_view value) -> std::string {
       if (value != "reject" && value != "release") {
         return "must be reject or release, not \"" + std::string(value) + "\"";
       }
       plugin.spec.on_buffer_full = value == "reject" ? OnBufferFull::kReject : OnBufferFull::kRelease;
       return {};
     }},
};

/// weir_plugin NAME FILE [name=value]…;
char* TakePlugin(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& main = *static_cast<MainConf*>(raw);
  const std::vector<std::string_view> words = ArgumentsOf(cf);
  const std::string name(words[0]);
  const std::string subject = "weir: plugin \"" + name + "\": ";
  if (!IsName(name) || name == "off") {
    return Fail(cf, "weir: \"" + name + "\" cannot name a plugin; use letters, digits, '_', '-' and '.' "
                    "(up to 64), and not \"off\"");
  }
  for (const auto& other : main.plugins) {
    if (other->spec.name == name) {
      return Fail(cf, "weir: plugin \"" + name + "\" is declared twice, first in " + other->where +
                      "; give one of them another name");
    }
  }
  auto plugin = std::make_unique<PluginConf>();
  plugin->spec.name = name;
  plugin->spec.path = FullPath(cf, words[1]);
  plugin->where = Where(cf);
  std::vector<std::string_view> seen;
  const std::string wrong = TakeArguments(cf, "weir_plugin", std::span(kArguments), std::span(words).subspan(2), *plugin, &seen);
  if (!wrong.empty()) return Fail(cf, subject + wrong);
  const auto given = [&](std::string_view key) {
    return std::find(seen.begin(), seen.end(), key) != seen.end();
  };
  if (given("config") && given("config_inline")) {
    return Fail(cf, subject + "both config= and config_inline= are given; keep one");
  }
  main.plugins.push_back(std::move(plugin));
  return NGX_CONF_OK;
}

/// weir NAME…;   weir off;
char* TakeUse(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& location = *static_cast<LocationConf*>(raw);
  const std::vector<std::string_view> names = ArgumentsOf(cf);
  if (location.given) return Fail(cf, "weir: a second \"weir\" in one block; name all plugins in one line, in order");
  location.given = true;
  for (size_t i = 0; i < names.size(); i++) {
    if (names[i] == "off" && names.size() > 1) {
      return Fail(cf, "weir: \"off\" stands alone; write either \"weir off;\" or the plugins' names");
    }
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Fail(cf, "weir: plugin \"" + std::string(names[i]) + "\" stands twice in one chain");
    }
  }
  if (names.size() > kChainPluginsMax) {
    return Fail(cf, "weir: a chain holds at most " + std::to_string(kChainPluginsMax) + " plugins");
  }
  if (names[0] == "off") {
    location.plugins = nullptr;
    location.count = 0;
    return NGX_CONF_OK;
  }
  Use use{&location, {}, Where(cf)};
  use.names.assign(names.begin(), names.end());
  MainOf(cf)->uses.push_back(std::move(use));
  return NGX_CONF_OK;
}

/// weir_cache DIR;   weir_cache off;
char* TakeCache(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& main = *static_cast<MainConf*>(raw);
  if (main.cache_set) return Fail(cf, "weir: weir_cache is given twice");
  main.cache_set = true;
  const std::string_view value = ArgumentsOf(cf)[0];
  if (value != "off") main.cache_directory = FullPath(cf, value);
  return NGX_CONF_OK;
}

/// weir_max_body SIZE;
char* TakeMaxBody(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& location = *static_cast<LocationConf*>(raw);
  if (location.body_bytes != NGX_CONF_UNSET) return Fail(cf, "weir: weir_max_body is given twice in one block");
  const std::string_view value = ArgumentsOf(cf)[0];
  uint64_t bytes = 0;
  if (!ParseSize(value, &bytes)) return Fail(cf, "weir: weir_max_body: " + BadSize(value));
  if (bytes == 0) {
    return Fail(cf, "weir: weir_max_body: a plugin that pauses must be able to hold something; give at least 1");
  }
  location.body_bytes = static_cast<off_t>(bytes);
  return NGX_CONF_OK;
}

/// weir_phase access|rewrite;
char* TakePhase(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& location = *static_cast<LocationConf*>(raw);
  if (location.phase != NGX_CONF_UNSET_UINT) return Fail(cf, "weir: weir_phase is given twice in one block");
  const std::string_view value = ArgumentsOf(cf)[0];
  if (value != "access" && value != "rewrite") {
    return Fail(cf, "weir: weir_phase must be access or rewrite, not \"" + std::string(value) + "\"");
  }
  location.phase = static_cast<ngx_uint_t>(value == "access" ? Phase::kAccess : Phase::kRewrite);
  if (value == "rewrite") MainOf(cf)->rewrite_phase = true;
  return NGX_CONF_OK;
}

/// weir_node KEY=VALUE…;
char* TakeNode(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& main = *static_cast<MainConf*>(raw);
  if (main.node_set) return Fail(cf, "weir: weir_node is given twice; write all of it in one");
  main.node_set = true;
  for (const std::string_view word : ArgumentsOf(cf)) {
    const size_t equals = word.find('=');
    if (equals != word.npos && main.node.Set(word.substr(0, equals), word.substr(equals + 1))) continue;
    return Fail(cf, "weir: weir_node: \"" + std::string(word) +
                        "\" is not KEY=VALUE, or there twice; the keys are id, cluster, region, zone, sub_zone and metadata.NAME");
  }
  return NGX_CONF_OK;
}

constexpr ngx_uint_t kAnywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

}  // namespace

ngx_command_t kCommands[] = {
    {ngx_string("weir_plugin"), NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE, TakePlugin,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir"), kAnywhere | NGX_CONF_1MORE, TakeUse, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_cache"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, TakeCache,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_max_body"), kAnywhere | NGX_CONF_TAKE1, TakeMaxBody, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_phase"), kAnywhere | NGX_CONF_TAKE1, TakePhase, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_decode"), kAnywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocationConf, decode), nullptr},
    {ngx_string("weir_reroute"), kAnywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocationConf, reroute), nullptr},
    {ngx_string("weir_record"), kAnywhere | NGX_CONF_1MORE, TakeRecord, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_cluster"), NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE, TakeCluster,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_allow_hosts"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE, TakeAllowHosts,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_node"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE, TakeNode,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE, TakeZone, NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("weir_metrics"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, TakeMetrics, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    ngx_null_command,
};

}  // namespace weir::nginx
