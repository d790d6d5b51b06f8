// Reading golden lines: a cursor into a JsonTree.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cclb/json_tree.h"
#include "cclb/json_write.h"

namespace weir::cclb::golden {

/// A value of a line, or nothing: then every question has an empty answer.
class View {
 public:
  View() = default;
  View(const JsonTree& tree, size_t node) : tree_(&tree), node_(node) {}

  explicit operator bool() const { return tree_ != nullptr; }
  JsonKind kind() const { return tree_ == nullptr ? JsonKind::kNull : tree_->node(node_).kind; }
  bool is_null() const { return kind() == JsonKind::kNull; }
  bool is_true() const { return kind() == JsonKind::kTrue; }
  View operator[](std::string_view name) const {
    View found;
    if (kind() != JsonKind::kObject) return found;
    for (size_t key = node_ + 1; key != tree_->node(node_).end; key = tree_->Next(key + 1)) {
      if (tree_->node(key).text() == name) found = View(*tree_, key + 1);
    }
    return found;
  }
  std::vector<View> items() const {
    std::vector<View> all;
    if (kind() != JsonKind::kArray) return all;
    for (size_t child = node_ + 1; child != tree_->node(node_).end; child = tree_->Next(child)) all.emplace_back(*tree_, child);
    return all;
  }
  std::vector<std::pair<std::string, View>> members() const {
    std::vector<std::pair<std::string, View>> all;
    if (kind() != JsonKind::kObject) return all;
    for (size_t key = node_ + 1; key != tree_->node(node_).end; key = tree_->Next(key + 1)) {
      all.emplace_back(tree_->node(key).text(), View(*tree_, key + 1));
    }
    return all;
  }
  std::string str() const { return kind() == JsonKind::kString ? std::string(tree_->node(node_).text()) : std::string(); }
  int64_t integer() const {
    return kind() == JsonKind::kUint || kind() == JsonKind::kInt ? tree_->node(node_).sint : 0;
  }
  uint64_t number(uint64_t otherwise) const { return kind() == JsonKind::kUint ? tree_->node(node_).uint : otherwise; }
  /// Canonical JSON; empty for nothing.
  std::string text() const { return tree_ == nullptr ? std::string() : CanonicalText(*tree_, node_); }

 private:
  const JsonTree* tree_ = nullptr;
  size_t node_ = 0;
};

}  // namespace weir::cclb::golden
