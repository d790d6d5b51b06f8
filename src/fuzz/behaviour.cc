#include "fuzz/behaviour.h"

#include <algorithm>
#include <bit>

namespace weir::fuzz {
namespace {

constexpr size_t kNamesMax = 256, kNameBytesMax = 200, kSeenMax = 1 << 16;

constexpr uint64_t Mixed(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x9e3779b97f4a7c15 ^ (hash >> 29); }
constexpr uint64_t Hash(std::string_view text, uint64_t hash = 1) {
  for (const char c : text) hash = Mixed(hash, uint8_t(c));
  return hash;
}

/// Arguments that are names, not values: the same in every run that does the same.
bool IsName(std::string_view argument) {
  constexpr std::string_view kNames[] = {"key", "path", "name", "upstream_name", "service_name", "method_name"};
  return std::find(std::begin(kNames), std::end(kNames), argument) != std::end(kNames);
}

const CrossedValue* Find(std::span<const CrossedValue> values, std::string_view name) {
  const auto found = std::find_if(values.begin(), values.end(), [&](const CrossedValue& value) { return value.name == name; });
  return found == values.end() ? nullptr : &*found;
}
std::string_view TextOf(std::span<const CrossedValue> values, std::string_view name) {
  const CrossedValue* value = Find(values, name);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string_view>(&value->value);
  return text == nullptr ? std::string_view() : *text;
}

bool AddTo(std::set<std::string>* names, std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && names->size() < kNamesMax && names->emplace(name).second;
}

}  // namespace

bool Asked::Add(const Asked& other) {
  bool any = false;
  for (const auto names : {&Asked::request_headers, &Asked::response_headers, &Asked::properties, &Asked::shared_keys, &Asked::http_upstreams, &Asked::grpc_upstreams})
    for (const std::string& name : other.*names) any = AddTo(&(this->*names), name) || any;
  return any;
}

void Behaviour::Count(uint64_t feature) {
  if (seen_.size() < kSeenMax) seen_.push_back(feature);
}

void Behaviour::OnCallback(const CallbackEvent& event) {
  callback_ = last_ = Hash(event.name);
  Count(callback_);
}

void Behaviour::OnCallbackEnd(const CallbackEvent& event, const CallbackEnd& end) {
  Count(Mixed(Hash(event.name), Hash(end.has_result ? end.result.symbol : "")));
}

void Behaviour::OnHostCall(const HostCallEvent& event) {
  uint64_t hash = Hash(event.status, Hash(event.name, callback_));
  for (const CrossedValue& argument : event.arguments) {
    const auto* text = std::get_if<std::string_view>(&argument.value);
    if (text != nullptr && IsName(argument.name) && text->size() <= kNameBytesMax) hash = Hash(*text, hash);
    if (text == nullptr) hash = Hash(argument.symbol, hash);
  }
  Count(hash);
  Count(Mixed(last_, hash));
  last_ = hash;
  Note(event);
}

void Behaviour::Note(const HostCallEvent& event) {
  const std::string_view name = event.name;
  if (const std::string_view key = TextOf(event.arguments, "key"); !key.empty()) {
    const CrossedValue* map = Find(event.arguments, "map_id");
    if (map == nullptr) {
      AddTo(&asked_.shared_keys, key);
    } else if (map->symbol == "request_headers" || map->symbol == "request_trailers") {
      AddTo(&asked_.request_headers, key);
    } else if (map->symbol == "response_headers" || map->symbol == "response_trailers") {
      AddTo(&asked_.response_headers, key);
    }
  }
  if (name == "proxy_get_property") {
    std::string path(TextOf(event.arguments, "path"));  // its parts end with a zero byte each
    while (path.ends_with('\0')) path.pop_back();
    std::replace(path.begin(), path.end(), '\0', '.');
    AddTo(&asked_.properties, path);
  }
  const std::string_view upstream = TextOf(event.arguments, "upstream_name");
  if (!upstream.empty()) AddTo(name.find("grpc") == name.npos ? &asked_.http_upstreams : &asked_.grpc_upstreams, upstream);
}

const std::set<uint64_t>& Behaviour::features() {
  std::sort(seen_.begin(), seen_.end());
  for (size_t i = 0; i < seen_.size();) {
    size_t end = i;
    while (end < seen_.size() && seen_[end] == seen_[i]) ++end;
    features_.insert(Mixed(seen_[i], uint64_t(std::bit_width(end - i))));
    i = end;
  }
  seen_.clear();
  return features_;
}

}  // namespace weir::fuzz
