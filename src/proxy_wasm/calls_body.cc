// Buffers.
#include "proxy_wasm/callouts.h"
#include "proxy_wasm/context.h"
#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {
namespace {
constexpr std::string_view kNoBuffer = "that buffer is not there in this phase";
constexpr std::string_view kTooLong = "the limit of held bytes is reached (Limits::body_bytes)";
constexpr std::string_view kUnknownBuffer = "no such buffer id";
bool IsBody(BufferType buffer) { return uint32_t(buffer) < kDirections; }
bool IsData(BufferType buffer) { return buffer == BufferType::kDownstreamData || buffer == BufferType::kUpstreamData; }
TcpSide SideOf(BufferType buffer) {
  return buffer == BufferType::kDownstreamData ? TcpSide::kDownstream : TcpSide::kUpstream;
}
}  // namespace

Answer<std::string_view> HostCalls::Buffer(BufferType buffer) {
  if (uint32_t(buffer) >= kBufferTypes) return Refuse(Status::kBadArgument, kUnknownBuffer);
  if (buffer == BufferType::kVmConfiguration) return std::string_view(core_->spec.vm_configuration);
  if (buffer == BufferType::kPluginConfiguration) return std::string_view(core_->spec.configuration);
  if (IsBody(buffer) && !core_->allows(Group::kBody)) {
    core_->LogOnce(LogLevel::kWarn, "bodies cannot be read: allow= of this plugin does not name body (said once)");
    return Refuse(Status::kNotFound, "allow= of this plugin does not name body");
  }
  if (IsBody(buffer) && stream() != nullptr) {
    if (auto body = stream()->body(Direction(buffer))) return *body;
  }
  const std::string* bytes = nullptr;
  if (incoming_ != nullptr && buffer == BufferType::kHttpCallResponseBody) bytes = incoming_->http_body;
  if (incoming_ != nullptr && buffer == BufferType::kGrpcCallMessage) bytes = incoming_->grpc_message;
  if (incoming_ != nullptr && buffer == BufferType::kForeignFunctionArguments) bytes = incoming_->foreign_arguments;
  if (bytes != nullptr) return std::string_view(*bytes);
  if (IsData(buffer) && tcp() != nullptr) {
    if (auto data = tcp()->data(SideOf(buffer))) return *data;
  }
  return Refuse(Status::kNotFound, kNoBuffer);
}

Answer<std::string_view> HostCalls::GetBufferBytes(BufferType buffer, uint32_t start, uint32_t max_size) {
  auto bytes = Buffer(buffer);
  if (bytes.status != Status::kOk) return bytes;
  if (uint64_t(start) + max_size > UINT32_MAX) return Refuse(Status::kBadArgument, "start + max_size overflows");
  if (start >= bytes.value.size()) return std::string_view();
  return bytes.value.substr(start, max_size);
}

Answer<std::tuple<uint32_t, uint32_t>> HostCalls::GetBufferStatus(BufferType buffer) {
  auto bytes = Buffer(buffer);
  if (bytes.status != Status::kOk) return bytes.status;
  return std::tuple{uint32_t(bytes.value.size()), 0u};
}

Status HostCalls::SetBufferBytes(BufferType buffer, uint32_t start, uint32_t size, std::string_view value) {
  if (uint32_t(buffer) >= kBufferTypes) return Refuse(Status::kBadArgument, kUnknownBuffer);
  if (IsData(buffer)) {
    if (tcp() == nullptr || !tcp()->data(SideOf(buffer))) return Refuse(Status::kNotFound, kNoBuffer);
    return tcp()->ReplaceData(SideOf(buffer), start, size, value) ? Status::kOk : Refuse(Status::kBadArgument, kTooLong);
  }
  if (!IsBody(buffer)) return Refuse(Status::kBadArgument, "that buffer is read-only");
  if (stream() == nullptr || !stream()->body(Direction(buffer))) return Refuse(Status::kNotFound, kNoBuffer);
  return stream()->ReplaceBody(Direction(buffer), start, size, value) ? Status::kOk : Refuse(Status::kBadArgument, kTooLong);
}

// 0.1.0: of the VM in on_vm_start, else of the plugin.
Answer<std::string_view> HostCalls::GetConfiguration() {
  return std::string_view(in_vm_start_ ? core_->spec.vm_configuration : core_->spec.configuration);
}

}  // namespace weir::proxy_wasm
