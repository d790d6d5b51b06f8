// What leaves the proxy: calls to upstreams, which this version does not make, and says so once; and foreign functions.
#include "proxy_wasm/foreign.h"
#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {
namespace {
constexpr std::string_view kNoHttp = "HTTP calls are not available in this version";
constexpr std::string_view kNoGrpc = "gRPC calls are not available in this version";

Status StatusOf(ForeignAnswer::Status status) {
  switch (status) {
    case ForeignAnswer::Status::kOk: return Status::kOk;
    case ForeignAnswer::Status::kNotFound: return Status::kNotFound;
    case ForeignAnswer::Status::kBadArgument: return Status::kBadArgument;
    case ForeignAnswer::Status::kInternalFailure: return Status::kInternalFailure;
    case ForeignAnswer::Status::kSerializationFailure: return Status::kSerializationFailure;
  }
  return Status::kInternalFailure;
}
}  // namespace

Answer<std::string_view> HostCalls::CallForeignFunction(std::string_view name, std::string_view argument) {
  ForeignAnswer answer;
  if (const BuiltinForeign* builtin = BuiltinForeign::Find(name)) {
    answer = builtin->function(*this, argument);
  } else if (auto at = core_.host.foreign_functions.find(name); at != core_.host.foreign_functions.end()) {
    const std::string copy(argument);  // it may outlive this call's view of guest memory
    answer = at->second(core_.plugin, copy);
  }
  if (answer.status == ForeignAnswer::Status::kNotFound) return Refuse(Status::kNotFound, "no such foreign function, or no such thing", name);
  if (answer.status != ForeignAnswer::Status::kOk) return Refuse(StatusOf(answer.status), "the foreign function refused its argument", name);
  scratch_ = std::move(answer.bytes);
  return std::string_view(scratch_);
}

Answer<uint32_t> HostCalls::HttpCall(std::string_view, std::string_view headers, std::string_view, std::string_view trailers,
                                     uint32_t) {
  auto pairs = ParsePairs(headers, pair_limits());
  if (!pairs || !ParsePairs(trailers, pair_limits())) return Refuse(Status::kBadArgument, "malformed or too long pairs");
  for (std::string_view needed : {":method", ":path", ":authority"}) {
    bool there = false;
    for (const auto& [key, value] : *pairs) there = there || (key == needed && !value.empty());
    if (!there) return Refuse(Status::kBadArgument, ":method, :path and :authority are needed");
  }
  core_.LogOnce(LogLevel::kError, kNoHttp);
  return Refuse(Status::kInternalFailure, kNoHttp);
}

Answer<uint32_t> HostCalls::GrpcCall(std::string_view, std::string_view, std::string_view, std::string_view, std::string_view,
                                     uint32_t) {
  core_.LogOnce(LogLevel::kError, kNoGrpc);
  return Refuse(Status::kInternalFailure, kNoGrpc);
}
Answer<uint32_t> HostCalls::GrpcStream(std::string_view, std::string_view, std::string_view, std::string_view) {
  core_.LogOnce(LogLevel::kError, kNoGrpc);
  return Refuse(Status::kInternalFailure, kNoGrpc);
}
Status HostCalls::GrpcSend(uint32_t, std::string_view, uint32_t) { return Refuse(Status::kNotFound, "no such gRPC stream"); }
Status HostCalls::GrpcCancel(uint32_t) { return Refuse(Status::kNotFound, "no such gRPC call"); }
Status HostCalls::GrpcClose(uint32_t) { return Refuse(Status::kNotFound, "no such gRPC call"); }

}  // namespace weir::proxy_wasm
