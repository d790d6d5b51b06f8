// Shared data, queues, metrics and foreign functions of one worker process.
#pragma once

#include "host/clock.h"
#include "host/metrics.h"
#include "host/queues.h"
#include "host/shared_data.h"
#include "nginx/ngx.h"
#include "weir/host.h"

namespace weir::nginx {

/// Queues that tell their consumers from nginx's loop, never inside the call that enqueued.
class NgxQueues final : public Queues {
 public:
  NgxQueues();
  ~NgxQueues();
  uint32_t Register(std::string_view space, std::string_view name, Plugin& consumer) override;
  std::optional<uint32_t> Resolve(std::string_view space, std::string_view name) override;
  StoreStatus Enqueue(uint32_t id, std::string_view item) override;
  StoreStatus Dequeue(uint32_t id, std::string* item) override;
  void Forget(Plugin& consumer) override;

 private:
  static void OnEvent(ngx_event_t* event) noexcept;
  void Post();

  InProcessQueues queues_;
  ngx_event_t event_{};
};

class Services {
 public:
  SharedData& shared_data() { return shared_data_; }
  Queues& queues() { return queues_; }
  Metrics& metrics() { return metrics_; }
  const ForeignFunctions& foreign_functions() const { return foreign_functions_; }

 private:
  SystemClock clock_;
  InProcessSharedData shared_data_{clock_};
  NgxQueues queues_;
  InProcessMetrics metrics_;
  ForeignFunctions foreign_functions_;
};

}  // namespace weir::nginx
