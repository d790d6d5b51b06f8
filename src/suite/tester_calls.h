// The host functions as the tester answers them (docs/test.md, "The host in a case"), over the ABI of src/proxy_wasm.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy_wasm/dialect.h"
#include "proxy_wasm/host_calls.h"
#include "suite/headers.h"
#include "suite/suite.pb.h"

namespace weir::suite {

/// What the host functions of one case see and change.
struct TesterState {
  enum class Phase : uint8_t { kNone, kRequestHeaders, kRequestBody, kResponseHeaders, kResponseBody };
  const pb::Test* test = nullptr;
  LogLevel log_level = LogLevel::kInfo;
  Phase phase = Phase::kNone;     ///< of the callback that runs, or ran last: local replies look at it
  bool headers_open = false;      ///< inside a headers callback: `headers` is that map
  FoldedHeaders headers;          ///< after a local reply: its own
  std::string body;               ///< the current chunk
  bool replied = false;           ///< a local reply was made: later phases do not call the plugin
  bool stops = false;             ///< send_local_response was called in this callback, also where it was refused
  uint32_t http_code = 0, grpc_code = 0;
  std::string reply_body, details;
  std::vector<std::string> logs;  ///< of this phase
  std::vector<std::string> all_logs;  ///< of every phase, and before
  uint64_t log_bytes = 0;         ///< of all_logs, and of what was dropped
  uint64_t header_bytes = 0;      ///< written in this case
  static constexpr uint64_t kLogBytesMax = 16 << 20, kLineCost = 64, kHeaderBytesMax = 64 << 20, kBodyBytesMax = 256 << 20;
  bool plugin_context_exists = false;  ///< lines before are nobody's

  void AddLog(LogLevel level, std::string_view line);
};

struct TesterDialect : proxy_wasm::Dialect {
  /// `state` outlives the plugin.
  explicit TesterDialect(TesterState& state);
  TesterState& state;
};

}  // namespace weir::suite
