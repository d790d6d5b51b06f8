#include "cclb/codec.h"

namespace weir::cclb {
namespace {

// serde's words for what was found.
std::string Found(const JsonNode& node) {
  Out out(32);
  switch (node.kind) {
    case JsonKind::kNull: return "null";
    case JsonKind::kFalse: return "boolean `false`";
    case JsonKind::kTrue: return "boolean `true`";
    case JsonKind::kUint: out.append("integer `"); AppendUint(node.uint, &out); break;
    case JsonKind::kInt: out.append("integer `"); AppendInt(node.sint, &out); break;
    case JsonKind::kDouble: out.append("floating point `"); AppendDouble(node.real, &out); break;
    case JsonKind::kString: return "string \"" + std::string(node.text()) + "\"";
    case JsonKind::kArray: return "sequence";
    case JsonKind::kObject: return "map";
  }
  return out.str() + "`";
}

int FindName(std::string_view name, const std::string_view* names, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (names[i] == name) return static_cast<int>(i);
  }
  return -1;
}

int UnknownVariant(Reading& in, std::string_view name, const std::string_view* names, size_t count) {
  in.Fail("unknown variant `" + std::string(name) + "`, expected " + NameList(names, count, "there are no variants"));
  return -1;
}

}  // namespace

bool Reading::FailType(size_t node, std::string_view expected) {
  return Fail("invalid type: " + Found(tree.node(node)) + ", expected " + std::string(expected));
}
bool Reading::FailValue(size_t node, std::string_view expected) {
  return Fail("invalid value: " + Found(tree.node(node)) + ", expected " + std::string(expected));
}

std::string NameList(const std::string_view* names, size_t count, std::string_view none) {
  if (count == 0) return std::string(none);
  std::string out = count > 2 ? "one of " : "";
  for (size_t i = 0; i < count; ++i) {
    if (i != 0) out += count == 2 ? " or " : ", ";
    out.append("`").append(names[i]).append("`");
  }
  return out;
}

int ReadName(Reading& in, size_t node, const std::string_view* names, size_t count) {
  const JsonNode& n = in.tree.node(node);
  if (n.kind == JsonKind::kUint && in.content) {
    if (n.uint < count) return static_cast<int>(n.uint);
    in.FailValue(node, "variant index 0 <= i < " + std::to_string(count));
    return -1;
  }
  if (n.kind != JsonKind::kString) {
    in.FailType(node, "variant identifier");
    return -1;
  }
  const int index = FindName(n.text(), names, count);
  return index >= 0 ? index : UnknownVariant(in, n.text(), names, count);
}

int ReadEnum(Reading& in, size_t node, const std::string_view* names, size_t count) {
  const JsonNode& n = in.tree.node(node);
  if (n.kind == JsonKind::kString) {
    const int index = FindName(n.text(), names, count);
    return index >= 0 ? index : UnknownVariant(in, n.text(), names, count);
  }
  if (n.kind != JsonKind::kObject) {
    in.FailType(node, "string or map");
    return -1;
  }
  size_t value = 0;
  for (size_t key = node + 1; key != n.end; key = in.tree.Next(key + 1)) {
    const bool same = value == 0 || (in.duplicates == Duplicates::kLastWins && in.tree.node(key).text() == in.tree.node(node + 1).text());
    value = same ? key + 1 : 0;
    if (!same) break;
  }
  if (value == 0) {
    in.FailValue(node, "map with a single key");
    return -1;
  }
  const int index = FindName(in.tree.node(node + 1).text(), names, count);
  if (index < 0) return UnknownVariant(in, in.tree.node(node + 1).text(), names, count);
  if (in.tree.node(value).kind == JsonKind::kNull) return index;
  in.FailType(value, "unit");
  return -1;
}

