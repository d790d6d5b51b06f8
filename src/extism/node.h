// A value of JSON or TOML, for manifests: both are decoded by one decoder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::extism {

struct Node {
  struct Field;
  enum class Kind : uint8_t { kNull, kInteger, kString, kArray, kObject, kBool, kOther } kind = Kind::kOther;
  uint64_t integer = 0;  ///< not negative; of kBool 0 or 1 (JSON's are kOther: no manifest has one)
  std::string text;
  std::vector<Node> items;
  std::vector<Field> fields;  ///< in the order of the text; names may repeat
};
struct Node::Field {
  std::string name;
  Node value;
};

/// nullopt: the text is none, or nests deeper than 128.
std::optional<Node> ReadJson(std::string_view text);
std::optional<Node> ReadToml(std::string_view text);

}  // namespace weir::extism
