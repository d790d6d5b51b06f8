// A body before and after, line by line.
#include <algorithm>

#include "cli/request.h"

namespace weir::cli {
namespace {

constexpr size_t kContext = 2;               // equal lines that are shown beside a change
constexpr size_t kCellsMax = 1'000'000;      // of the table of common lines; above it the middle is shown as replaced

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

struct Line {
  char mark;  // ' ', '-', '+'
  std::string_view text;
};

/// By the longest common subsequence of the lines that differ; what is equal at both ends is taken off before.
std::vector<Line> Compared(const std::vector<std::string_view>& before, const std::vector<std::string_view>& after) {
  size_t begin = 0, end = 0;
  while (begin < before.size() && begin < after.size() && before[begin] == after[begin]) ++begin;
  while (end < before.size() - begin && end < after.size() - begin && before[before.size() - 1 - end] == after[after.size() - 1 - end]) ++end;
  const size_t n = before.size() - begin - end, m = after.size() - begin - end;
  std::vector<Line> lines;
  for (size_t i = 0; i < begin; ++i) lines.push_back({' ', before[i]});
  if ((n + 1) * (m + 1) > kCellsMax) {
    for (size_t i = 0; i < n; ++i) lines.push_back({'-', before[begin + i]});
    for (size_t k = 0; k < m; ++k) lines.push_back({'+', after[begin + k]});
  } else {
    std::vector<uint32_t> common((n + 1) * (m + 1));  // [i][k]: of the lines from i and from k on
    const auto at = [&](size_t i, size_t k) -> uint32_t& { return common[i * (m + 1) + k]; };
    for (size_t i = n; i-- > 0;)
      for (size_t k = m; k-- > 0;) at(i, k) = before[begin + i] == after[begin + k] ? at(i + 1, k + 1) + 1 : std::max(at(i + 1, k), at(i, k + 1));
    for (size_t i = 0, k = 0; i < n || k < m;) {
      if (i < n && k < m && before[begin + i] == after[begin + k]) {
        lines.push_back({' ', before[begin + i]});
        ++i, ++k;
      } else if (i < n && (k == m || at(i + 1, k) >= at(i, k + 1))) {
        lines.push_back({'-', before[begin + i++]});
      } else {
        lines.push_back({'+', after[begin + k++]});
      }
    }
  }
  for (size_t i = before.size() - end; i < before.size(); ++i) lines.push_back({' ', before[i]});
  return lines;
}

}  // namespace

std::vector<std::string> LineDiff(std::string_view before, std::string_view after) {
  const std::vector<Line> lines = Compared(Lines(before), Lines(after));
  std::vector<bool> shown(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].mark == ' ') continue;
    for (size_t k = i < kContext ? 0 : i - kContext; k <= i + kContext && k < lines.size(); ++k) shown[k] = true;
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < lines.size();) {
    if (shown[i]) {
      out.push_back(std::string(1, lines[i].mark) + " " + std::string(lines[i].text));
      ++i;
      continue;
    }
    size_t equal = 0;
    for (; i < lines.size() && !shown[i]; ++i) ++equal;
    out.push_back("  … " + std::to_string(equal) + (equal == 1 ? " equal line" : " equal lines"));
  }
  return out;
}

}  // namespace weir::cli
