#include "memhost/memory_headers.h"

#include <algorithm>
#include <string>

namespace weir {
namespace {

bool IsPseudo(std::string_view name) { return name.starts_with(':'); }

/// A message has one of these: adding it again replaces it.
bool IsSingle(std::string_view name) { return IsPseudo(name) || name == "content-length" || name == "content-type"; }

}  // namespace

HeaderList RequestHeaders(std::string_view method, std::string_view path, HeaderList more) {
  HeaderList all = {{":method", std::string(method)},
                    {":path", std::string(path)},
                    {":authority", "example.test"},
                    {":scheme", "http"}};
  std::move(more.begin(), more.end(), std::back_inserter(all));
  return all;
}

HeaderList ResponseHeaders(uint32_t status, HeaderList more) {
  HeaderList all = {{":status", std::to_string(status)}};
  std::move(more.begin(), more.end(), std::back_inserter(all));
  return all;
}

std::optional<std::string> JoinedValues(const HeaderList& headers, std::string_view name) {
  std::optional<std::string> all;
  for (const auto& [key, value] : headers) {
    if (key != name) continue;
    all = all ? *all + ", " + value : value;
  }
  return all;
}

void MemoryHeaders::Mark() {
  marked_ = list_;
  edited_ = false;
}

void MemoryHeaders::Rewind() {
  if (edited_) {
    list_ = marked_;
    edited_ = false;
  } else {
    list_.resize(marked_.size());
  }
}

size_t MemoryHeaders::Find(std::string_view name, std::string_view* out, size_t max) const {
  size_t found = 0;
  for (const auto& [key, value] : list_) {
    if (key != name) continue;
    if (found < max) out[found] = value;
    ++found;
  }
  return found;
}

void MemoryHeaders::ForEach(Visitor& visitor) const {
  for (const auto& [name, value] : list_) {
    if (!visitor.OnHeader(name, value)) return;
  }
}

bool MemoryHeaders::IsWritablePseudo(std::string_view name) const {
  switch (pseudo_) {
    case Pseudo::kRequest:
      return name == ":method" || name == ":path" || name == ":authority";
    case Pseudo::kResponse:
      return name == ":status";
    case Pseudo::kNone:
      return false;
  }
  return false;
}

bool MemoryHeaders::Add(std::string_view name, std::string_view value) {
  if (IsSingle(name)) return Replace(name, value);
  list_.emplace_back(name, value);
  return true;
}

bool MemoryHeaders::Replace(std::string_view name, std::string_view value) {
  if (IsPseudo(name) && !IsWritablePseudo(name)) return false;
  edited_ = true;
  auto same = [&](const auto& entry) { return entry.first == name; };
  auto first = std::find_if(list_.begin(), list_.end(), same);
  if (first == list_.end()) {
    if (IsPseudo(name)) {  // they come first
      list_.emplace(list_.begin(), name, value);
    } else {
      list_.emplace_back(name, value);
    }
    return true;
  }
  first->second = value;
  list_.erase(std::remove_if(first + 1, list_.end(), same), list_.end());
  return true;
}

bool MemoryHeaders::Remove(std::string_view name) {
  if (IsPseudo(name)) return false;
  edited_ = true;
  std::erase_if(list_, [&](const auto& entry) { return entry.first == name; });
  return true;
}

}  // namespace weir
