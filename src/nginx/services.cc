#include "nginx/services.h"

namespace weir::nginx {

NgxQueues::NgxQueues() {
  event_.data = this;
  event_.handler = OnEvent;
  event_.log = ngx_cycle->log;
}

NgxQueues::~NgxQueues() {
  if (event_.posted) {
    ngx_delete_posted_event(&event_);
  }
}

void NgxQueues::Post() {
  // The canary has no loop, and nginx has not made its lists of events there: nobody is told of an item until a worker has it.
  if (ngx_posted_events.next == nullptr) return;
  ngx_post_event(&event_, &ngx_posted_events);
}

void NgxQueues::OnEvent(ngx_event_t* event) noexcept {
  auto* queues = static_cast<NgxQueues*>(event->data);
  queues->queues_.Deliver();
  if (queues->queues_.ready()) {
    // Items that came meanwhile wait for the next round of the loop, so that two plugins cannot hold it for ever.
    ngx_post_event(event, &ngx_posted_next_events);
  }
}

uint32_t NgxQueues::Register(std::string_view space, std::string_view name, Plugin& consumer) {
  const uint32_t id = queues_.Register(space, name, consumer);
  if (queues_.ready()) Post();
  return id;
}

std::optional<uint32_t> NgxQueues::Resolve(std::string_view space, std::string_view name) {
  return queues_.Resolve(space, name);
}

StoreStatus NgxQueues::Enqueue(uint32_t id, std::string_view item) {
  const StoreStatus status = queues_.Enqueue(id, item);
  if (status == StoreStatus::kOk && queues_.ready()) Post();
  return status;
}

StoreStatus NgxQueues::Dequeue(uint32_t id, std::string* item) { return queues_.Dequeue(id, item); }
void NgxQueues::Forget(Plugin& consumer) { queues_.Forget(consumer); }

}  // namespace weir::nginx
