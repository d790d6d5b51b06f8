// gRPC's own forms inside HTTP/2. [gRPC over HTTP/2: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md]
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "weir/call.h"

namespace weir {

/// One message with its five bytes before it.
std::string FrameGrpc(std::string_view message);
/// "1500m": at most eight digits, never shorter than asked.
std::string GrpcTimeout(uint64_t timeout_ms);
/// Of grpc-message: "%20" and so on; what is no escape stays.
std::string DecodePercent(std::string_view text);
/// Without padding, as gRPC sends it.
std::string EncodeBase64(std::string_view bytes);
/// With padding or without. nullopt: not base64.
std::optional<std::string> DecodeBase64(std::string_view text);
/// Without pseudo headers, "-bin" values as bytes (several in one value apart; those that are not base64 left out).
HeaderList DecodeMetadata(HeaderList headers);
/// Where an answer has no grpc-status. [gRPC: HTTP to gRPC status code mapping]
GrpcStatus StatusOfHttp(int http_status);
/// Of a stream that was reset with that HTTP/2 error code. [gRPC over HTTP/2 §HTTP2 Transport Mapping, Errors]
GrpcStatus StatusOfReset(uint32_t http2_error);
/// Of a call that failed before the server gave a status. kOk for kNone.
GrpcStatus StatusOfFailure(CallFailure failure);
/// nullopt: not a number of grpc-status. Numbers over 16 are kUnknown.
std::optional<GrpcStatus> ParseGrpcStatus(std::string_view text);

/// Takes messages out of bytes that come in any pieces.
class GrpcDeframer {
 public:
  enum class State : uint8_t { kOk, kTooLarge, kCompressed, kBadFlag };
  explicit GrpcDeframer(uint64_t message_bytes_max) : max_(message_bytes_max) {}
  /// After anything but kOk it takes no more.
  State Feed(std::string_view bytes, const std::function<void(std::string)>& on_message);
  /// A message has begun and is not complete.
  bool inside() const { return head_bytes_ > 0; }

 private:
  uint64_t max_;
  unsigned char head_[5] = {};
  size_t head_bytes_ = 0;
  uint64_t size_ = 0;
  std::string message_;
  State state_ = State::kOk;
};

}  // namespace weir
