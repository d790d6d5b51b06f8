// A local response to a gRPC request: trailers-only. [gRPC over HTTP/2, Responses]
#pragma once

#include "weir/http.h"

namespace weir {

/// content-type application/grpc, maybe with +proto and the like.
bool IsGrpcRequest(const HeaderMap& request);

/// With a gRPC status: 200 with grpc-status, and the body as grpc-message.
void MakeTrailersOnly(LocalResponse* response);

}  // namespace weir
