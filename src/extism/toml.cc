#define TOML_EXCEPTIONS 0
// It asserts what malformed text breaks, and goes on to its error where assertions are off: so they are off in every build.
#define TOML_ASSERT(condition) static_cast<void>(0)
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "extism/node.h"

namespace weir::extism {
namespace {

void Convert(const toml::node& value, Node* node) {
  using Kind = Node::Kind;
  if (const auto* text = value.as_string()) {
    node->kind = Kind::kString;
    node->text = text->get();
  } else if (const auto* number = value.as_integer()) {
    if (number->get() < 0) return;
    node->kind = Kind::kInteger;
    node->integer = static_cast<uint64_t>(number->get());
  } else if (const auto* flag = value.as_boolean()) {
    node->kind = Kind::kBool;
    node->integer = flag->get() ? 1 : 0;
  } else if (const auto* array = value.as_array()) {
    node->kind = Kind::kArray;
    for (const toml::node& item : *array) Convert(item, &node->items.emplace_back());
  } else if (const auto* table = value.as_table()) {
    node->kind = Kind::kObject;
    for (const auto& [key, item] : *table) Convert(item, &node->fields.emplace_back(std::string(key.str()), Node()).second);
  }
}

}  // namespace

std::optional<Node> ReadToml(std::string_view text) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) return std::nullopt;
  Node node;
  Convert(parsed.table(), &node);
  return node;
}

}  // namespace weir::extism
