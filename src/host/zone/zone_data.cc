#include "host/zone/zone_data.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace weir {
namespace {

constexpr size_t kBytesPerBucket = 256;
constexpr uint32_t kSweepEachWrite = 4;  // buckets

DataEntry* Fill(void* memory, DataSpace* space, std::string_view key, std::string_view value, uint64_t hash) {
  auto* entry = new (memory) DataEntry{};
  entry->space = space;
  entry->hash = hash;
  entry->key_size = static_cast<uint32_t>(key.size());
  entry->value_size = static_cast<uint32_t>(value.size());
  key.copy(entry->bytes(), key.size());
  value.copy(entry->bytes() + key.size(), value.size());
  return entry;
}

/// 0: never.
uint64_t Earlier(uint64_t one_ns, uint64_t two_ns) {
  if (one_ns == 0 || two_ns == 0) return one_ns + two_ns;
  return std::min(one_ns, two_ns);
}

}  // namespace

void DataSpace::Add(DataEntry* entry) {
  bytes += Arena::Taken(entry);
  entries += 1;
  if (hand == nullptr) {
    hand = entry->after = entry->before = entry;
    return;
  }
  entry->after = hand;
  entry->before = hand->before;
  entry->before->after = hand->before = entry;
}

void DataSpace::Remove(DataEntry* entry) {
  bytes -= Arena::Taken(entry);
  entries -= 1;
  entry->before->after = entry->after;
  entry->after->before = entry->before;
  if (hand == entry) hand = entries == 0 ? nullptr : entry->after;
}

bool DataPart::Format(void* memory, size_t bytes) {
  const size_t count = std::bit_floor(bytes / kBytesPerBucket);
  const size_t table = count * sizeof(ZoneLink<DataEntry>);
  buckets = new (memory) ZoneLink<DataEntry>[count]{};
  bucket_mask = static_cast<uint32_t>(count - 1);
  arena = Arena::Make(static_cast<char*>(memory) + table, bytes - table);
  return arena != nullptr;
}

void DataPart::Repair() {
  std::vector<void*> live;
  for (DataSpace* space = Follow(spaces); space != nullptr; space = Follow(space->next)) {
    live.push_back(space);
    space->bytes = space->entries = space->first_gone_ns = 0;
    space->hand = nullptr;
  }
  first_gone_ns = 0;
  for (uint32_t i = 0; i <= bucket_mask; ++i) {
    for (DataEntry* entry = Follow(buckets[i]); entry != nullptr; entry = Follow(entry->next)) {
      live.push_back(entry);
      entry->space->Add(entry);
      entry->space->first_gone_ns = Earlier(entry->space->first_gone_ns, entry->gone_at_ns);
      first_gone_ns = Earlier(first_gone_ns, entry->gone_at_ns);
    }
  }
  arena->Rebuild(std::move(live));
}

bool ZoneSharedData::Expired(const DataEntry& entry) {
  return entry.gone_at_ns != 0 && entry.gone_at_ns <= clock_.MonotonicNs();
}

ZoneLink<DataEntry>* ZoneSharedData::Find(std::string_view space, std::string_view key, uint64_t hash) {
  ZoneLink<DataEntry>* link = &zone_.root().data.bucket(hash);
  for (DataEntry* entry = Follow(*link); entry != nullptr; link = &entry->next, entry = Follow(*link)) {
    if (entry->hash == hash && entry->key() == key && entry->space->name() == space) break;
  }
  return link;
}

ZoneLink<DataEntry>* ZoneSharedData::FindLive(std::string_view space, std::string_view key, uint64_t hash) {
  ZoneLink<DataEntry>* link = Find(space, key, hash);
  if (const DataEntry* entry = Follow(*link); entry == nullptr || !Expired(*entry)) return link;
  ++zone_.root().data.expired;
  Erase(*link);
  return Find(space, key, hash);  // there is one of a key
}

void ZoneSharedData::Erase(ZoneLink<DataEntry>& link) {
  DataEntry* entry = Follow(link);
  Commit(link, Follow(entry->next));
  entry->space->Remove(entry);
  zone_.root().data.arena->Free(entry);
}

void ZoneSharedData::Erase(const DataEntry& entry) {
  ZoneLink<DataEntry>* link = &zone_.root().data.bucket(entry.hash);
  while (Follow(*link) != &entry) link = &Follow(*link)->next;
  Erase(*link);
}

