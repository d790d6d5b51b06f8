// HTTP fields. Reads outside the phase: get_value NOT_FOUND, pairs empty; writes: BAD_ARGUMENT.
#include <vector>

#include "proxy_wasm/callouts.h"
#include "proxy_wasm/context.h"
#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {
namespace {
constexpr std::string_view kEmptyMap("\0\0\0\0", 4);
constexpr std::string_view kNoMap = "that map does not exist in this phase";
constexpr std::string_view kUnknownMap = "no such map id";
constexpr uint64_t kWritesMax = 16;   // of one stream, in Limits::header_bytes: replaced values may take memory until its end
constexpr uint64_t kHeaderCost = 512;  // bytes that count for each header beside its own, so that their number has a limit too
}  // namespace

HttpStream* HostCalls::stream() { return effective_ == nullptr ? nullptr : effective_->stream(); }
TcpStream* HostCalls::tcp() { return effective_ == nullptr ? nullptr : effective_->tcp(); }
Stream* HostCalls::any_stream() { return effective_ == nullptr ? nullptr : effective_->any_stream(); }

HeaderMap* HostCalls::Map(MapType map, bool* known) {
  *known = uint32_t(map) < kMapTypes;
  if (uint32_t(map) >= kHeaderMapKinds) return *known && incoming_ != nullptr ? incoming_->maps[uint32_t(map) - kHeaderMapKinds] : nullptr;
  HttpStream* s = stream();
  return s == nullptr ? nullptr : s->headers(HeaderMapKind(map));
}

Answer<HeaderMap*> HostCalls::WritableMap(MapType type) {
  bool known;
  HeaderMap* map = Map(type, &known);
  if (!known) return Refuse(Status::kBadArgument, kUnknownMap);
  if (uint32_t(type) >= kHeaderMapKinds) return Refuse(Status::kBadArgument, "an answer to a call is read-only");
  if (map == nullptr) return Refuse(Status::kBadArgument, kNoMap);
  if (!stream()->headers_writable(HeaderMapKind(type))) return Refuse(Status::kBadArgument, "those headers were sent already");
  return map;
}

// What the client sent does not count: it must not be able to keep a plugin from writing.
bool HostCalls::Grow(uint64_t bytes) {
  const uint64_t max = core_->spec.limits.header_bytes;
  uint64_t& written = effective_->header_bytes_written;
  if (bytes > max || written > kWritesMax * max) [[unlikely]] {
    (void)Refuse(Status::kBadArgument, "the limit of header bytes is reached: of one header, or of all that were written for one stream");
    return false;
  }
  written += bytes + kHeaderCost;
  return true;
}

std::string_view HostCalls::Lower(std::string_view key) {
  key_.assign(key);
  for (char& c : key_)
    if (c >= 'A' && c <= 'Z') c = char(c + ('a' - 'A'));
  return key_;
}

HeaderVerdict HostCalls::Judge(MapType type, std::string_view* name, std::string_view value) {
  const HeaderVerdict verdict = JudgeWrite(HeaderMapKind(type), *name, value);
  const bool bad = verdict == HeaderVerdict::kBadName || verdict == HeaderVerdict::kBadPseudo;
  if (!bad || !HasUpper(*name)) [[likely]] return verdict;
  *name = Lower(*name);
  return JudgeWrite(HeaderMapKind(type), *name, value);
}

Answer<std::string_view> HostCalls::NoHeader(std::string_view reason, std::string_view key) {
  if (core_->version == Version::k0_1_0) return std::string_view();
  return Refuse(Status::kNotFound, reason, key);
}

Answer<std::string_view> HostCalls::Header(const HeaderMap& map, std::string_view key) {
  std::string_view value;
  size_t found = map.Find(key, &value, 1);
  if (found == 1) [[likely]] return value;
  if (HasUpper(key)) {  // as it was, it is the name of nothing
    key = Lower(key);
    found = map.Find(key, &value, 1);
  }
  if (found == 0) return NoHeader("no header of that name", key);
  if (found == 1 || key == "set-cookie") return value;
  std::vector<std::string_view> values(found);
  values.resize(std::min(found, map.Find(key, values.data(), found)));
  const std::string_view separator = key == "cookie" ? "; " : ",";
  scratch_.clear();
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) scratch_ += separator;
    scratch_ += values[i];
  }
  return std::string_view(scratch_);
}

