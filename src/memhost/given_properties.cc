#include "memhost/given_properties.h"

#include <charconv>
#include <optional>

namespace weir {
namespace {


std::optional<PropertyValue> ValueOf(PropertyType type, std::string_view text) {
  if (type == PropertyType::kString) return PropertyValue(std::string(text));
  if (type == PropertyType::kBool) {
    if (text != "true" && text != "false") return std::nullopt;
    return PropertyValue(text == "true");
  }
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return PropertyValue(number);
}

}  // namespace

std::string GivenProperties::Give(std::string_view path, std::string_view text) {
  if (path.starts_with(kVariablePrefix)) {
    variables.insert_or_assign(std::string(path), std::string(text));
    return {};
  }
  std::string_view name;
  const PropertyRow* row = FindProperty(path, &name);
  if (row == nullptr) return "\"" + std::string(path) + "\" is no property; weir inspect --properties lists them";
  if (row->from != PropertyFrom::kEmbedder && row->from != PropertyFrom::kRequestId) return "\"" + std::string(path) + "\" follows from headers, plugins or node, and is not given";
  const std::optional<PropertyValue> value = ValueOf(row->type, text);
  if (!value) return "\"" + std::string(text) + "\" is no value of " + std::string(path) + ": a number, or true or false";
  properties.insert_or_assign(row->property, *value);
  return {};
}

}  // namespace weir
