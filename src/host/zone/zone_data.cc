#include "host/zone/zone_data.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

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
  std::memcpy(entry->bytes(), key.data(), key.size());
  if (!value.empty()) std::memcpy(entry->bytes() + key.size(), value.data(), value.size());
  return entry;
}

}  // namespace

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
    space->bytes = space->entries = 0;
  }
  first_gone_ns = 0;
  for (uint32_t i = 0; i <= bucket_mask; ++i) {
    for (DataEntry* entry = Follow(buckets[i]); entry != nullptr; entry = Follow(entry->next)) {
      live.push_back(entry);
      entry->space->bytes += Arena::Taken(entry);
      entry->space->entries += 1;
      if (entry->gone_at_ns != 0) first_gone_ns = first_gone_ns == 0 ? entry->gone_at_ns : std::min(first_gone_ns, entry->gone_at_ns);
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
  entry->space->bytes -= Arena::Taken(entry);
  entry->space->entries -= 1;
  zone_.root().data.arena->Free(entry);
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
      if (entry->gone_at_ns != 0) first_ns = first_ns == 0 ? entry->gone_at_ns : std::min(first_ns, entry->gone_at_ns);
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

DataSpace* ZoneSharedData::SpaceOf(std::string_view name) {
  DataPart& part = zone_.root().data;
  for (DataSpace* space = Follow(part.spaces); space != nullptr; space = Follow(space->next)) {
    if (space->name() == name) return space;
  }
  void* memory = Allocate(sizeof(DataSpace) + name.size(), nullptr);
  if (memory == nullptr) return nullptr;
  auto* space = new (memory) DataSpace{};
  space->name_size = static_cast<uint32_t>(name.size());
  std::memcpy(reinterpret_cast<char*>(space + 1), name.data(), name.size());
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

StoreStatus ZoneSharedData::SetLocked(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) {
  DataPart& part = zone_.root().data;
  const uint64_t hash = ZoneHash(space, key);
  Sweep(kSweepEachWrite);
  DataEntry* old = Follow(*FindLive(space, key, hash));
  if (cas != 0 && (old == nullptr || old->cas != cas)) return StoreStatus::kCasMismatch;
  const uint32_t next_cas = part.last_cas + 1 == 0 ? 1 : part.last_cas + 1;
  DataSpace* in = old != nullptr ? old->space : SpaceOf(space);
  if (in == nullptr) return StoreStatus::kFull;
  void* memory = Allocate(sizeof(DataEntry) + key.size() + value.size(), old);
  if (memory == nullptr && old != nullptr && value.size() <= old->value_size) {
    // No room for both: over the old one. Only here could a process that is killed leave half a value.
    old->value_size = static_cast<uint32_t>(value.size());
    if (!value.empty()) std::memcpy(old->bytes() + old->key_size, value.data(), value.size());
    old->cas = part.last_cas = next_cas;
    old->used = true;
    return StoreStatus::kOk;
  }
  if (memory == nullptr) return StoreStatus::kFull;
  DataEntry* entry = Fill(memory, in, key, value, hash);
  entry->cas = part.last_cas = next_cas;
  entry->used = true;
  in->bytes += Arena::Taken(entry);
  in->entries += 1;
  ZoneLink<DataEntry>* link = Find(space, key, hash);  // anew: making room may have changed the bucket
  if (old == nullptr) {
    Commit(*link, entry);
    return StoreStatus::kOk;
  }
  entry->gone_at_ns = old->gone_at_ns;
  Commit(entry->next, Follow(old->next));
  Commit(*link, entry);
  in->bytes -= Arena::Taken(old);
  in->entries -= 1;
  part.arena->Free(old);
  return StoreStatus::kOk;
}

StoreStatus ZoneSharedData::Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) {
  StoreStatus status = StoreStatus::kFull;
  if (key.size() <= limits_.key_bytes && value.size() <= UINT32_MAX) {
    const ZoneGuard guard(zone_);
    status = SetLocked(space, key, value, cas);
    if (status == StoreStatus::kFull) ++zone_.root().data.full;
  }
  if (status == StoreStatus::kFull && listener_ != nullptr) listener_->OnDataFull(space, key.size() + value.size());
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
  uint64_t& first_ns = zone_.root().data.first_gone_ns;
  if (!forever) first_ns = first_ns == 0 ? entry->gone_at_ns : std::min(first_ns, entry->gone_at_ns);
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
