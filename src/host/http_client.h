// HTTP and gRPC calls to real upstreams: libcurl on one thread, answers on the embedder's. docs/calls.md.
//
//   CallClient client({.clusters = {{.name = "auth", .urls = {"http://127.0.0.1:9000"}}}}, [&] { eventfd_write(fd, 1); });
//   auto token = client.StartHttp({.upstream = "auth", .headers = …}, events);   // Result<CallToken>
//   …                                                                              // fd is readable:
//   client.Deliver();                                                              // events.OnHttpAnswer(token, answer)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/call_loop.h"
#include "host/cluster.h"
#include "weir/call.h"

namespace weir {

struct ClientOptions {
  std::vector<Cluster> clusters;
  std::vector<std::string> allowed_hosts;  ///< that plugins may name themselves: "host", "*.suffix", either with ":port"
  Cluster host_defaults;                   ///< of those: everything but name and urls
  ClusterTable::FindMore find_cluster;     ///< for names that are not in `clusters`; may be empty
  uint32_t calls_max = 20'000;             ///< in flight, of all clusters
  uint32_t idle_connections = 128;         ///< kept for later calls, of all clusters
};

/// All but the thread it owns is of one thread, the embedder's. The thread begins with the first call: not before a fork.
class CallClient final : public Calls {
 public:
  /// `notify` runs on the client's thread when Deliver() has something to do, once until it is called.
  CallClient(ClientOptions options, std::function<void()> notify);
  /// Calls in flight are cancelled.
  ~CallClient();
  CallClient(const CallClient&) = delete;
  CallClient& operator=(const CallClient&) = delete;

  bool KnowsUpstream(std::string_view upstream) override { return clusters_.Knows(upstream); }
  Result<CallToken> StartHttp(HttpCall call, CallEvents& events) override;
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents& events) override;
  bool GrpcSend(CallToken token, std::string message, EndOfStream end) override;
  bool GrpcCloseSend(CallToken token) override;
  void Cancel(CallToken token) override;

  /// Tells of everything that has come. Events may start and cancel calls. Returns how many there were.
  size_t Deliver();
  size_t in_flight() const { return live_.size(); }

 private:
  struct Live {
    CallEvents* events;
    std::shared_ptr<ActiveCluster> cluster;
    std::shared_ptr<GrpcFlow> flow;  ///< of gRPC
    bool may_send;
  };
  Result<std::shared_ptr<ActiveCluster>> Admit(const std::string& upstream, bool tls);
  Result<CallToken> Launch(std::unique_ptr<CallRequest> request, std::shared_ptr<ActiveCluster> cluster, CallEvents& events);
  bool Send(CallToken token, std::string framed, bool last);
  void Forget(CallToken token);
  void Tell(CallEvent& event);

  ClusterTable clusters_;
  const uint32_t calls_max_;
  std::unordered_map<CallToken, Live> live_;
  CallEventQueue ready_;
  CallLoop loop_;
};

}  // namespace weir
