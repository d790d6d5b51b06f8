#include "host/zone/zone.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace weir {
namespace {

constexpr size_t kAlign = 64;
size_t RoundUp(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

bool Gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

std::string Kilobytes(size_t bytes) { return std::to_string(bytes / 1024) + "k"; }

}  // namespace

uint64_t ZoneHash(std::string_view one, std::string_view two) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  };
  add(one);
  const uint64_t size = one.size();
  add({reinterpret_cast<const char*>(&size), sizeof size});
  add(two);
  return hash ^ hash >> 32;  // the low bits choose a bucket
}

ZoneSizes ZoneSizes::Resolved() const {
  ZoneSizes sizes = *this;
  if (sizes.data == 0) sizes.data = sizes.bytes / 2;
  if (sizes.queues == 0) sizes.queues = sizes.bytes / 4;
  return sizes;
}

size_t ZoneSizes::SpaceLimit(size_t spaces) const {
  if (space != 0) return space;
  return spaces > 1 ? Resolved().data / 2 : 0;
}

std::string ZoneSizes::Fault() const {
  if (bytes < kLeast) return "is too small: the least is " + Kilobytes(kLeast);
  if (bytes > kMost) return "is too large: the most is " + Kilobytes(kMost);
  const ZoneSizes sizes = Resolved();
  if (sizes.data < kPartLeast) return "data= is too small: the least is " + Kilobytes(kPartLeast);
  if (sizes.queues < kPartLeast) return "queues= is too small: the least is " + Kilobytes(kPartLeast);
  if (sizes.data > bytes || sizes.queues > bytes - sizes.data || bytes - sizes.data - sizes.queues < kLeast / 4) {
    return "data= and queues= must leave " + Kilobytes(kLeast / 4) + " of the zone for metrics and workers";
  }
  if (space != 0 && space < kSpaceLeast) return "space= is too small: the least is " + Kilobytes(kSpaceLeast);
  if (space > sizes.data) return "space= is too large: all shared data has " + Kilobytes(sizes.data) + " (data=)";
  return {};
}

bool Zone::Format(void* memory, size_t bytes, const ZoneSizes& given) {
  const ZoneSizes sizes = given.Resolved();
  const size_t head = RoundUp(sizeof(ZoneRoot));
  // What the embedder needs of the zone itself is taken from the part for metrics.
  if (bytes < head + sizes.data + sizes.queues) return false;
  auto* root = new (memory) ZoneRoot{};
  root->bytes = bytes;
  auto* at = static_cast<char*>(memory) + head;
  char* end = static_cast<char*>(memory) + bytes / kAlign * kAlign;
  char* data = end - RoundUp(sizes.data);
  char* queues = data - RoundUp(sizes.queues);
  if (queues <= at) return false;
  return root->metrics.Format(at, static_cast<size_t>(queues - at)) &&
         root->queues.Format(queues, static_cast<size_t>(data - queues)) &&
         root->data.Format(data, static_cast<size_t>(end - data));
}

void Zone::Lock() {
  lock_.Lock();
  if (root_.busy.load(std::memory_order_relaxed) != 0) Repair();
  root_.busy.store(1, std::memory_order_release);
}

void Zone::Unlock() {
  root_.busy.store(0, std::memory_order_release);
  lock_.Unlock();
}

void Zone::Repair() {
  root_.metrics.Repair();
  root_.queues.Repair();
  root_.data.Repair();
  ++root_.repairs;
}

bool Zone::Join(uint32_t slot, const std::vector<std::string>& plugins) {
  const ZoneGuard guard(*this);
  ReapLocked();
  MetricPart& part = root_.metrics;
  ZoneWorker* worker = Follow(part.workers);
  while (worker != nullptr && worker->pid.load(std::memory_order_relaxed) != 0) worker = Follow(worker->next);
  if (worker == nullptr) {
    void* memory = part.arena->Allocate(sizeof(ZoneWorker));
    if (memory == nullptr) return false;
    worker = new (memory) ZoneWorker{};
    Commit(worker->next, Follow(part.workers));
    Commit(part.workers, worker);
  }
  worker->slot = slot;
  worker->woken = false;
  worker->plugins = 0;
  for (const std::string& plugin : plugins) worker->plugins |= part.BitOf(plugin);
  worker->pid.store(getpid(), std::memory_order_release);
  worker_ = worker;
  part.DropUnused();
  return true;
}

void Zone::Retire(ZoneWorker& worker) {
  root_.queues.Drop(worker);
  root_.metrics.Fold(worker);
  worker.plugins = 0;
  worker.pid.store(0, std::memory_order_release);
}

void Zone::Leave() {
  if (worker_ == nullptr) return;
  const ZoneGuard guard(*this);
  Retire(*worker_);
  worker_ = nullptr;
  root_.metrics.DropUnused();
}

size_t Zone::ReapLocked() {
  size_t found = 0;
  for (ZoneWorker* worker = Follow(root_.metrics.workers); worker != nullptr; worker = Follow(worker->next)) {
    const pid_t pid = worker->pid.load(std::memory_order_relaxed);
    if (pid == 0 || worker == worker_ || !Gone(pid)) continue;
    Retire(*worker);
    ++found;
  }
  return found;
}

size_t Zone::Reap() {
  const ZoneGuard guard(*this);
  const size_t found = ReapLocked();
  if (found != 0) root_.metrics.DropUnused();
  return found;
}

}  // namespace weir
