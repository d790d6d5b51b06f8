// What nginx.conf says: plugins (http{}), and which of them work where (http, server, location).
#pragma once

#include <unordered_map>

#include "nginx/clusters.h"
#include "nginx/ngx.h"
#include "nginx/recording.h"
#include "nginx/zone.h"
#include "weir/plugin.h"

namespace weir::nginx {

/// Plugins in one `weir` line. A request keeps them in an array of that size on the stack.
inline constexpr size_t kChainPluginsMax = 16;

/// One weir_plugin line. Lives as long as its configuration cycle.
struct PluginConf {
  ~PluginConf();
  PluginSpec spec;
  std::string where;    ///< "/etc/nginx/nginx.conf:12", for messages
  std::string loaded;   ///< identity of the file that was validated, to know it again at a reload
  std::string digest;   ///< of its file, where something is recorded
  int artefact_fd = -1;  ///< compiled code: opened by the master, mapped by every worker
  std::string code_id;   ///< of that code (Module::code_id)
  Plugin* running = nullptr;  ///< in a worker; null while it is down
  time_t said_down = 0;       ///< when the log was told last that requests find it down
};

/// One `weir` line, until the names are known.
struct Use {
  struct LocationConf* location;
  std::vector<std::string> names;
  std::string where;
};

struct MainConf {
  std::vector<std::unique_ptr<PluginConf>> plugins;
  std::vector<Use> uses;
  std::string cache_directory;  ///< empty: none
  bool cache_set = false;
  bool rewrite_phase = false;   ///< some location says weir_phase rewrite
  std::vector<ClusterConf> clusters;   ///< weir_cluster lines
  std::vector<Cluster> upstreams;      ///< those and the upstream{} blocks, made by InitMain
  std::vector<std::string> allowed_hosts;  ///< patterns of weir_allow_hosts
  Node node;                    ///< weir_node
  bool node_set = false;
  /// What chooses a peer of each upstream, behind WatchUpstreams.
  std::unordered_map<const ngx_http_upstream_srv_conf_t*, ngx_http_upstream_init_peer_pt> watched_upstreams;
  ZoneConf zone;                ///< weir_zone
  std::vector<std::unique_ptr<RecordConf>> records;  ///< weir_record lines
};

/// weir_phase
enum class Phase : ngx_uint_t { kAccess, kRewrite };

struct LocationConf {
  PluginConf** plugins;  ///< NGX_CONF_UNSET_PTR until merged; null: `weir off` or nothing
  ngx_uint_t count;
  bool given;            ///< a `weir` line stands in this very block
  off_t body_bytes;      ///< weir_max_body
  ngx_uint_t phase;      ///< weir_phase, a Phase
  ngx_flag_t decode;     ///< weir_decode
  ngx_flag_t reroute;    ///< weir_reroute
  RecordConf* record;    ///< weir_record; NGX_CONF_UNSET_PTR until merged; null: none
};

/// Of the two modules the one that this object is.
ngx_module_t& ThisModule();
MainConf* MainOf(ngx_conf_t* cf);
MainConf* MainOf(ngx_cycle_t* cycle);
inline LocationConf* LocationOf(ngx_http_request_t* r) {
  return static_cast<LocationConf*>(ngx_http_get_module_loc_conf(r, ngx_http_weir_module));
}

void* CreateMain(ngx_conf_t* cf) noexcept;
void* CreateLocation(ngx_conf_t* cf) noexcept;
char* MergeLocation(ngx_conf_t* cf, void* parent, void* child) noexcept;
/// Names of `weir` lines become plugins. False: said why.
bool ResolveUses(ngx_conf_t* cf, MainConf& conf);
extern ngx_command_t kCommands[];

/// "FILE:LINE" of the directive that is being read.
std::string Where(ngx_conf_t* cf);
/// One line in the error log (and on the terminal of `nginx -t`), with " in FILE:LINE" behind it.
void Complain(ngx_conf_t* cf, std::string_view message, std::string_view where);

}  // namespace weir::nginx
