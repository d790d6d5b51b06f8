// JSON by the rules that cc-lb plugins see: those of Rust's serde_json. A value of any type is kept as its canonical text.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "weir/result.h"

namespace weir::cclb {

/// Any JSON value, as canonical text: no spaces, keys sorted by bytes, the last of equal keys, numbers as the reference writes them.
class Json {
 public:
  Json() : text_("null") {}
  /// kInvalidArgument: no JSON by the reference's rules (strict RFC 8259 in UTF-8, at most 127 levels).
  static Result<Json> Parse(std::string_view text);
  /// Precondition: `text` is canonical already (what another Json's text() was).
  static Json FromCanonical(std::string text) { return Json(std::move(text)); }
  const std::string& text() const { return text_; }
  bool is_object() const { return text_.front() == '{'; }
  bool is_null() const { return text_ == "null"; }
  friend bool operator==(const Json&, const Json&) = default;

 private:
  explicit Json(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A Json that is an object: "claims".
class JsonObject {
 public:
  JsonObject() : text_("{}") {}
  /// kInvalidArgument: no JSON, or no object.
  static Result<JsonObject> Parse(std::string_view text);
  static JsonObject FromCanonical(std::string text) {
    JsonObject object;
    object.text_ = std::move(text);
    return object;
  }
  const std::string& text() const { return text_; }
  friend bool operator==(const JsonObject&, const JsonObject&) = default;

 private:
  std::string text_;
};

}  // namespace weir::cclb
