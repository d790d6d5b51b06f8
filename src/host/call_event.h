// What the client's thread has to tell the embedder's, and what the two share about one call.
#pragma once

#include <atomic>
#include <deque>
#include <variant>

#include "weir/call.h"

namespace weir {

struct GrpcMetadata {
  HeaderList headers;
};
struct GrpcMessage {
  std::string bytes;
};
struct GrpcTrailers {
  HeaderList headers;
};
struct GrpcClose {
  GrpcStatus status = GrpcStatus::kOk;
  std::string message;
};

struct CallEvent {
  CallToken token = 0;
  std::variant<HttpAnswer, GrpcMetadata, GrpcMessage, GrpcTrailers, GrpcClose> what;
};
using CallEventQueue = std::deque<CallEvent>;

/// Holds a gRPC server back that sends faster than the plugin takes. Of both threads.
class GrpcFlow {
 public:
  static constexpr uint64_t kHighBytes = 4 << 20;  ///< undelivered messages of one call: reading stops ...
  static constexpr uint64_t kLowBytes = 1 << 20;   ///< ... until they are this few
  /// The client's thread, before it reads more. True: stop, a Took() will tell when to go on.
  bool ShouldStop() {
    if (queued_bytes_ <= kHighBytes) return false;
    stopped_ = true;
    return queued_bytes_ > kLowBytes || !stopped_.exchange(false);  // it may all have been taken in between
  }
  void Queued(uint64_t bytes) { queued_bytes_ += bytes; }
  /// The embedder's thread. True: reading is to go on.
  bool Took(uint64_t bytes) { return (queued_bytes_ -= bytes) <= kLowBytes && stopped_.exchange(false); }

 private:
  std::atomic<uint64_t> queued_bytes_{0};
  std::atomic<bool> stopped_{false};
};

}  // namespace weir
