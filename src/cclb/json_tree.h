// JSON text to a flat tree, by serde_json's rules.
//
// No JSON library keeps them all: integers beyond 64 bits become doubles, "-0" is a double, doubles are converted digit by digit with
// the reference's rounding (not the nearest double), 1e400 is an error and 1e-99999999999 is zero, all duplicates stay visible, and
// the 128th level is an error. simdjson and Boost.JSON refuse or convert such literals before a caller sees them. So the grammar is
// ours; UTF-8 is validated by simdjson, once for the whole text (utf8.h), and strings are scanned 16 bytes at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cclb {

enum class JsonKind : uint8_t { kNull, kFalse, kTrue, kUint, kInt, kDouble, kString, kArray, kObject };

/// Nodes stand in document order. An object's children alternate: key (a kString), value.
struct JsonNode {
  JsonKind kind = JsonKind::kNull;
  uint32_t size = 0;      ///< kString: bytes; kArray: elements; kObject: members
  union {
    uint64_t uint;        ///< kUint
    int64_t sint;         ///< kInt: below zero
    double real;          ///< kDouble
    const char* chars;    ///< kString, unescaped
    uint64_t end;         ///< kArray, kObject: index of the node after the last descendant
  };
  std::string_view text() const { return {chars, size}; }
};

constexpr int kJsonDepthMax = 127;

class JsonTree {
 public:
  /// `text` is valid UTF-8 and outlives the tree. False: see error().
  bool Parse(std::string_view text);
  const std::string& error() const { return error_; }  ///< "expected value at line 1 column 1"

  const JsonNode& node(size_t index) const { return nodes_[index]; }
  static constexpr size_t kRoot = 0;
  /// The sibling after node `index`.
  size_t Next(size_t index) const { return nodes_[index].kind >= JsonKind::kArray ? nodes_[index].end : index + 1; }

 private:
  friend class JsonParser;
  std::vector<JsonNode> nodes_;
  std::unique_ptr<char[]> unescaped_;  // of all strings with escapes: shorter than the text
  size_t unescaped_used_ = 0;
  std::string error_;
};

/// The first of `"`, `\` or a control character in [p, end), or `end`.
const char* FindStringEnd(const char* p, const char* end) noexcept;

}  // namespace weir::cclb
