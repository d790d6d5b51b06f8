// Calls of plugins to upstreams, in a worker and in the canary.
#pragma once

#include "host/http_client.h"
#include "nginx/config.h"
#include "nginx/ngx.h"

namespace weir::nginx {

/// A worker's: the client's own thread rings an eventfd, and answers are delivered by nginx's loop.
class NgxCalls {
 public:
  /// `conf` outlives it. Without a free connection of nginx (worker_connections) there are no calls, and the log says so.
  NgxCalls(ngx_cycle_t* cycle, const MainConf& conf);
  ~NgxCalls();
  NgxCalls(const NgxCalls&) = delete;
  NgxCalls& operator=(const NgxCalls&) = delete;
  Calls& calls();
  /// Ends what is in flight, without a word to plugins: the process is about to end.
  void Stop();

 private:
  static void OnReady(ngx_event_t* event) noexcept;

  NoCalls none_;
  ngx_connection_t* connection_ = nullptr;  ///< of the eventfd
  std::unique_ptr<CallClient> client_;
};

/// In the canary: the same upstreams are known, nothing leaves, nothing is ever answered.
class CanaryCalls final : public Calls {
 public:
  explicit CanaryCalls(const MainConf& conf);
  bool KnowsUpstream(std::string_view upstream) override { return table_.Knows(upstream); }
  Result<CallToken> StartHttp(HttpCall call, CallEvents&) override { return Start(call.upstream); }
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents&) override { return Start(call.upstream); }
  bool GrpcSend(CallToken token, std::string, EndOfStream) override { return token <= last_; }
  bool GrpcCloseSend(CallToken token) override { return token <= last_; }
  void Cancel(CallToken) override {}

 private:
  Result<CallToken> Start(const std::string& upstream);
  ClusterTable table_;
  CallToken last_ = 0;
};

}  // namespace weir::nginx
