#include <rapidjson/document.h>

#include "extism/node.h"

namespace weir::extism {
namespace {

constexpr int kDepthMax = 128;

bool Convert(const rapidjson::Value& value, int depth, Node* node) {
  using Kind = Node::Kind;
  if (depth > kDepthMax) return false;
  if (value.IsNull()) {
    node->kind = Kind::kNull;
  } else if (value.IsString()) {
    node->kind = Kind::kString;
    node->text.assign(value.GetString(), value.GetStringLength());
  } else if (value.IsUint64()) {
    node->kind = Kind::kInteger;
    node->integer = value.GetUint64();
  } else if (value.IsArray()) {
    node->kind = Kind::kArray;
    node->items.resize(value.Size());
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i) {
      if (!Convert(value[i], depth + 1, &node->items[i])) return false;
    }
  } else if (value.IsObject()) {
    node->kind = Kind::kObject;
    for (const auto& member : value.GetObject()) {
      auto& field = node->fields.emplace_back(std::string(member.name.GetString(), member.name.GetStringLength()), Node());
      if (!Convert(member.value, depth + 1, &field.value)) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Node> ReadJson(std::string_view text) {
  if (text.find('\0') != text.npos) return std::nullopt;  // RapidJSON would take it for the end
  rapidjson::Document document;
  // Iterative: a text of brackets must not be as deep as the stack.
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  Node node;
  if (document.HasParseError() || !Convert(document, 0, &node)) return std::nullopt;
  return node;
}

}  // namespace weir::extism
