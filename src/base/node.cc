#include "weir/plugin.h"

namespace weir {

bool Node::Set(std::string_view key, std::string_view value) {
  constexpr std::string_view kMetadata = "metadata.";
  if (key.starts_with(kMetadata) && key.size() > kMetadata.size()) {
    key.remove_prefix(kMetadata.size());
    for (const auto& [name, text] : metadata)
      if (name == key) return false;
    metadata.emplace_back(key, value);
    return true;
  }
  const std::pair<std::string_view, std::string*> fields[] = {
      {"id", &id}, {"cluster", &cluster}, {"region", &region}, {"zone", &zone}, {"sub_zone", &sub_zone}};
  for (const auto& [name, field] : fields) {
    if (name != key) continue;
    if (!field->empty() || value.empty()) return false;
    *field = value;
    return true;
  }
  return false;
}

}  // namespace weir
