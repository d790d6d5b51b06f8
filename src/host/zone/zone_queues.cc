#include "host/zone/zone_queues.h"

#include <algorithm>
#include <new>

namespace weir {

bool QueuePart::Format(void* memory, size_t bytes) {
  const size_t table = kZoneQueuesMax * sizeof(ZoneLink<SharedQueue>);
  by_id = new (memory) ZoneLink<SharedQueue>[kZoneQueuesMax]{};
  arena = Arena::Make(static_cast<char*>(memory) + table, bytes - table);
  return arena != nullptr;
}

void QueuePart::Repair() {
  std::vector<void*> live;
  count = 0;
  for (uint32_t i = 0; i < kZoneQueuesMax; ++i) {
    SharedQueue* queue = Follow(by_id[i]);
    if (queue == nullptr) break;
    count = i + 1;
    live.push_back(queue);
    queue->items = queue->bytes = 0;
    queue->last = nullptr;
    for (QueueItem* item = Follow(queue->first); item != nullptr; item = Follow(item->next)) {
      live.push_back(item);
      ++queue->items;
      queue->bytes += item->size;
      queue->last = item;
    }
    queue->untold = queue->items;  // rather told twice than never
    for (QueueConsumer* consumer = Follow(queue->consumers); consumer != nullptr; consumer = Follow(consumer->next)) {
      live.push_back(consumer);
    }
  }
  arena->Rebuild(std::move(live));
}

void QueuePart::Drop(const ZoneWorker& worker) {
  for (uint32_t i = 0; i < count; ++i) {
    SharedQueue* queue = Follow(by_id[i]);
    ZoneLink<QueueConsumer>* link = &queue->consumers;
    while (QueueConsumer* consumer = Follow(*link)) {
      if (consumer->worker != &worker) {
        link = &consumer->next;
        continue;
      }
      queue->untold = std::min(queue->untold + consumer->telling, queue->items);
      Commit(*link, Follow(consumer->next));
      arena->Free(consumer);
    }
  }
}

SharedQueue* ZoneQueues::Find(uint32_t id) {
  QueuePart& part = zone_.root().queues;
  return id == 0 || id > part.count ? nullptr : Follow(part.by_id[id - 1]);
}

SharedQueue* ZoneQueues::FindByName(std::string_view space, std::string_view name) {
  QueuePart& part = zone_.root().queues;
  for (uint32_t i = 0; i < part.count; ++i) {
    SharedQueue* queue = Follow(part.by_id[i]);
    if (queue->name() == name && queue->space() == space) return queue;
  }
  return nullptr;
}

QueueConsumer* ZoneQueues::ConsumerOf(SharedQueue& queue) {
  QueueConsumer* consumer = Follow(queue.consumers);
  while (consumer != nullptr && consumer->worker != zone_.worker()) consumer = Follow(consumer->next);
  return consumer;
}

uint32_t ZoneQueues::Register(std::string_view space, std::string_view name, Plugin& consumer) {
  if (name.size() > limits_.name_bytes || zone_.worker() == nullptr) return 0;
  uint32_t id = 0;
  bool waiting = false;
  {
    const ZoneGuard guard(zone_);
    QueuePart& part = zone_.root().queues;
    SharedQueue* queue = FindByName(space, name);
    if (queue == nullptr) {
      const bool room = part.count < std::min(limits_.queues, kZoneQueuesMax);
      void* memory = room ? part.arena->Allocate(sizeof(SharedQueue) + space.size() + name.size()) : nullptr;
      if (memory == nullptr) return 0;
      queue = new (memory) SharedQueue{};
      queue->id = part.count + 1;
      queue->space_size = static_cast<uint32_t>(space.size());
      queue->name_size = static_cast<uint32_t>(name.size());
      char* text = reinterpret_cast<char*>(queue + 1);
      space.copy(text, space.size());
      name.copy(text + space.size(), name.size());
      Commit(part.by_id[part.count], queue);
      ++part.count;
    }
    if (ConsumerOf(*queue) == nullptr) {
      void* memory = part.arena->Allocate(sizeof(QueueConsumer));
      if (memory == nullptr) return 0;
      auto* node = new (memory) QueueConsumer{};
      node->worker = zone_.worker();
      Commit(node->next, Follow(queue->consumers));
      Commit(queue->consumers, node);
    }
    id = queue->id;
    waiting = queue->untold != 0;
  }
  std::vector<Plugin*>& plugins = consumers_[id].plugins;
  if (std::find(plugins.begin(), plugins.end(), &consumer) == plugins.end()) plugins.push_back(&consumer);
  if (waiting) waker_.WakeSelf();
  return id;
}

std::optional<uint32_t> ZoneQueues::Resolve(std::string_view space, std::string_view name) {
  const ZoneGuard guard(zone_);
  const SharedQueue* queue = FindByName(space, name);
  if (queue == nullptr) return std::nullopt;
  return queue->id;
}

ZoneWorker* ZoneQueues::NextConsumer(SharedQueue& queue) {
  uint32_t count = 0;
  for (QueueConsumer* one = Follow(queue.consumers); one != nullptr; one = Follow(one->next)) ++count;
  if (count == 0) return nullptr;
  QueueConsumer* chosen = Follow(queue.consumers);
  for (uint32_t skip = queue.next_consumer++ % count; skip != 0; --skip) chosen = Follow(chosen->next);
  if (chosen->worker->woken) return nullptr;
  chosen->worker->woken = true;
  return chosen->worker;
}

void ZoneQueues::WakeWorker(const ZoneWorker* worker) {
  if (worker == nullptr) return;
  if (worker == zone_.worker()) {
    waker_.WakeSelf();
  } else {
    waker_.Wake(worker->slot);
  }
}

StoreStatus ZoneQueues::Enqueue(uint32_t id, std::string_view bytes) {
  std::string full;
  {
    const ZoneGuard guard(zone_);
    QueuePart& part = zone_.root().queues;
    SharedQueue* queue = Find(id);
    if (queue == nullptr) return StoreStatus::kNotFound;
    const bool room = queue->items < limits_.items && bytes.size() <= limits_.bytes && queue->bytes <= limits_.bytes - bytes.size();
    void* memory = room ? part.arena->Allocate(sizeof(QueueItem) + bytes.size()) : nullptr;
    if (memory != nullptr) {
      auto* item = new (memory) QueueItem{};
      item->size = static_cast<uint32_t>(bytes.size());
      bytes.copy(reinterpret_cast<char*>(item + 1), bytes.size());
      Commit(queue->last != nullptr ? queue->last->next : queue->first, item);
      queue->last = item;
      ++queue->items;
      queue->bytes += bytes.size();
      ++queue->untold;
      WakeWorker(NextConsumer(*queue));
      return StoreStatus::kOk;
    }
    ++part.full;
    full.append(queue->space()).append("/").append(queue->name());
  }
  if (listener_ != nullptr) listener_->OnQueueFull(full, bytes.size());
  return StoreStatus::kFull;
}

StoreStatus ZoneQueues::Dequeue(uint32_t id, std::string* bytes) {
  const ZoneGuard guard(zone_);
  SharedQueue* queue = Find(id);
  if (queue == nullptr) return StoreStatus::kNotFound;
  QueueItem* item = Follow(queue->first);
  if (item == nullptr) return StoreStatus::kEmpty;
  bytes->assign(item->bytes());
  if (queue->last == item) queue->last = nullptr;
  Commit(queue->first, Follow(item->next));
  --queue->items;
  queue->bytes -= item->size;
  queue->untold = std::min(queue->untold, queue->items);
  zone_.root().queues.arena->Free(item);
  return StoreStatus::kOk;
}

void ZoneQueues::Forget(Plugin& consumer) {
  const ZoneGuard guard(zone_);
  for (auto it = consumers_.begin(); it != consumers_.end();) {
    std::erase(it->second.plugins, &consumer);
    if (!it->second.plugins.empty()) {
      ++it;
      continue;
    }
    SharedQueue* queue = Find(it->first);
    ZoneLink<QueueConsumer>* link = &queue->consumers;
    while (QueueConsumer* node = Follow(*link)) {
      if (node->worker != zone_.worker()) {
        link = &node->next;
        continue;
      }
      queue->untold = std::min(queue->untold + node->telling, queue->items);
      Commit(*link, Follow(node->next));
      zone_.root().queues.arena->Free(node);
    }
    if (queue->untold != 0) WakeWorker(NextConsumer(*queue));
    it = consumers_.erase(it);
  }
}

bool ZoneQueues::Deliver() {
  struct Turn {
    uint32_t id;
    uint64_t count;
  };
  std::vector<Turn> turns;
  bool more = false;
  {
    const ZoneGuard guard(zone_);
    if (zone_.worker() != nullptr) zone_.worker()->woken = false;
    uint64_t left = limits_.turns;
    auto it = consumers_.lower_bound(next_queue_);
    for (size_t n = 0; n < consumers_.size(); ++n, ++it) {  // from where the last call ended, so that no queue starves
      if (it == consumers_.end()) it = consumers_.begin();
      SharedQueue* queue = Find(it->first);
      QueueConsumer* own = ConsumerOf(*queue);
      const uint64_t count = own != nullptr ? std::min(queue->untold, left) : 0;
      if (count == 0) {
        more = more || (own != nullptr && queue->untold != 0);
        continue;
      }
      queue->untold -= count;
      own->telling += count;
      left -= count;
      next_queue_ = it->first + 1;
      more = more || queue->untold != 0;
      turns.push_back({it->first, count});
    }
  }
  for (const Turn& turn : turns) {
    for (uint64_t i = 0; i < turn.count; ++i) {
      const auto local = consumers_.find(turn.id);
      if (local == consumers_.end()) break;  // forgotten meanwhile: its items were handed out again
      Plugin* plugin = local->second.plugins[local->second.next++ % local->second.plugins.size()];
      plugin->OnQueueReady(turn.id);
      const ZoneGuard guard(zone_);
      QueueConsumer* own = ConsumerOf(*Find(turn.id));
      if (own != nullptr && own->telling != 0) --own->telling;
    }
  }
  return more;
}

void ZoneQueues::Rescue() {
  zone_.Reap();
  bool waiting = false;
  {
    const ZoneGuard guard(zone_);
    for (const auto& [id, local] : consumers_) waiting = waiting || Find(id)->untold != 0;
  }
  if (waiting) waker_.WakeSelf();
}

}  // namespace weir
