// Upstreams that are written down: every call gets the answer that its upstream was given, at the time the clock shows.
// For scenarios and tests, where each run must see the same.
//
//   world.scripted_calls().Script("auth", HttpScript(200, "granted"));
//   world.scripted_calls().Script("slow", {.http = …, .after_ms = 300});       // by the clock of the world
//   world.scripted_calls().Script("gone", FailureScript(CallFailure::kConnect));
//   world.scripted_calls().Script("greeter", GrpcScript({"one", "two"}));
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/call_event.h"
#include "weir/call.h"
#include "weir/host.h"

namespace weir {

/// One thing that a scripted gRPC server does.
struct GrpcStep {
  enum class When : uint8_t {
    kAtOnce,         ///< with the step before
    kAfterMessage,   ///< when the client has sent one message more (a unary call's own message counts)
    kAfterHalfClose, ///< when the client has ended its side (a unary call has at once)
  };
  std::variant<GrpcMetadata, GrpcMessage, GrpcTrailers, GrpcClose> what;
  When when = When::kAtOnce;
  uint32_t after_ms = 0;  ///< and then so long after the step before
};

/// What one call of an upstream gets.
struct CallScript {
  HttpAnswer http;                ///< of an HTTP call
  std::vector<GrpcStep> grpc;     ///< of a gRPC call or stream; without a GrpcClose it stays open
  uint32_t after_ms = 0;          ///< by the clock
  bool never = false;             ///< no answer: the call's own time ends it, or nothing does
};

/// ":status" goes before `headers`.
CallScript HttpScript(uint32_t status, std::string body = {}, HeaderList headers = {}, HeaderList trailers = {});
/// gRPC calls get the status that a real client would give.
CallScript FailureScript(CallFailure failure, std::string reason = {});
CallScript SilentScript();
/// Metadata, the messages, trailers, the close.
CallScript GrpcScript(std::vector<std::string> messages, GrpcStatus status = GrpcStatus::kOk, std::string message = {},
                      HeaderList metadata = {}, HeaderList trailers = {});
/// One thread, that of the plugins.
class ScriptedCalls final : public Calls {
 public:
  explicit ScriptedCalls(Clock& clock) : clock_(clock) {}

  /// The next call of `upstream` gets this, later ones what is scripted after it; the last script goes on for ever.
  void Script(const std::string& upstream, CallScript script) { upstreams_[upstream].push_back(std::move(script)); }
  /// `upstream` is not known any more.
  void Forget(const std::string& upstream) { upstreams_.erase(upstream); }
  /// The most calls in flight; one more answers kLimit.
  void set_calls_max(size_t calls_max) { calls_max_ = calls_max; }

  bool KnowsUpstream(std::string_view upstream) override { return upstreams_.find(upstream) != upstreams_.end(); }
  Result<CallToken> StartHttp(HttpCall call, CallEvents& events) override;
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents& events) override;
  bool GrpcSend(CallToken token, std::string message, EndOfStream end) override;
  bool GrpcCloseSend(CallToken token) override;
  void Cancel(CallToken token) override { live_.erase(token); }

  /// Monotonic time of the next event; nullopt: none will come by itself.
  std::optional<uint64_t> next_ns() const;
  /// Tells what is due. Events may start and cancel calls, whose own answers wait for the next Deliver(). Returns how many.
  size_t Deliver();
  size_t in_flight() const { return live_.size(); }

  // ---- What upstreams were sent.
  struct Seen {
    CallToken token = 0;
    std::optional<HttpCall> http;
    std::optional<GrpcCall> grpc;
    std::vector<std::string> messages;  ///< of gRPC
    bool half_closed = false;
  };
  /// In the order of the calls, the newest 1,000.
  const std::deque<Seen>& seen() const { return seen_; }

 private:
  struct Live {
    CallEvents* events;
    CallScript script;
    bool grpc;
    size_t step = 0;              ///< of script.grpc
    uint64_t last_ns = 0;         ///< of the step before, of the call or its newest message
    uint64_t deadline_ns = 0;     ///< 0: none
    uint64_t messages = 0;        ///< from the client
    uint64_t messages_used = 0;   ///< by kAfterMessage
    bool half_open = false;       ///< the client may send
  };
  Result<CallScript> Next(const std::string& upstream);
  /// When this call's next event comes; nullopt: not by itself.
  static std::optional<uint64_t> DueNs(const Live& live);
  CallToken Begin(CallScript script, bool grpc, uint32_t timeout_ms, CallEvents& events);
  void Tell(CallToken token, uint64_t due_ns);

  Clock& clock_;
  std::map<std::string, std::deque<CallScript>, std::less<>> upstreams_;
  std::map<CallToken, Live> live_;
  std::deque<Seen> seen_;
  size_t calls_max_ = 10'000;
};

}  // namespace weir
