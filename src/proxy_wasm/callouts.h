// The HTTP and gRPC calls of one instance that are in flight: what the guest knows by a call id, and the embedder by a token.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "proxy_wasm/types.h"
#include "weir/call.h"

namespace weir::proxy_wasm {

struct Core;

struct Callout {
  enum class Kind : uint8_t {
    kHttp,
    kGrpcCall,    ///< one message each way
    kGrpcStream,
  } kind = Kind::kHttp;
  uint32_t id = 0;       ///< the guest's; one counter for all kinds
  Core* core = nullptr;  ///< the plugin's
  uint32_t context = 0;  ///< whose end cancels it; 0: the plugin context
  CallToken token = 0;
  uint64_t started_ns = 0;
  std::string upstream;
  std::optional<std::string> reply;  ///< kGrpcCall: the message, until the status is known
};

/// What a callback on the plugin context may read, and no other: maps 4 to 7, buffers 4, 5 and 8, get_status. What it has not is null.
struct Incoming {
  HeaderMap* maps[kMapTypes - kHeaderMapKinds] = {};  ///< by MapType, from kGrpcCallInitialMetadata on
  const std::string* http_body = nullptr;
  const std::string* grpc_message = nullptr;
  const std::string* foreign_arguments = nullptr;
  uint32_t status = 0;
  std::string_view message;
};

class Callouts {
 public:
  Callouts() = default;
  /// The instance is gone: cancels all.
  ~Callouts();
  Callouts(const Callouts&) = delete;
  Callouts& operator=(const Callouts&) = delete;

  size_t size() const { return by_id_.size(); }
  /// 0: all ids are used up. One is never given twice.
  uint32_t TakeId() { return next_id_ == UINT32_MAX ? 0 : next_id_++; }
  void Add(Callout callout);
  Callout* Find(uint32_t id);
  Callout* FindToken(CallToken token);
  /// It is over, for the guest as for the embedder.
  void End(const Callout& callout, std::string_view outcome);
  void Cancel(const Callout& callout);
  /// Those of a context that is gone.
  void CancelOf(uint32_t context);
  /// Those of a plugin that leaves.
  void CancelOf(const Core& core);

 private:
  std::unordered_map<uint32_t, Callout> by_id_;
  std::unordered_map<CallToken, uint32_t> ids_;
  std::set<std::pair<uint32_t, uint32_t>> of_contexts_;  ///< context and id, of those that streams own
  uint32_t next_id_ = 1;
};

}  // namespace weir::proxy_wasm
