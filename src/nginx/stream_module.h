// What one process keeps for the stream module beside ModuleState.
#pragma once

#include "nginx/ngx_stream_api.h"

namespace weir::nginx {

/// The filter below ours.
extern ngx_stream_filter_pt g_next_stream_filter;

}  // namespace weir::nginx
