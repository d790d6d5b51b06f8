#include "cclb/json_write.h"

#include <algorithm>
#include <vector>

#include "cclb/json_number.h"
#include "cclb/utf8.h"
#include "weir/cclb/json.h"

namespace weir::cclb {
namespace {

bool IsSpecial(char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }

void AppendEscape(char c, Out* out) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': out->append("\\\""); break;
    case '\\': out->append("\\\\"); break;
    case '\b': out->append("\\b"); break;
    case '\f': out->append("\\f"); break;
    case '\n': out->append("\\n"); break;
    case '\r': out->append("\\r"); break;
    case '\t': out->append("\\t"); break;
    default:
      out->append("\\u00");
      out->push_back(kHex[c >> 4 & 0xF]);
      out->push_back(kHex[c & 0xF]);
  }
}

struct Member {
  std::string_view key;
  size_t value;
};

void AppendObject(const JsonTree& tree, size_t index, Out* out) {
  std::vector<Member> members;
  members.reserve(tree.node(index).size);
  bool sorted = true;
  for (size_t key = index + 1; key != tree.node(index).end; key = tree.Next(key + 1)) {
    const std::string_view name = tree.node(key).text();
    sorted = sorted && (members.empty() || members.back().key < name);
    members.push_back({name, key + 1});
  }
  if (!sorted) std::stable_sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.key < b.key; });
  out->push_back('{');
  bool first = true;
  for (size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i].key == members[i + 1].key) continue;  // the last one wins
    if (!first) out->push_back(',');
    first = false;
    AppendString(members[i].key, out);
    out->push_back(':');
    AppendCanonical(tree, members[i].value, out);
  }
  out->push_back('}');
}

Result<std::string> Canonical(std::string_view text) {
  if (!IsValidUtf8(text)) return Error{ErrorCode::kInvalidArgument, Utf8Fault(text)};
  JsonTree tree;
  if (!tree.Parse(text)) return Error{ErrorCode::kInvalidArgument, tree.error()};
  return CanonicalText(tree, JsonTree::kRoot);
}

}  // namespace

// Scans and copies at once: 16 bytes at a time, each stored whole before it is known how many of them count.
void AppendString(std::string_view text, Out* out) {
  constexpr size_t kStep = 16;
  out->Ensure(text.size() + 2 + kStep);
  const char* p = text.data();
  const char* const end = p + text.size();
  char* to = out->position();
  *to++ = '"';
  while (p != end) {
    const size_t step = std::min(kStep, static_cast<size_t>(end - p));
    const char* const stop = FindStringEnd(p, p + step);
    step == kStep ? std::memcpy(to, p, kStep) : std::memcpy(to, p, step);
    to += stop - p;
    p = stop;
    if (p == end || !IsSpecial(*p)) continue;
    out->set_position(to);
    AppendEscape(*p++, out);
    out->Ensure(static_cast<size_t>(end - p) + 2 + kStep);
    to = out->position();
  }
  *to++ = '"';
  out->set_position(to);
}

std::string Quoted(std::string_view text) {
  Out out(text.size() + 32);
  AppendString(text, &out);
  return out.str();
}

std::string CanonicalText(const JsonTree& tree, size_t index) {
  Out out;
  AppendCanonical(tree, index, &out);
  return out.str();
}

void AppendCanonical(const JsonTree& tree, size_t index, Out* out) {
  const JsonNode& node = tree.node(index);
  switch (node.kind) {
    case JsonKind::kNull: out->append("null"); return;
    case JsonKind::kFalse: out->append("false"); return;
    case JsonKind::kTrue: out->append("true"); return;
    case JsonKind::kUint: AppendUint(node.uint, out); return;
    case JsonKind::kInt: AppendInt(node.sint, out); return;
    case JsonKind::kDouble: AppendDouble(node.real, out); return;
    case JsonKind::kString: AppendString(node.text(), out); return;
    case JsonKind::kObject: AppendObject(tree, index, out); return;
    case JsonKind::kArray: break;
  }
  out->push_back('[');
  for (size_t child = index + 1; child != node.end; child = tree.Next(child)) {
    if (child != index + 1) out->push_back(',');
    AppendCanonical(tree, child, out);
  }
  out->push_back(']');
}

Result<Json> Json::Parse(std::string_view text) {
  WEIR_TRY(std::string canonical, Canonical(text));
  return FromCanonical(std::move(canonical));
}

Result<JsonObject> JsonObject::Parse(std::string_view text) {
  WEIR_TRY(std::string canonical, Canonical(text));
  if (canonical.front() != '{') return Error{ErrorCode::kInvalidArgument, "expected a JSON object"};
  return FromCanonical(std::move(canonical));
}

}  // namespace weir::cclb
