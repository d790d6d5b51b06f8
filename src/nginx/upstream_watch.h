#pragma once

#include "nginx/config.h"

namespace weir::nginx {

/// Once, when every upstream is known: wraps what chooses their peers.
void WatchUpstreams(ngx_conf_t* cf, MainConf& conf);

}  // namespace weir::nginx
