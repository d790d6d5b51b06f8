// The check of a configuration's plugins before it counts, in a child of the master.
#pragma once

#include "nginx/config.h"

namespace weir::nginx {

/// Compiles and starts each plugin in a forked child, which then dies: whatever a plugin does there (trap, spin, exhaust memory),
/// the master sees a verdict. The compiled code comes back as `artefact_fd`. Plugins that did not change since the running
/// configuration are not checked again. False: one message was logged, and this configuration is not to be used.
bool CheckPlugins(ngx_conf_t* cf, MainConf& conf);

}  // namespace weir::nginx
