// Shared data and queues: by name space, which is the vm_id.
#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {

Status HostCalls::SetSharedData(std::string_view key, std::string_view value, uint32_t cas) {
  switch (core_->host.shared_data.Set(core_->space(), key, value, cas)) {
    case StoreStatus::kOk: return Status::kOk;
    case StoreStatus::kNotFound:  // a cas for a key that is not there
    case StoreStatus::kCasMismatch: return Refuse(Status::kCasMismatch, "the entry has another cas");
    default: return Refuse(Status::kInternalFailure, "the name space's limit is reached");
  }
}

Answer<std::tuple<std::string_view, uint32_t>> HostCalls::GetSharedData(std::string_view key) {
  auto entry = core_->host.shared_data.Get(core_->space(), key);
  if (!entry) return Refuse(Status::kNotFound, "no such key", key);
  scratch_ = std::move(entry->value);
  return std::tuple{std::string_view(scratch_), entry->cas};
}

Answer<uint32_t> HostCalls::RegisterSharedQueue(std::string_view name) {
  const uint32_t id = core_->host.queues.Register(core_->space(), name, core_->plugin);
  if (id == 0) return Refuse(Status::kInternalFailure, "the limit of queues or of a queue's name is reached");
  return id;
}

Answer<uint32_t> HostCalls::ResolveSharedQueue(std::string_view vm_id, std::string_view name) {
  auto id = core_->host.queues.Resolve(vm_id.empty() ? core_->space() : vm_id, name);
  if (!id) return Refuse(Status::kNotFound, "no such queue", name);
  return *id;
}

Status HostCalls::EnqueueSharedQueue(uint32_t queue_id, std::string_view item) {
  switch (core_->host.queues.Enqueue(queue_id, item)) {
    case StoreStatus::kOk: return Status::kOk;
    case StoreStatus::kNotFound: return Refuse(Status::kNotFound, "no such queue");
    default: return Refuse(Status::kInternalFailure, "the queue is full");
  }
}

Answer<std::string_view> HostCalls::DequeueSharedQueue(uint32_t queue_id) {
  switch (core_->host.queues.Dequeue(queue_id, &scratch_)) {
    case StoreStatus::kOk: return std::string_view(scratch_);
    case StoreStatus::kNotFound: return Refuse(Status::kNotFound, "no such queue");
    case StoreStatus::kEmpty: return Refuse(Status::kEmpty, "the queue is empty");
    default: return Refuse(Status::kInternalFailure, "the queue cannot be read");
  }
}

}  // namespace weir::proxy_wasm
