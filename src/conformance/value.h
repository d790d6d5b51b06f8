// Values as cases write them: arguments of calls, and what is expected of outputs and callbacks. docs/conformance.md has the forms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/http.h"

namespace weir::conformance {

struct Value {
  enum class Kind : uint8_t {
    kAny,       ///< `_`: expected: whatever it is; as an argument: left to the guest (return pointers, sizes)
    kNumber,    ///< 5, -1, 0xff, NOT_FOUND
    kNot,       ///< !NOT_FOUND: expected to be another number
    kEnd,       ///< end-4: the size of the guest's memory, and `number` more
    kBytes,     ///< "text", "x"*1000
    kPrefix,    ///< "text"...: expected: bytes that begin so
    kPairs,     ///< {"name": "value"}: a serialized map
    kSomePairs, ///< {"name": "value", ...}: expected: a serialized map that has these pairs among others
    kVariable,  ///< $name: bound where it is seen first, equal to that afterwards
  } kind = Kind::kAny;
  int64_t number = 0;
  std::string text;  ///< bytes, or the variable's name
  HeaderList pairs;

  static Value Number(int64_t number) { return {.kind = Kind::kNumber, .number = number}; }
  /// What a guest passes for it: kBytes as they are, kPairs serialized.
  std::string Bytes() const;
};

/// A constant of the specification by its name, and a status by its number.
std::optional<int64_t> Constant(std::string_view name);
std::string StatusName(int64_t status);

/// Reads a line from left to right. What fails leaves `error`, and the rest of the line does not matter.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  void Skip();
  bool Done() { return Skip(), at_ == text_.size(); }
  /// Takes `token` when it comes next.
  bool Eat(std::string_view token);
  /// Letters, digits, '_', '.' and '-'.
  std::string_view Name();
  char Peek() { return Skip(), at_ < text_.size() ? text_[at_] : '\0'; }
  Value Take();
  std::string_view rest() const { return text_.substr(at_); }
  void Fail(std::string message) {
    if (error.empty()) error = std::move(message);
    at_ = text_.size();
  }
  std::string error;

 private:
  std::string TakeBytes();
  Value TakePairs();
  std::string_view text_;
  size_t at_ = 0;
};

/// Bytes in a transcript: in quotes, other than printable ones as \xHH; longer than kShownMax: `#SIZE:HASH` (FNV-1a, 32 bits, hex).
inline constexpr size_t kShownMax = 300;
std::string Shown(std::string_view bytes);
/// A value as a case writes it.
std::string Written(const Value& value);

}  // namespace weir::conformance
