// HTTP and gRPC calls that a plugin makes to upstreams. `Calls` starts them; `CallEvents` hears of them, later, on the thread that
// serves the plugin. [0.2.1 §HTTP calls, §gRPC calls]
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/http.h"
#include "weir/result.h"

namespace weir {

/// A call or stream that was started. Never 0, never used twice in a process.
using CallToken = uint64_t;

/// Why a call has no answer.
enum class CallFailure : uint8_t {
  kNone,       ///< there is an answer
  kTimeout,    ///< none within the call's or the upstream's time
  kResolve,    ///< no address for the host
  kConnect,    ///< refused, or unreachable
  kTls,        ///< handshake or certificate
  kReset,      ///< the connection ended before the answer did
  kTooLarge,   ///< the answer is over the upstream's limit
  kProtocol,   ///< not HTTP, or not gRPC
};
/// "timeout", "connect" …: for logs and metrics.
std::string_view Name(CallFailure failure);

struct HttpCall {
  std::string upstream;      ///< a name the operator gave, or host[:port] where the operator allows it
  HeaderList headers;        ///< with :method, :path, :authority and maybe :scheme; already valid, names in lower case
  std::string body;
  HeaderList trailers;
  uint32_t timeout_ms = 0;   ///< of the whole call; 0: the upstream's own
};

struct HttpAnswer {
  CallFailure failure = CallFailure::kNone;
  std::string reason;        ///< of a failure, one line: "connect to 127.0.0.1:9 refused"
  HeaderList headers;        ///< ":status" first; empty after a failure
  std::string body;
  HeaderList trailers;
};

struct GrpcCall {
  std::string upstream;
  std::string service;       ///< "package.Service"
  std::string method;
  HeaderList metadata;       ///< initial; no pseudo headers; "-bin" values are base64 on the wire and bytes here
  std::optional<std::string> message;  ///< unary: the one message. nullopt: a stream, messages come by GrpcSend
  uint32_t timeout_ms = 0;   ///< deadline, also sent as grpc-timeout; 0: the upstream's own, for streams none
};

/// Numbers of grpc-status. [gRPC core status codes]
enum class GrpcStatus : uint32_t {
  kOk = 0, kCancelled = 1, kUnknown = 2, kInvalidArgument = 3, kDeadlineExceeded = 4, kNotFound = 5, kAlreadyExists = 6,
  kPermissionDenied = 7, kResourceExhausted = 8, kFailedPrecondition = 9, kAborted = 10, kOutOfRange = 11, kUnimplemented = 12,
  kInternal = 13, kUnavailable = 14, kDataLoss = 15, kUnauthenticated = 16,
};

/// Never called from inside a function of `Calls`.
class CallEvents {
 public:
  /// The only event of an HTTP call.
  virtual void OnHttpAnswer(CallToken token, HttpAnswer answer) = 0;
  /// gRPC, in this order: metadata once (not when the answer is trailers only), messages, trailing metadata once, close once.
  virtual void OnGrpcMetadata(CallToken token, HeaderList metadata) = 0;
  virtual void OnGrpcMessage(CallToken token, std::string message) = 0;
  virtual void OnGrpcTrailers(CallToken token, HeaderList metadata) = 0;
  /// The last event of that call. A call that failed on the way ends with kUnavailable, kDeadlineExceeded … and the reason.
  virtual void OnGrpcClose(CallToken token, GrpcStatus status, std::string message) = 0;

 protected:
  ~CallEvents() = default;
};

class Calls {
 public:
  /// Whether the operator gave that upstream, or allows that host.
  virtual bool KnowsUpstream(std::string_view upstream) = 0;
  /// kNotFound: no such upstream. kInvalidArgument: the headers. kLimit: too many calls in flight. `events` outlives the call.
  virtual Result<CallToken> StartHttp(HttpCall call, CallEvents& events) = 0;
  /// The same errors. A unary call and a stream both end with OnGrpcClose.
  virtual Result<CallToken> StartGrpc(GrpcCall call, CallEvents& events) = 0;
  /// One message on a stream; `end`: the last (an empty last message is sent as none). False: no such stream, or it was half-closed.
  virtual bool GrpcSend(CallToken token, std::string message, EndOfStream end) = 0;
  /// No further message; the server's go on. False: no such stream.
  virtual bool GrpcCloseSend(CallToken token) = 0;
  /// The peer sees a reset; no event of that call comes afterwards. Unknown tokens are ignored.
  virtual void Cancel(CallToken token) = 0;

 protected:
  ~Calls() = default;
};

/// Knows no upstream.
class NoCalls final : public Calls {
 public:
  bool KnowsUpstream(std::string_view) override { return false; }
  Result<CallToken> StartHttp(HttpCall call, CallEvents&) override { return Unknown(call.upstream); }
  Result<CallToken> StartGrpc(GrpcCall call, CallEvents&) override { return Unknown(call.upstream); }
  bool GrpcSend(CallToken, std::string, EndOfStream) override { return false; }
  bool GrpcCloseSend(CallToken) override { return false; }
  void Cancel(CallToken) override {}

 private:
  static Error Unknown(const std::string& upstream) {
    return {ErrorCode::kNotFound, "upstream \"" + upstream + "\" is not known here"};
  }
};

}  // namespace weir
