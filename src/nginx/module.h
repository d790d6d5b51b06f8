// What one process keeps for the module: the filters below ours, and the worker's plugins.
#pragma once

#include "nginx/ngx.h"
#include "weir/own_metrics.h"

namespace weir::nginx {

class Worker;

struct ModuleState {
  ngx_http_output_header_filter_pt next_header_filter = nullptr;
  ngx_http_output_body_filter_pt next_body_filter = nullptr;
  ngx_http_request_body_filter_pt next_request_body_filter = nullptr;
  Worker* worker = nullptr;  ///< in a worker, from init_process to exit_process
  ngx_log_t* log = nullptr;  ///< of the request that is served now (LogScope)
  size_t streams = 0;        ///< requests with plugins that are alive
  OwnCell* streams_cell = nullptr;  ///< the same for the metrics; in a worker

  void AddStreams(int by) {
    streams += static_cast<size_t>(by);
    if (streams_cell != nullptr) streams_cell->Set(streams);
  }
};

/// The only mutable global of the module: nginx's hooks carry no pointer of ours.
extern ModuleState g_module;

}  // namespace weir::nginx