Answer<uint32_t> HostCalls::GetHeaderMapSize(MapType type) {
  bool known;
  const HeaderMap* map = Map(type, &known);
  if (!known) return Refuse(Status::kBadArgument, kUnknownMap);
  return uint32_t(map == nullptr ? kEmptyMap.size() : SerializedSize(*map));
}

Answer<std::string_view> HostCalls::GetHeaderMapPairs(MapType type) {
  bool known;
  const HeaderMap* map = Map(type, &known);
  if (!known) return Refuse(Status::kBadArgument, kUnknownMap);
  if (map == nullptr) return kEmptyMap;
  SerializePairs(*map, &scratch_);
  return std::string_view(scratch_);
}

Answer<std::string_view> HostCalls::GetHeaderMapValue(MapType type, std::string_view key) {
  bool known;
  const HeaderMap* map = Map(type, &known);
  if (!known) return Refuse(Status::kBadArgument, kUnknownMap);
  if (map == nullptr) return NoHeader(kNoMap, key);
  return Header(*map, key);
}

// All or nothing: the pairs are judged before the map is touched. Framing headers stay as the host has them.
Status HostCalls::SetHeaderMapPairs(MapType type, std::string_view bytes) {
  auto map = WritableMap(type);
  if (map.status != Status::kOk) return map.status;
  auto pairs = ParsePairs(bytes, pair_limits());
  if (!pairs) return Refuse(Status::kBadArgument, "malformed or too long pairs");
  HeaderList list;
  for (const auto& [key, value] : *pairs) {
    std::string_view name = key;
    const HeaderVerdict verdict = Judge(type, &name, value);
    if (verdict == HeaderVerdict::kIgnore) continue;
    if (verdict != HeaderVerdict::kWrite) return Judged(verdict, name);
    list.emplace_back(name, value);
  }
  if (!Grow(bytes.size())) return Status::kBadArgument;
  struct Names final : HeaderMap::Visitor {
    bool OnHeader(std::string_view name, std::string_view) override {
      if (!name.starts_with(':') && !IsFraming(name)) names.emplace_back(name);
      return true;
    }
    std::vector<std::string> names;
  } old;
  map.value->ForEach(old);
  for (const std::string& name : old.names) map.value->Remove(name);
  for (const auto& [name, value] : list) {
    if (name.starts_with(':')) {
      map.value->Replace(name, value);  // a pseudo header that the plugin left out stays
    } else if (!map.value->Add(name, value)) {
      return Refuse(Status::kInternalFailure, "the host has no room for the headers");
    }
  }
  return Status::kOk;
}

Status HostCalls::AddHeaderMapValue(MapType type, std::string_view key, std::string_view value) {
  auto map = WritableMap(type);
  if (map.status != Status::kOk) return map.status;
  std::string_view name = key;
  const HeaderVerdict verdict = Judge(type, &name, value);
  if (verdict == HeaderVerdict::kIgnore) return Status::kOk;
  if (verdict != HeaderVerdict::kWrite) return Judged(verdict, name);
  if (!Grow(name.size() + value.size())) return Status::kBadArgument;
  if (!map.value->Add(name, value)) return Refuse(Status::kBadArgument, "the host cannot write that header", name);
  return Status::kOk;
}

Status HostCalls::ReplaceHeaderMapValue(MapType type, std::string_view key, std::string_view value) {
  auto map = WritableMap(type);
  if (map.status != Status::kOk) return map.status;
  std::string_view name = key;
  const HeaderVerdict verdict = Judge(type, &name, value);
  if (verdict == HeaderVerdict::kIgnore) return Status::kOk;
  if (verdict != HeaderVerdict::kWrite) return Judged(verdict, name);
  if (!Grow(name.size() + value.size())) return Status::kBadArgument;
  if (!map.value->Replace(name, value)) return Refuse(Status::kBadArgument, "the host cannot write that header", name);
  return Status::kOk;
}

Status HostCalls::RemoveHeaderMapValue(MapType type, std::string_view key) {
  auto map = WritableMap(type);
  if (map.status != Status::kOk) return map.status;
  const std::string_view name = HasUpper(key) ? Lower(key) : key;
  const HeaderVerdict verdict = JudgeRemove(name);
  if (verdict == HeaderVerdict::kIgnore) return Status::kOk;
  if (verdict != HeaderVerdict::kWrite) return Judged(verdict, name);
  if (!map.value->Remove(name)) return Refuse(Status::kBadArgument, "the host cannot remove that header", name);
  return Status::kOk;
}

}  // namespace weir::proxy_wasm
