#include "conformance/value.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "proxy_wasm/pairs.h"
#include "proxy_wasm/statuses.h"
#include "scenario/text.h"

namespace weir::conformance {
namespace {

struct NamedNumber {
  std::string_view name;
  int64_t number;
};
// [0.2.1 §Types]
constexpr NamedNumber kConstants[] = {
    {"OK", 0}, {"NOT_FOUND", 1}, {"BAD_ARGUMENT", 2}, {"SERIALIZATION_FAILURE", 3}, {"PARSE_FAILURE", 4},
    {"INVALID_MEMORY_ACCESS", 6}, {"EMPTY", 7}, {"CAS_MISMATCH", 8}, {"INTERNAL_FAILURE", 10}, {"UNIMPLEMENTED", 12},
    {"TRACE", 0}, {"DEBUG", 1}, {"INFO", 2}, {"WARN", 3}, {"ERROR", 4}, {"CRITICAL", 5},
    {"CONTINUE", 0}, {"PAUSE", 1},
    {"HTTP_REQUEST_BODY", 0}, {"HTTP_RESPONSE_BODY", 1}, {"DOWNSTREAM_DATA", 2}, {"UPSTREAM_DATA", 3},
    {"HTTP_CALL_RESPONSE_BODY", 4}, {"GRPC_CALL_MESSAGE", 5}, {"VM_CONFIGURATION", 6}, {"PLUGIN_CONFIGURATION", 7},
    {"FOREIGN_FUNCTION_ARGUMENTS", 8},
    {"HTTP_REQUEST_HEADERS", 0}, {"HTTP_REQUEST_TRAILERS", 1}, {"HTTP_RESPONSE_HEADERS", 2}, {"HTTP_RESPONSE_TRAILERS", 3},
    {"GRPC_CALL_INITIAL_METADATA", 4}, {"GRPC_CALL_TRAILING_METADATA", 5}, {"HTTP_CALL_RESPONSE_HEADERS", 6},
    {"HTTP_CALL_RESPONSE_TRAILERS", 7},
    {"UNKNOWN", 0}, {"LOCAL", 1}, {"REMOTE", 2},
    {"HTTP_REQUEST", 0}, {"HTTP_RESPONSE", 1}, {"DOWNSTREAM", 2}, {"UPSTREAM", 3},
    {"COUNTER", 0}, {"GAUGE", 1}, {"HISTOGRAM", 2},
    {"SUCCESS", 0}, {"BADF", 8}, {"FAULT", 21}, {"INVAL", 28}, {"NOSYS", 52}, {"NOTSUP", 58}, {"SPIPE", 70},
    {"STDOUT", 1}, {"STDERR", 2}, {"REALTIME", 0}, {"MONOTONIC", 1},
    {"true", 1}, {"false", 0},
};

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

uint32_t Fnv1a(std::string_view bytes) {
  uint32_t hash = 2166136261u;
  for (unsigned char c : bytes) hash = (hash ^ c) * 16777619u;
  return hash;
}

/// Decimal or 0x hexadecimal, a sign before it.
std::optional<int64_t> Integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x")) base = 16, text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? -int64_t(value) : int64_t(value);
}

}  // namespace

std::string Value::Bytes() const {
  if (kind != Kind::kPairs) return text;
  std::string bytes;
  proxy_wasm::SerializePairs(pairs, &bytes);
  return bytes;
}

std::optional<int64_t> Constant(std::string_view name) {
  for (const NamedNumber& row : kConstants)
    if (row.name == name) return row.number;
  return std::nullopt;
}

std::string StatusName(int64_t status) {
  const std::string_view name = proxy_wasm::Name(proxy_wasm::Status(status));
  return name == "?" ? std::to_string(status) : std::string(name);
}

void Cursor::Skip() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
}

bool Cursor::Eat(std::string_view token) {
  Skip();
  if (!text_.substr(at_).starts_with(token)) return false;
  at_ += token.size();
  return true;
}

std::string_view Cursor::Name() {
  Skip();
  const size_t begin = at_;
  while (at_ < text_.size() && IsNameByte(text_[at_]) && !text_.substr(at_).starts_with("->")) ++at_;
  return text_.substr(begin, at_ - begin);
}