int ReadTag(Reading& in, size_t node, std::string_view tag, const std::string_view* names, size_t count) {
  const JsonNode& n = in.tree.node(node);
  if (n.kind == JsonKind::kArray) {
    if (n.size != 0) return ReadName(in, node + 1, names, count);
  } else if (n.kind != JsonKind::kObject) {
    in.FailType(node, "internally tagged enum");
    return -1;
  }
  size_t found = 0;
  if (n.kind == JsonKind::kObject) {
    for (size_t key = node + 1; key != n.end; key = in.tree.Next(key + 1)) {
      if (in.tree.node(key).text() != tag) continue;
      if (found != 0 && in.duplicates == Duplicates::kError) {
        in.Fail("duplicate field `" + std::string(tag) + "`");
        return -1;
      }
      found = key + 1;
    }
  }
  if (found != 0) return ReadName(in, found, names, count);
  in.Fail("missing field `" + std::string(tag) + "`");
  return -1;
}

bool FindFields(Reading& in, size_t object, const std::string_view* names, size_t count, std::string_view skip, size_t* nodes) {
  size_t likely = 0;  // fields mostly come in order
  for (size_t key = object + 1; key != in.tree.node(object).end; key = in.tree.Next(key + 1)) {
    const std::string_view name = in.tree.node(key).text();
    if (!skip.empty() && name == skip) continue;
    size_t index = likely;
    if (index >= count || names[index] != name) {
      const int found = FindName(name, names, count);
      if (found < 0) return in.Fail("unknown field `" + std::string(name) + "`, expected " + NameList(names, count, "there are no fields"));
      index = static_cast<size_t>(found);
    }
    if (nodes[index] != 0 && in.duplicates == Duplicates::kError) return in.Fail("duplicate field `" + std::string(name) + "`");
    nodes[index] = key + 1;
    likely = index + 1;
  }
  return true;
}

bool Read(Reading& in, size_t node, bool* out) {
  const JsonKind kind = in.tree.node(node).kind;
  if (kind != JsonKind::kTrue && kind != JsonKind::kFalse) return in.FailType(node, "a boolean");
  *out = kind == JsonKind::kTrue;
  return true;
}

// An integer becomes a float in one step: by way of double it could be rounded twice.
template <class Real>
bool ReadReal(Reading& in, size_t node, std::string_view name, Real* out) {
  const JsonNode& n = in.tree.node(node);
  switch (n.kind) {
    case JsonKind::kUint: *out = static_cast<Real>(n.uint); return true;
    case JsonKind::kInt: *out = static_cast<Real>(n.sint); return true;
    case JsonKind::kDouble: *out = static_cast<Real>(n.real); return true;
    default: return in.FailType(node, name);
  }
}
bool Read(Reading& in, size_t node, double* out) { return ReadReal(in, node, "f64", out); }
bool Read(Reading& in, size_t node, float* out) { return ReadReal(in, node, "f32", out); }

bool Read(Reading& in, size_t node, std::string* out) {
  if (in.tree.node(node).kind != JsonKind::kString) return in.FailType(node, "a string");
  out->assign(in.tree.node(node).text());
  return true;
}

bool Read(Reading& in, size_t node, Json* out) {
  *out = Json::FromCanonical(CanonicalText(in.tree, node));
  return true;
}

bool Read(Reading& in, size_t node, JsonObject* out) {
  if (in.tree.node(node).kind != JsonKind::kObject) return in.FailType(node, "a map");
  *out = JsonObject::FromCanonical(CanonicalText(in.tree, node));
  return true;
}

bool Read(Reading& in, size_t node, std::set<std::string>* out) {
  if (in.tree.node(node).kind != JsonKind::kArray) return in.FailType(node, "a sequence");
  out->clear();
  for (size_t child = node + 1; child != in.tree.node(node).end; child = in.tree.Next(child)) {
    std::string value;
    if (!Read(in, child, &value)) return false;
    out->insert(std::move(value));
  }
  return true;
}

bool Read(Reading& in, size_t node, std::array<uint8_t, 8>* out) {
  constexpr std::string_view kExpected = "an array of length 8";
  if (in.tree.node(node).kind != JsonKind::kArray) return in.FailType(node, kExpected);
  if (in.tree.node(node).size != out->size()) return in.FailLength(in.tree.node(node).size, std::string(kExpected));
  size_t child = node + 1;
  for (uint8_t& byte : *out) {
    if (!Read(in, child, &byte)) return false;
    child = in.tree.Next(child);
  }
  return true;
}

}  // namespace weir::cclb
