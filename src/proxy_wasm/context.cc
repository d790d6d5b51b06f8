#include "proxy_wasm/context.h"

#include <algorithm>
#include <new>

#include "base/check.h"
#include "proxy_wasm/plugin.h"
#include "proxy_wasm/vm.h"

namespace weir::proxy_wasm {

ContextPool::~ContextPool() {
  while (free_ != nullptr) {
    Free* next = free_->next;
    ::operator delete(free_);
    free_ = next;
  }
}

void* ContextPool::Take(size_t bytes) {
  if (free_ == nullptr) return ::operator new(bytes);
  Free* taken = free_;
  free_ = taken->next;
  return taken;
}

void ContextPool::Give(void* memory) { free_ = new (memory) Free{free_}; }

Context::Context(ProxyWasmPlugin& plugin, Vm& vm, HttpStream& stream, uint32_t id)
    : plugin_(plugin), vm_(&vm), stream_(&stream), id_(id) {
  vm.contexts().Insert(*this);
}

Context::Context(ProxyWasmPlugin& plugin, Vm& vm, TcpStream& stream, uint32_t id)
    : plugin_(plugin), vm_(&vm), tcp_(&stream), id_(id) {
  vm.contexts().Insert(*this);
}

Context::~Context() {
  if (vm_ == nullptr) return;
  if (pending_) list().Remove(*this);
  vm_->contexts().Remove(*this);
}

Core& Context::core() const { return plugin_.core(); }

ContextList& Context::list() const { return done_ ? plugin_.done() : plugin_.waiting(); }

void Context::operator delete(Context* self, std::destroying_delete_t) {
  if (!self->finished_ && self->vm_ != nullptr) {  // the owner forgot OnFinish: the stream may be gone
    self->stream_ = nullptr;
    self->tcp_ = nullptr;
    self->OnFinish();
  }
  if (self->pending_ && self->vm_ != nullptr) {
    self->orphan_ = true;
    return;
  }
  self->Free();
}

void Context::Free() {
  ContextPool& pool = plugin_.pool();
  this->~Context();
  pool.Give(this);
}

bool Context::Create() { return vm_->Call(core(), Callback::kOnContextCreate, this, nullptr, id_, core().root_context); }

FilterStatus Context::Event(Callback callback, uint64_t a, uint64_t b) {
  if (vm_ == nullptr) return FilterStatus::kFailed;
  uint32_t action = 0;
  const bool alive = vm_->Call(core(), callback, this, &action, id_, std::min<uint64_t>(a, UINT32_MAX), b);
  if (!alive) {
    plugin_.OnDeath(this, Name(callback));
    return FilterStatus::kFailed;
  }
  if (plugin_.pending()) [[unlikely]] plugin_.FinalizeReady();
  if (vm_ == nullptr) return FilterStatus::kFailed;
  last_action_ = action;
  return action == uint32_t(Action::kContinue) ? FilterStatus::kContinue : FilterStatus::kPause;
}

FilterStatus Context::OnRequestHeaders(size_t count, EndOfStream end) {
  return Event(Callback::kOnRequestHeaders, count, uint64_t(end));
}
FilterStatus Context::OnRequestBody(size_t bytes, EndOfStream end) {
  return Event(Callback::kOnRequestBody, bytes, uint64_t(end));
}
FilterStatus Context::OnRequestTrailers(size_t count) { return Event(Callback::kOnRequestTrailers, count, 0); }
FilterStatus Context::OnResponseHeaders(size_t count, EndOfStream end) {
  return Event(Callback::kOnResponseHeaders, count, uint64_t(end));
}
FilterStatus Context::OnResponseBody(size_t bytes, EndOfStream end) {
  return Event(Callback::kOnResponseBody, bytes, uint64_t(end));
}
FilterStatus Context::OnResponseTrailers(size_t count) { return Event(Callback::kOnResponseTrailers, count, 0); }

bool Context::ignores_body(Direction direction) const {
  if (vm_ == nullptr) return true;
  return !vm_->has(direction == Direction::kRequest ? Callback::kOnRequestBody : Callback::kOnResponseBody);
}

FilterStatus Context::OnNewConnection() { return Event(Callback::kOnNewConnection, 0, 0); }
FilterStatus Context::OnData(TcpSide side, size_t bytes, EndOfStream end) {
  return Event(side == TcpSide::kDownstream ? Callback::kOnDownstreamData : Callback::kOnUpstreamData, bytes, uint64_t(end));
}
void Context::OnClose(TcpSide side, PeerType peer) {
  const bool downstream = side == TcpSide::kDownstream;
  const Callback callback = downstream ? Callback::kOnDownstreamConnectionClose : Callback::kOnUpstreamConnectionClose;
  if (Event(callback, uint64_t(peer), 0) == FilterStatus::kFailed && tcp_ != nullptr) tcp_->Fail();
}
bool Context::ignores_data(TcpSide side) const {
  if (vm_ == nullptr) return true;
  return !vm_->has(side == TcpSide::kDownstream ? Callback::kOnDownstreamData : Callback::kOnUpstreamData);
}
bool Context::ignores_trailers(Direction direction) const {
  if (vm_ == nullptr) return true;
  return !vm_->has(direction == Direction::kRequest ? Callback::kOnRequestTrailers : Callback::kOnResponseTrailers);
}

void Context::OnFinish() {
  if (finished_) return;
  finished_ = true;
  if (vm_ == nullptr) return;
  uint32_t completed = 1;
  asking_done_ = true;
  const bool alive = vm_->Call(core(), Callback::kOnDone, this, &completed, id_);
  asking_done_ = false;
  if (!alive) return plugin_.OnDeath(this, Name(Callback::kOnDone));
  if (completed == 0 && !done_ && plugin_.waits_for_done()) {
    pending_ = true;
    list().Add(*this);
    deadline_ns_ = plugin_.done_deadline_ns();
    if (stream_ != nullptr) snapshot_ = std::make_unique<SnapshotStream>(*stream_);
    stream_ = snapshot_.get();
    if (tcp_ != nullptr) tcp_snapshot_ = std::make_unique<SnapshotTcp>(*tcp_);
    tcp_ = tcp_snapshot_.get();
    return plugin_.StreamEnded(id_);
  }
  const bool others_pending = plugin_.pending();
  if (!Finalize()) return;
  plugin_.StreamEnded(id_);
  if (others_pending) [[unlikely]] plugin_.FinalizeReady();
}

bool Context::Done() {
  if (!pending_ && !asking_done_) return false;
  if (done_) return false;
  if (pending_) list().Remove(*this);
  done_ = true;
  if (pending_) list().Add(*this);
  return true;
}

bool Context::Finalize() {
  if (pending_) list().Remove(*this);
  pending_ = false;
  if (!vm_->Call(core(), Callback::kOnLog, this, nullptr, id_)) {
    plugin_.OnDeath(this, Name(Callback::kOnLog));
    return false;
  }
  if (!vm_->Call(core(), Callback::kOnDelete, this, nullptr, id_)) {
    plugin_.OnDeath(this, Name(Callback::kOnDelete));
    return false;
  }
  vm_->contexts().Remove(*this);
  vm_->callouts().CancelOf(id_);
  stream_ = nullptr;
  tcp_ = nullptr;
  vm_ = nullptr;
  return true;
}

void ContextList::Add(Context& context) {
  context.before_ = last_;
  (last_ != nullptr ? last_->after_ : first_) = &context;
  last_ = &context;
}

void ContextList::Remove(Context& context) {
  (context.before_ != nullptr ? context.before_->after_ : first_) = context.after_;
  (context.after_ != nullptr ? context.after_->before_ : last_) = context.before_;
  context.before_ = context.after_ = nullptr;
}

void ContextTable::Insert(Context& context) {
  if (size_ >= buckets_.size() * 2) Grow();
  Context*& bucket = buckets_[context.id_ & (buckets_.size() - 1)];
  context.next_ = bucket;
  bucket = &context;
  ++size_;
}

void ContextTable::Remove(Context& context) {
  for (Context** at = &buckets_[context.id_ & (buckets_.size() - 1)]; *at != nullptr; at = &(*at)->next_) {
    if (*at != &context) continue;
    *at = context.next_;
    context.next_ = nullptr;
    --size_;
    return;
  }
  WEIR_CHECK(!"the context is in its table");
}

Context* ContextTable::Find(uint32_t id) const {
  for (Context* c = buckets_[id & (buckets_.size() - 1)]; c != nullptr; c = c->next_)
    if (c->id_ == id) return c;
  return nullptr;
}

Context* ContextTable::TakeAny() {
  if (size_ == 0) return nullptr;
  while (buckets_[taken_] == nullptr) ++taken_;
  Context* context = buckets_[taken_];
  Remove(*context);
  return context;
}

void ContextTable::Grow() {
  std::vector<Context*> old(buckets_.size() * 2);
  old.swap(buckets_);
  for (Context* c : old) {
    while (c != nullptr) {
      Context* next = c->next_;
      Context*& bucket = buckets_[c->id_ & (buckets_.size() - 1)];
      c->next_ = bucket;
      bucket = c;
      c = next;
    }
  }
}

}  // namespace weir::proxy_wasm
