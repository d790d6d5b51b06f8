#include "proxy_wasm/pairs.h"

#include <cstring>

namespace weir::proxy_wasm {
namespace {

constexpr uint64_t kCount = 4, kSizes = 8, kNuls = 2;

uint32_t U32(std::string_view bytes, uint64_t at) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
void PutU32(std::string* out, size_t at, uint64_t value) {
  const uint32_t low = uint32_t(value);
  std::memcpy(out->data() + at, &low, sizeof low);
}

struct Sizer final : HeaderMap::Visitor {
  uint64_t pairs = 0, bytes = 0;
  bool OnHeader(std::string_view name, std::string_view value) override {
    ++pairs;
    bytes += name.size() + value.size();
    return true;
  }
  uint64_t total() const { return kCount + pairs * (kSizes + kNuls) + bytes; }
};

/// Writes sizes and bytes into a string that Sizer measured.
struct Writer final : HeaderMap::Visitor {
  Writer(std::string* to, const Sizer& sizer) : out(to), pairs_max(sizer.pairs), data(kCount + sizer.pairs * kSizes) {
    out->assign(sizer.total(), '\0');
    PutU32(out, 0, sizer.pairs);
  }
  bool OnHeader(std::string_view name, std::string_view value) override {
    if (pairs == pairs_max || data + name.size() + value.size() + kNuls > out->size()) return false;  // the map changed: never
    PutU32(out, kCount + pairs * kSizes, name.size());
    PutU32(out, kCount + pairs * kSizes + 4, value.size());
    ++pairs;
    for (std::string_view part : {name, value}) {
      part.copy(out->data() + data, part.size());
      data += part.size() + 1;
    }
    return true;
  }
  std::string* out;
  uint64_t pairs_max, data, pairs = 0;
};

}  // namespace

std::optional<PairViews> ParsePairs(std::string_view bytes, const PairLimits& limits) {
  if (bytes.empty() || bytes == std::string_view("\0", 1)) return PairViews();
  if (bytes.size() < kCount || bytes.size() > limits.bytes) return std::nullopt;
  const uint64_t count = U32(bytes, 0);
  if (count > limits.pairs || count * kSizes > bytes.size() - kCount) return std::nullopt;
  PairViews pairs;
  pairs.reserve(count);
  uint64_t at = kCount + count * kSizes;
  auto take = [&](uint64_t size, std::string_view* part) {
    if (size >= bytes.size() - at || bytes[at + size] != '\0') return false;  // `>=`: its 0x00 too
    *part = bytes.substr(at, size);
    at += size + 1;
    return true;
  };
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view key, value;
    const uint64_t sizes = kCount + i * kSizes;
    if (!take(U32(bytes, sizes), &key) || !take(U32(bytes, sizes + 4), &value)) return std::nullopt;
    pairs.emplace_back(key, value);
  }
  return pairs;
}

uint64_t SerializedSize(const HeaderMap& map) {
  Sizer sizer;
  map.ForEach(sizer);
  return sizer.total();
}

void SerializePairs(const HeaderMap& map, std::string* out) {
  Sizer sizer;
  map.ForEach(sizer);
  Writer writer(out, sizer);
  map.ForEach(writer);
}

void SerializePairs(const HeaderList& list, std::string* out) {
  Sizer sizer;
  for (const auto& [name, value] : list) sizer.OnHeader(name, value);
  Writer writer(out, sizer);
  for (const auto& [name, value] : list) writer.OnHeader(name, value);
}

}  // namespace weir::proxy_wasm