std::string Cursor::TakeBytes() {
  Skip();
  size_t end = 0;
  std::optional<std::string> once = Peek() == '"' ? scenarios::Quoted(text_.substr(at_), &end) : std::nullopt;
  if (!once) return Fail("wants a string in quotes here: " + std::string(rest())), "";
  at_ += end;
  if (at_ >= text_.size() || text_[at_] != '*') return *once;
  ++at_;
  const auto times = Integer(Name());
  if (!times || *times < 0 || *times * int64_t(once->size()) > (64 << 20)) return Fail("wants a number behind the *"), "";
  std::string all;
  for (int64_t i = 0; i < *times; ++i) all += *once;
  return all;
}

Value Cursor::TakePairs() {
  Value value{.kind = Value::Kind::kPairs};
  Eat("{");
  while (!Eat("}") && error.empty()) {
    if (Eat("...")) {
      value.kind = Value::Kind::kSomePairs;
    } else {
      std::string name = TakeBytes();
      if (!Eat(":")) Fail("wants \"name\": \"value\" between { and }");
      value.pairs.emplace_back(std::move(name), TakeBytes());
    }
    if (!Eat(",") && Peek() != '}') Fail("wants , or } in a map");
  }
  return value;
}

Value Cursor::Take() {
  const char next = Peek();
  if (next == '"') {
    std::string bytes = TakeBytes();
    return {.kind = Eat("...") ? Value::Kind::kPrefix : Value::Kind::kBytes, .text = std::move(bytes)};
  }
  if (next == '{') return TakePairs();
  if (Eat("$")) return {.kind = Value::Kind::kVariable, .text = std::string(Name())};
  const bool negated = Eat("!");
  const std::string_view word = Name();
  if (word == "_" && !negated) return {};
  if (word.starts_with("end") && !negated) {
    std::string_view more = word.substr(3);
    if (more.empty() && Eat("+")) more = Name();
    const auto offset = more.empty() ? std::optional<int64_t>(0) : Integer(more);
    if (!offset) Fail("wants end, end+N or end-N");
    return {.kind = Value::Kind::kEnd, .number = offset.value_or(0)};
  }
  std::optional<int64_t> number = Constant(word);
  if (!number && !word.empty() && (IsDigit(word[0]) || word[0] == '-')) number = Integer(word);
  if (!number) Fail("\"" + std::string(word.empty() ? rest() : word) + "\" is no number, string, map, $variable or constant of the specification");
  return {.kind = negated ? Value::Kind::kNot : Value::Kind::kNumber, .number = number.value_or(0)};
}

std::string Shown(std::string_view bytes) {
  char piece[32];
  if (bytes.size() > kShownMax) {
    std::snprintf(piece, sizeof piece, ":%08x", Fnv1a(bytes));
    return "#" + std::to_string(bytes.size()) + piece;
  }
  std::string text = "\"";
  for (unsigned char c : bytes) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
      std::snprintf(piece, sizeof piece, "\\x%02x", c);
      text += piece;
    } else {
      text += char(c);
    }
  }
  return text + "\"";
}

std::string Written(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kAny: return "_";
    case Value::Kind::kNumber: return std::to_string(value.number);
    case Value::Kind::kNot: return "!" + std::to_string(value.number);
    case Value::Kind::kEnd: return "end" + (value.number == 0 ? "" : (value.number > 0 ? "+" : "") + std::to_string(value.number));
    case Value::Kind::kBytes: return Shown(value.text);
    case Value::Kind::kPrefix: return Shown(value.text) + "...";
    case Value::Kind::kVariable: return "$" + value.text;
    case Value::Kind::kPairs:
    case Value::Kind::kSomePairs: break;
  }
  std::string text = "{";
  for (const auto& [name, one] : value.pairs) text += (text.size() > 1 ? ", " : "") + Shown(name) + ": " + Shown(one);
  if (value.kind == Value::Kind::kSomePairs) text += text.size() > 1 ? ", ..." : "...";
  return text + "}";
}

}  // namespace weir::conformance
