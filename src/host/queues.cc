#include "host/queues.h"

#include <algorithm>

namespace weir {

uint32_t InProcessQueues::Register(std::string_view space, std::string_view name, Plugin& consumer) {
  if (name.size() > limits_.name_bytes) return 0;
  std::lock_guard lock(mutex_);
  auto [it, made] = ids_.try_emplace({std::string(space), std::string(name)}, 0);
  if (made) {
    if (queues_.size() >= limits_.queues) {
      ids_.erase(it);
      return 0;
    }
    queues_.emplace_back();
    it->second = static_cast<uint32_t>(queues_.size());
  }
  auto& consumers = queues_[it->second - 1].consumers;
  if (std::find(consumers.begin(), consumers.end(), &consumer) == consumers.end()) consumers.push_back(&consumer);
  return it->second;
}

std::optional<uint32_t> InProcessQueues::Resolve(std::string_view space, std::string_view name) {
  std::lock_guard lock(mutex_);
  auto it = ids_.find({std::string(space), std::string(name)});
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

StoreStatus InProcessQueues::Enqueue(uint32_t id, std::string_view item) {
  std::lock_guard lock(mutex_);
  Queue* queue = Find(id);
  if (!queue) return StoreStatus::kNotFound;
  const bool room = queue->items.size() < limits_.items && item.size() <= limits_.bytes &&
                    queue->bytes <= limits_.bytes - item.size();
  if (!room) return StoreStatus::kFull;
  queue->items.emplace_back(item);
  queue->bytes += item.size();
  ++queue->untold;
  return StoreStatus::kOk;
}

StoreStatus InProcessQueues::Dequeue(uint32_t id, std::string* item) {
  std::lock_guard lock(mutex_);
  Queue* queue = Find(id);
  if (!queue) return StoreStatus::kNotFound;
  if (queue->items.empty()) return StoreStatus::kEmpty;
  *item = std::move(queue->items.front());
  queue->items.pop_front();
  queue->bytes -= item->size();
  queue->untold = std::min<uint64_t>(queue->untold, queue->items.size());
  return StoreStatus::kOk;
}

void InProcessQueues::Forget(Plugin& consumer) {
  std::lock_guard lock(mutex_);
  for (Queue& queue : queues_) std::erase(queue.consumers, &consumer);
}

size_t InProcessQueues::Deliver() {
  struct Turn {
    uint32_t id;
    uint64_t count;
  };
  std::vector<Turn> turns;
  {
    std::lock_guard lock(mutex_);
    uint64_t left = limits_.turns;
    for (size_t n = 0; n < queues_.size() && left > 0; ++n) {
      const size_t i = next_queue_++ % queues_.size();  // from where the last call ended, so that no queue starves
      Queue& queue = queues_[i];
      if (queue.untold == 0 || queue.consumers.empty()) continue;
      const uint64_t count = std::min(queue.untold, left);
      queue.untold -= count;
      left -= count;
      turns.push_back({static_cast<uint32_t>(i + 1), count});
    }
  }
  size_t told = 0;
  for (const Turn& turn : turns) {
    for (uint64_t i = 0; i < turn.count; ++i) {
      Plugin* consumer = nullptr;
      {
        std::lock_guard lock(mutex_);
        Queue& queue = *Find(turn.id);
        if (queue.consumers.empty()) {  // forgotten meanwhile: they wait for another
          queue.untold = std::min<uint64_t>(queue.untold + turn.count - i, queue.items.size());
          break;
        }
        consumer = queue.consumers[queue.next_consumer++ % queue.consumers.size()];
      }
      consumer->OnQueueReady(turn.id);
      ++told;
    }
  }
  return told;
}

bool InProcessQueues::ready() {
  std::lock_guard lock(mutex_);
  return std::any_of(queues_.begin(), queues_.end(),
                     [](const Queue& queue) { return queue.untold > 0 && !queue.consumers.empty(); });
}

}  // namespace weir
