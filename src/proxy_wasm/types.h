// The specification's types, by its names. [0.2.1 §Types]
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::proxy_wasm {

enum class Status : uint32_t {
  kOk = 0,
  kNotFound = 1,
  kBadArgument = 2,
  kSerializationFailure = 3,
  kParseFailure = 4,
  kInvalidMemoryAccess = 6,
  kEmpty = 7,
  kCasMismatch = 8,
  kInternalFailure = 10,
  kUnimplemented = 12,
};

enum class Action : uint32_t { kContinue = 0, kPause = 1 };  // the C++ SDK has more, all of them pauses

enum class BufferType : uint32_t {
  kHttpRequestBody = 0,
  kHttpResponseBody = 1,
  kDownstreamData = 2,
  kUpstreamData = 3,
  kHttpCallResponseBody = 4,
  kGrpcCallMessage = 5,
  kVmConfiguration = 6,
  kPluginConfiguration = 7,
  kForeignFunctionArguments = 8,
};
inline constexpr uint32_t kBufferTypes = 9;

enum class MapType : uint32_t {
  kHttpRequestHeaders = 0,
  kHttpRequestTrailers = 1,
  kHttpResponseHeaders = 2,
  kHttpResponseTrailers = 3,
  kGrpcCallInitialMetadata = 4,
  kGrpcCallTrailingMetadata = 5,
  kHttpCallResponseHeaders = 6,
  kHttpCallResponseTrailers = 7,
};
inline constexpr uint32_t kMapTypes = 8;

enum class StreamType : uint32_t { kHttpRequest = 0, kHttpResponse = 1, kDownstream = 2, kUpstream = 3 };
inline constexpr uint32_t kStreamTypes = 4;
inline constexpr uint32_t kMetricTypes = 3;  // as weir::MetricType
inline constexpr uint32_t kLogLevels = 6;    // as weir::LogLevel

inline constexpr uint32_t kRootContextId = 1;

/// An ABI version; its bit in abi::Versions.
enum class Version : uint8_t { k0_1_0 = 1, k0_2_0 = 2, k0_2_1 = 4 };
inline constexpr uint8_t kOnly010 = 1, kSince020 = 2 | 4, kSince021 = 4, kAllVersions = 1 | 2 | 4;
inline constexpr std::string_view kVersionNames[] = {"0.1.0", "0.2.0", "0.2.1"};  // by bit
constexpr std::string_view Name(Version version) {
  return version == Version::k0_1_0 ? kVersionNames[0] : version == Version::k0_2_0 ? kVersionNames[1] : kVersionNames[2];
}

}  // namespace weir::proxy_wasm
