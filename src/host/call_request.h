// A call as it goes on the wire: HttpCall and GrpcCall checked, and brought to one form.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/call_event.h"
#include "host/cluster.h"
#include "weir/call.h"
#include "weir/result.h"

namespace weir {

struct CallRequest {
  CallToken token = 0;
  std::shared_ptr<const ActiveCluster> cluster;
  size_t endpoint = 0;                     ///< the first to try
  bool grpc = false;
  std::string method, authority, path;     ///< authority empty: the endpoint's
  std::vector<std::string> header_lines;   ///< "name: value", as libcurl takes them
  std::string body;                        ///< gRPC: framed messages
  bool body_open = false;                  ///< more comes by GrpcSend
  std::vector<std::string> trailer_lines;
  uint64_t timeout_ms = 0;                 ///< 0: none
  std::shared_ptr<GrpcFlow> flow;          ///< of gRPC
};

/// kInvalidArgument: the headers, or what this cluster cannot send.
Result<std::unique_ptr<CallRequest>> MakeHttpRequest(HttpCall call, const ActiveCluster& cluster);
Result<std::unique_ptr<CallRequest>> MakeGrpcRequest(GrpcCall call, const ActiveCluster& cluster);

}  // namespace weir