void ZoneSharedData::Sweep(uint32_t buckets) {
  DataPart& part = zone_.root().data;
  if (part.first_gone_ns == 0) return;
  const uint64_t now_ns = clock_.MonotonicNs();
  if (now_ns < part.first_gone_ns) return;
  const bool all = buckets > part.bucket_mask;
  uint64_t first_ns = 0;
  for (uint32_t n = 0; n < std::min(buckets, part.bucket_mask + 1); ++n) {
    ZoneLink<DataEntry>* link = &part.buckets[part.sweep++ & part.bucket_mask];
    while (DataEntry* entry = Follow(*link)) {
      if (entry->gone_at_ns != 0 && entry->gone_at_ns <= now_ns) {
        ++part.expired;
        Erase(*link);
        continue;
      }
      first_ns = Earlier(first_ns, entry->gone_at_ns);
      link = &entry->next;
    }
  }
  if (all) part.first_gone_ns = first_ns;
}

bool ZoneSharedData::EvictOne(const DataEntry* keep) {
  DataPart& part = zone_.root().data;
  // Twice around: the first round takes away the marks of what was used.
  for (uint64_t looked = 0; looked <= 2 * uint64_t{part.bucket_mask} + 2; ++looked) {
    ZoneLink<DataEntry>* link = &part.buckets[part.hand & part.bucket_mask];
    while (DataEntry* entry = Follow(*link)) {
      if (entry != keep && !entry->used) {
        ++part.evicted;
        Erase(*link);
        return true;
      }
      entry->used = false;
      link = &entry->next;
    }
    ++part.hand;
  }
  return false;
}

void* ZoneSharedData::Allocate(size_t bytes, const DataEntry* keep) {
  DataPart& part = zone_.root().data;
  if (bytes > part.arena->size_bytes()) return nullptr;
  if (void* memory = part.arena->Allocate(bytes)) return memory;
  Sweep(UINT32_MAX);
  for (;;) {
    if (void* memory = part.arena->Allocate(bytes)) return memory;
    if (limits_.full != ZoneDataLimits::Full::kEvict || !EvictOne(keep)) return nullptr;
  }
}

void ZoneSharedData::SweepSpace(DataSpace& space) {
  if (space.first_gone_ns == 0 || clock_.MonotonicNs() < space.first_gone_ns) return;
  uint64_t first_ns = 0;
  DataEntry* entry = space.hand;
  for (uint64_t left = space.entries; left != 0; --left) {
    DataEntry* after = entry->after;
    if (Expired(*entry)) {
      ++zone_.root().data.expired;
      Erase(*entry);
    } else {
      first_ns = Earlier(first_ns, entry->gone_at_ns);
    }
    entry = after;
  }
  space.first_gone_ns = first_ns;
}

bool ZoneSharedData::EvictOneOf(DataSpace& space, const DataEntry* keep) {
  // Twice around, as EvictOne.
  for (uint64_t left = 2 * space.entries; left != 0; --left) {
    DataEntry* entry = space.hand;
    space.hand = entry->after;
    if (entry == keep || std::exchange(entry->used, false)) continue;
    ++zone_.root().data.evicted;
    Erase(*entry);
    return true;
  }
  return false;
}

bool ZoneSharedData::FitSpace(DataSpace& space, size_t bytes, const DataEntry* old) {
  const uint64_t limit = limits_.space_bytes, needed = Arena::TakenBy(bytes), given_back = old != nullptr ? Arena::Taken(old) : 0;
  if (limit == 0) return true;
  if (needed > limit) return false;
  const auto fits = [&] { return space.bytes - given_back <= limit - needed; };
  if (fits()) return true;
  SweepSpace(space);
  while (!fits()) {
    if (limits_.full != ZoneDataLimits::Full::kEvict || !EvictOneOf(space, old)) return false;
  }
  return true;
}

DataSpace* ZoneSharedData::SpaceOf(std::string_view name) {
  DataPart& part = zone_.root().data;
  for (DataSpace* space = Follow(part.spaces); space != nullptr; space = Follow(space->next)) {
    if (space->name() == name) return space;
  }
  void* memory = Allocate(sizeof(DataSpace) + name.size(), nullptr);
  if (memory == nullptr) return nullptr;
  auto* space = new (memory) DataSpace{};
  space->name_size = static_cast<uint32_t>(name.size());
  name.copy(reinterpret_cast<char*>(space + 1), name.size());
  Commit(space->next, Follow(part.spaces));
  Commit(part.spaces, space);
  return space;
}

std::optional<SharedData::Entry> ZoneSharedData::Get(std::string_view space, std::string_view key) {
  const uint64_t hash = ZoneHash(space, key);
  const ZoneGuard guard(zone_);
  DataEntry* entry = Follow(*FindLive(space, key, hash));
  if (entry == nullptr) return std::nullopt;
  entry->used = true;
  return Entry{std::string(entry->value()), entry->cas};
}

