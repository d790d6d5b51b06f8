// The plugins of one worker process.
#pragma once

#include <map>
#include <vector>

#include "nginx/calls.h"
#include "nginx/config.h"
#include "nginx/host.h"
#include "nginx/services.h"
#include "nginx/zone.h"
#include "weir/engine.h"
#include "weir/plugin.h"

namespace weir::nginx {

/// Maps what the master validated and starts it. A plugin that cannot start is down (its on_error holds) and tried again later:
/// a worker always comes up.
class Worker {
 public:
  /// `conf` and `cycle` outlive the worker.
  Worker(ngx_cycle_t* cycle, MainConf& conf);
  ~Worker();
  /// At the end of the process, while requests may still be there.
  void StopCalls() { calls_.Stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// `note`: Name() of a ChainNote or TcpNote.
  void CountNote(std::string_view note, std::string_view plugin);
  /// Null: nothing is recorded in this configuration.
  trace::Recorder* recorder() { return recorder_.get(); }
  /// At the end of the process, while requests may still be there.
  void StopWaking() { zone_.StopWaking(); }

 private:
  bool StartEngine();
  void StartAll();
  bool Start(PluginConf& conf);
  static void OnRetry(ngx_event_t* event) noexcept;

  ngx_cycle_t* cycle_;
  MainConf& conf_;
  NgxLog log_;
  SystemClock clock_;
  NgxTimers timers_;
  Services services_;
  NgxCalls calls_;
  ZoneServices zone_;
  std::map<std::pair<std::string, std::string_view>, OwnCell*, std::less<>> notes_;  ///< bounded: plugins times notes
  VmPool vms_;
  Host host_;
  RecordLog record_log_;
  std::unique_ptr<trace::Recorder> recorder_;  ///< null: no weir_record; outlives the plugins
  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  ngx_connection_t retry_connection_{};
  ngx_event_t retry_{};
  ngx_msec_t retry_ms_;
};

}  // namespace weir::nginx
