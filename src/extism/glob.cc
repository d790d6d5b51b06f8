#include "extism/glob.h"

#include <cstddef>

namespace weir::extism {
namespace {

/// The end of the set that begins at pattern[at] == '['; npos: it has none.
size_t SetEnd(std::string_view pattern, size_t at) {
  size_t first = at + 1;
  if (first < pattern.size() && pattern[first] == '!') ++first;
  return first >= pattern.size() ? pattern.npos : pattern.find(']', first + 1);  // a ] in front is a member
}

/// `**` stands for directories: alone between slashes.
bool WellFormed(std::string_view pattern) {
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '[') {
      at = SetEnd(pattern, at);
      if (at == pattern.npos) return false;
    } else if (pattern[at] == '*') {
      const size_t end = pattern.find_first_not_of('*', at);
      const size_t stars = (end == pattern.npos ? pattern.size() : end) - at;
      if (stars > 2) return false;
      if (stars == 2 && ((at > 0 && pattern[at - 1] != '/') || (at + 2 < pattern.size() && pattern[at + 2] != '/'))) return false;
      at += stars - 1;
    }
  }
  return true;
}

bool InSet(std::string_view set, char c) {
  const bool negated = !set.empty() && set[0] == '!';
  if (negated) set.remove_prefix(1);
  bool in = false;
  for (size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      in |= c >= set[i] && c <= set[i + 2];
      i += 2;
    } else {
      in |= c == set[i];
    }
  }
  return in != negated;
}

}  // namespace

bool HostMatches(std::string_view pattern, std::string_view host) {
  if (!WellFormed(pattern)) return pattern == host;
  // The last star takes one more character whenever what follows it does not fit.
  size_t p = 0, h = 0, star = pattern.npos, taken = 0;
  while (h < host.size() || p < pattern.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p;
      taken = h;
      ++p;
      continue;
    }
    if (p < pattern.size() && h < host.size()) {
      const size_t end = pattern[p] == '[' ? SetEnd(pattern, p) : p;
      const bool fits = pattern[p] == '?' || (pattern[p] == '[' ? InSet(pattern.substr(p + 1, end - p - 1), host[h]) : pattern[p] == host[h]);
      if (fits) {
        p = end + 1;
        ++h;
        continue;
      }
    }
    if (star == pattern.npos || taken >= host.size()) return false;
    p = star + 1;
    h = ++taken;
  }
  return true;
}

}  // namespace weir::extism
