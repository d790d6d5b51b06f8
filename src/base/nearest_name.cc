#include "base/nearest_name.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace weir {
namespace {

constexpr size_t kNameBytesMax = 128;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Optimal string alignment in three rows: edits between a[0, i) and b[0, j).
size_t Distance(std::string_view a, std::string_view b) {
  using Row = std::array<size_t, kNameBytesMax + 1>;
  Row before{}, previous{}, current{};
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
                           Lower(a[i - 2]) == Lower(b[j - 1]);
      if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    before = previous;
    previous = current;
  }
  return previous[b.size()];
}

}  // namespace

std::string_view NearestName(std::string_view name,
                             std::span<const std::string_view> known) noexcept {
  if (name.empty() || name.size() > kNameBytesMax) return {};
  std::string_view nearest;
  size_t limit = std::max<size_t>(name.size() / 3, 1) + 1;  // first distance that is too far
  for (std::string_view candidate : known) {
    if (candidate.empty() || candidate.size() > kNameBytesMax) continue;
    const size_t length_difference = candidate.size() > name.size() ? candidate.size() - name.size()
                                                                    : name.size() - candidate.size();
    if (length_difference >= limit) continue;
    const size_t distance = Distance(name, candidate);
    if (distance < limit) {
      limit = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace weir
