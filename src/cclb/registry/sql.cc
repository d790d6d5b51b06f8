#include "cclb/registry/sql.h"

namespace weir::cclb {

std::string WithWords(std::string_view text, const std::vector<SqlWord>& words) {
  std::string out;
  while (!text.empty()) {
    const size_t brace = text.find('{');
    out.append(text.substr(0, brace));
    if (brace == text.npos) break;
    text.remove_prefix(brace);
    size_t used = 0;
    for (const auto& [word, replacement] : words) {
      if (!text.starts_with(word)) continue;
      out.append(replacement);
      used = word.size();
    }
    if (used == 0) out.push_back('{'), used = 1;
    text.remove_prefix(used);
  }
  return out;
}

}  // namespace weir::cclb
