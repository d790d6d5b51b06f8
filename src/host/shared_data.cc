#include "host/shared_data.h"

namespace weir {

InProcessSharedData::Space* InProcessSharedData::Find(std::string_view space, bool make) {
  auto it = spaces_.find(space);
  if (it != spaces_.end()) return &it->second;
  if (!make || spaces_.size() >= limits_.spaces) return nullptr;
  return &spaces_.emplace(space, Space{}).first->second;
}

void InProcessSharedData::Erase(Space& space, std::map<std::string, Stored, std::less<>>::iterator it) {
  space.bytes -= it->first.size() + it->second.entry.value.size();
  space.entries.erase(it);
}

InProcessSharedData::Stored* InProcessSharedData::Live(Space& space, std::string_view key) {
  auto it = space.entries.find(key);
  if (it == space.entries.end()) return nullptr;
  const uint64_t gone_at_ns = it->second.gone_at_ns;
  if (gone_at_ns == 0 || clock_.MonotonicNs() < gone_at_ns) return &it->second;
  Erase(space, it);
  return nullptr;
}

void InProcessSharedData::Sweep(Space& space) {
  const uint64_t now_ns = clock_.MonotonicNs();
  for (auto it = space.entries.begin(); it != space.entries.end();) {
    auto next = std::next(it);
    if (it->second.gone_at_ns != 0 && it->second.gone_at_ns <= now_ns) Erase(space, it);
    it = next;
  }
}

std::optional<SharedData::Entry> InProcessSharedData::Get(std::string_view space, std::string_view key) {
  std::lock_guard lock(mutex_);
  Space* in = Find(space, /*make=*/false);
  Stored* stored = in ? Live(*in, key) : nullptr;
  if (!stored) return std::nullopt;
  return stored->entry;
}

StoreStatus InProcessSharedData::Set(std::string_view space, std::string_view key, std::string_view value, uint32_t cas) {
  std::lock_guard lock(mutex_);
  if (key.size() > limits_.key_bytes) return StoreStatus::kFull;
  Space* in = Find(space, /*make=*/cas == 0);
  Stored* stored = in ? Live(*in, key) : nullptr;
  if (cas != 0 && (!stored || stored->entry.cas != cas)) return StoreStatus::kCasMismatch;
  if (!in) return StoreStatus::kFull;
  auto fits = [&] {
    const uint64_t others = in->bytes - (stored ? key.size() + stored->entry.value.size() : 0);
    const uint64_t size = key.size() + value.size();
    return size <= limits_.space_bytes && others <= limits_.space_bytes - size &&
           (stored || in->entries.size() < limits_.space_entries);
  };
  if (!fits()) {
    Sweep(*in);  // `stored` is alive, so it stays
    if (!fits()) return StoreStatus::kFull;
  }
  if (!stored) {
    stored = &in->entries.emplace(key, Stored{}).first->second;
    in->bytes += key.size();
  }
  in->bytes = in->bytes - stored->entry.value.size() + value.size();
  stored->entry.value = value;
  stored->entry.cas = last_cas_ = NextCas(last_cas_);
  return StoreStatus::kOk;
}

StoreStatus InProcessSharedData::Delete(std::string_view space, std::string_view key, uint32_t cas) {
  std::lock_guard lock(mutex_);
  Space* in = Find(space, /*make=*/false);
  Stored* stored = in ? Live(*in, key) : nullptr;
  if (!stored) return StoreStatus::kNotFound;
  if (cas != 0 && stored->entry.cas != cas) return StoreStatus::kCasMismatch;
  Erase(*in, in->entries.find(key));
  return StoreStatus::kOk;
}

StoreStatus InProcessSharedData::SetTtl(std::string_view space, std::string_view key, uint64_t ttl_ms) {
  std::lock_guard lock(mutex_);
  Space* in = Find(space, /*make=*/false);
  Stored* stored = in ? Live(*in, key) : nullptr;
  if (!stored) return StoreStatus::kNotFound;
  const uint64_t now_ns = clock_.MonotonicNs();
  const bool forever = ttl_ms == 0 || ttl_ms > (UINT64_MAX - now_ns) / 1'000'000;
  stored->gone_at_ns = forever ? 0 : now_ns + ttl_ms * 1'000'000;
  return StoreStatus::kOk;
}

std::vector<std::string> InProcessSharedData::Keys(std::string_view space, size_t max) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  Space* in = Find(space, /*make=*/false);
  if (!in) return keys;
  Sweep(*in);
  for (const auto& [key, stored] : in->entries) {
    if (keys.size() >= max) break;
    keys.push_back(key);
  }
  return keys;
}

}  // namespace weir
