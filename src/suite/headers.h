// Headers as the tester keeps them: sorted by name, a name once whatever its case, values folded with ", ".
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "weir/http.h"

namespace weir::suite {

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }
inline std::string LowerName(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

struct CaselessLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](char x, char y) { return static_cast<unsigned char>(Lower(x)) < static_cast<unsigned char>(Lower(y)); });
  }
};

/// The spelling of a name is that of its first insertion.
class FoldedHeaders {
 public:
  /// "old, new" where there is one; an empty value is replaced.
  void Add(std::string_view name, std::string_view value) {
    auto [at, added] = map_.try_emplace(std::string(name), value);
    if (added) return;
    if (at->second.empty()) {
      at->second = value;
    } else {
      at->second.append(", ").append(value);
    }
  }
  void Set(std::string_view name, std::string_view value) { map_[std::string(name)] = value; }
  void Remove(std::string_view name) {
    if (auto at = map_.find(name); at != map_.end()) map_.erase(at);
  }
  /// Null: there is none.
  const std::string* Find(std::string_view name) const {
    auto at = map_.find(name);
    return at == map_.end() ? nullptr : &at->second;
  }
  void clear() { map_.clear(); }
  size_t size() const { return map_.size(); }
  HeaderList List() const { return {map_.begin(), map_.end()}; }

 private:
  std::map<std::string, std::string, CaselessLess> map_;
};

}  // namespace weir::suite
