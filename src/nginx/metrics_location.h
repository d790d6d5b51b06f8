// weir_metrics: a location that answers with all metrics.
#pragma once

#include "nginx/ngx.h"

namespace weir::nginx {

/// weir_metrics;
char* TakeMetrics(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept;

}  // namespace weir::nginx