StoreStatus ZoneSharedData::SetLocked(std::string_view space, std::string_view key, std::string_view value, uint32_t cas, bool* limited) {
  DataPart& part = zone_.root().data;
  const uint64_t hash = ZoneHash(space, key);
  Sweep(kSweepEachWrite);
  DataEntry* old = Follow(*FindLive(space, key, hash));
  if (cas != 0 && (old == nullptr || old->cas != cas)) return StoreStatus::kCasMismatch;
  const uint32_t next_cas = part.last_cas + 1 == 0 ? 1 : part.last_cas + 1;
  DataSpace* in = old != nullptr ? old->space : SpaceOf(space);
  if (in == nullptr) return StoreStatus::kFull;
  const size_t bytes = sizeof(DataEntry) + key.size() + value.size();
  const bool longer = old == nullptr || value.size() > old->value_size;
  *limited = longer && !FitSpace(*in, bytes, old);
  if (*limited) return StoreStatus::kFull;
  void* memory = Allocate(bytes, old);
  if (memory == nullptr && !longer) {
    // No room for both: over the old one. Only here could a process that is killed leave half a value.
    old->value_size = static_cast<uint32_t>(value.size());
    value.copy(old->bytes() + old->key_size, value.size());
    old->cas = part.last_cas = next_cas;
    old->used = true;
    return StoreStatus::kOk;
  }
  if (memory == nullptr) return StoreStatus::kFull;
  DataEntry* entry = Fill(memory, in, key, value, hash);
  entry->cas = part.last_cas = next_cas;
  entry->used = old != nullptr;  // a new one has to prove its use: many that are written once do not drive out those that are read
  in->Add(entry);
  ZoneLink<DataEntry>* link = Find(space, key, hash);  // anew: making room may have changed the bucket
  if (old == nullptr) {
    Commit(*link, entry);
    return StoreStatus::kOk;
  }
  entry->gone_at_ns = old->gone_at_ns;
  Commit(entry->next, Follow(old->next));
  Commit(*link, entry);
  in->Remove(old);
  part.arena->Free(old);
  return StoreStatus::kOk;
}

StoreStatus ZoneSharedData::Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) {
  StoreStatus status = StoreStatus::kFull;
  bool limited = false;
  if (key.size() <= limits_.key_bytes && value.size() <= UINT32_MAX) {
    const ZoneGuard guard(zone_);
    status = SetLocked(space, key, value, cas, &limited);
    if (status == StoreStatus::kFull) ++zone_.root().data.full;
  }
  if (status == StoreStatus::kFull && listener_ != nullptr) {
    listener_->OnDataFull(space, key.size() + value.size(), limited ? limits_.space_bytes : 0);
  }
  return status;
}

StoreStatus ZoneSharedData::Delete(std::string_view space, std::string_view key, uint32_t cas) {
  const uint64_t hash = ZoneHash(space, key);
  const ZoneGuard guard(zone_);
  ZoneLink<DataEntry>* link = FindLive(space, key, hash);
  const DataEntry* entry = Follow(*link);
  if (entry == nullptr) return StoreStatus::kNotFound;
  if (cas != 0 && entry->cas != cas) return StoreStatus::kCasMismatch;
  Erase(*link);
  return StoreStatus::kOk;
}

StoreStatus ZoneSharedData::SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) {
  const uint64_t hash = ZoneHash(space, key);
  const ZoneGuard guard(zone_);
  DataEntry* entry = Follow(*FindLive(space, key, hash));
  if (entry == nullptr) return StoreStatus::kNotFound;
  const uint64_t now_ns = clock_.MonotonicNs();
  const bool forever = ttl_ms == 0 || ttl_ms > (UINT64_MAX - now_ns) / 1'000'000;
  entry->gone_at_ns = forever ? 0 : now_ns + ttl_ms * 1'000'000;
  for (uint64_t* first_ns : {&zone_.root().data.first_gone_ns, &entry->space->first_gone_ns}) *first_ns = Earlier(*first_ns, entry->gone_at_ns);
  return StoreStatus::kOk;
}

std::vector<std::string> ZoneSharedData::Keys(std::string_view space, size_t max) {
  std::vector<std::string> keys;
  {
    const ZoneGuard guard(zone_);
    DataPart& part = zone_.root().data;
    for (uint32_t i = 0; i <= part.bucket_mask && keys.size() < max; ++i) {
      for (DataEntry* entry = Follow(part.buckets[i]); entry != nullptr && keys.size() < max; entry = Follow(entry->next)) {
        if (entry->space->name() == space && !Expired(*entry)) keys.emplace_back(entry->key());
      }
    }
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace weir
