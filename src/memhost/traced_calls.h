// Calls of plugins in memory: to the first that knows the upstream, with a line in the trace for each thing that happens.
// Calls are numbered from 1 in each world, as their tokens would differ from run to run.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "weir/call.h"

namespace weir {

class MemoryHost;

class TracedCalls final : public Calls, public CallEvents {
 public:
  explicit TracedCalls(MemoryHost& world) : world_(world) {}
  /// `calls` outlives the plugins.
  void Add(Calls& calls) { all_.push_back(&calls); }

  bool KnowsUpstream(std::string_view upstream) override { return Find(upstream) != nullptr; }
  Result<CallToken> StartHttp(HttpCall call, CallEvents& events) override;
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents& events) override;
  bool GrpcSend(CallToken token, std::string message, EndOfStream end) override;
  bool GrpcCloseSend(CallToken token) override;
  void Cancel(CallToken token) override;

  void OnHttpAnswer(CallToken token, HttpAnswer answer) override;
  void OnGrpcMetadata(CallToken token, HeaderList metadata) override;
  void OnGrpcMessage(CallToken token, std::string message) override;
  void OnGrpcTrailers(CallToken token, HeaderList metadata) override;
  void OnGrpcClose(CallToken token, GrpcStatus status, std::string message) override;

 private:
  struct Live {
    uint64_t number;
    Calls* calls;
    CallEvents* events;
  };
  Calls* Find(std::string_view upstream);
  Result<CallToken> Started(std::string line, Result<CallToken> token, Calls* calls, CallEvents& events);
  void Note(std::string_view what, const Live& live, std::string_view more);
  MemoryHost& world_;
  std::vector<Calls*> all_;
  std::unordered_map<CallToken, Live> live_;
  uint64_t last_number_ = 0;
  NoCalls nobody_;
};

}  // namespace weir
