// The upstreams that plugins may call: weir_cluster lines, NGINX's own upstream{} blocks, and hosts that weir_allow_hosts lets them name.
#pragma once

#include "host/cluster.h"
#include "nginx/fd.h"
#include "nginx/ngx.h"

namespace weir::nginx {

struct MainConf;

/// One weir_cluster line.
struct ClusterConf {
  Cluster cluster;    ///< its files are /proc/self/fd/N of `pem`
  std::string where;  ///< "/etc/nginx/nginx.conf:12"
  std::string ca, certificate, key;  ///< paths as given, absolute
  /// Copies that the master made of these files, in memory: workers of another user need not be able to read a key, and use what was checked.
  std::vector<Fd> pem;
};

/// weir_cluster NAME URL… [name=value]…;   weir_allow_hosts HOST[:PORT]…;
char* TakeCluster(ngx_conf_t* cf, ngx_command_t*, void* main) noexcept;
char* TakeAllowHosts(ngx_conf_t* cf, ngx_command_t*, void* main) noexcept;

/// What plugins may call: the weir_cluster lines, and the upstream{} blocks that no such line names.
std::vector<Cluster> ClustersOf(ngx_conf_t* cf, const MainConf& conf);

}  // namespace weir::nginx
