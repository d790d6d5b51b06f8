#include "proxy_wasm/properties.h"

#include <algorithm>
#include <cstring>

namespace weir::proxy_wasm {
namespace {

constexpr std::string_view kTypeNames[] = {"bytes", "int64", "uint64", "bool", "int64, ns", "int64, ns", "pairs", "message"};
static_assert(std::size(kTypeNames) == size_t(PropertyType::kMessage) + 1);
constexpr std::string_view kWhenTexts[] = {"always", "in a stream", "from the response on", "at the end"};
static_assert(std::size(kWhenTexts) == size_t(PropertyWhen::kEnd) + 1);

bool IsHeaderMap(PropertyFrom from) { return from >= PropertyFrom::kRequestHeaders && from <= PropertyFrom::kResponseTrailers; }

/// A field of a protocol buffer whose wire type is "length-delimited"; an empty one is left out, as a default is.
void AddField(std::string* message, uint32_t number, std::string_view bytes) {
  constexpr uint32_t kLengthDelimited = 2;
  const auto add_varint = [&](uint64_t value) {
    for (; value >= 0x80; value >>= 7) *message += char(value | 0x80);
    *message += char(value);
  };
  if (bytes.empty()) return;
  add_varint(number << 3 | kLengthDelimited);
  add_varint(bytes.size());
  *message += bytes;
}

/// google.protobuf.Struct with string values.
std::string EncodeStruct(const HeaderList& fields) {
  std::string all;
  for (const auto& [key, text] : fields) {
    std::string value, entry;
    AddField(&value, 3, text);  // Value.string_value
    AddField(&entry, 1, key);
    AddField(&entry, 2, value);
    AddField(&all, 1, entry);
  }
  return all;
}

std::string WhereOf(const PropertyRow& row) {
  std::string text;
  for (const auto& [bit, name] : {std::pair(kInNginx, "NGINX"), std::pair(kInMemory, "memory"), std::pair(kInTcp, "TCP")}) {
    if ((row.where & bit) != 0) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text.empty() ? "–" : text;
}

}  // namespace

PropertyPath ParsePropertyPath(std::string_view path) {
  PropertyPath result;
  std::string dotted(path);
  std::replace(dotted.begin(), dotted.end(), '\0', '.');
  if (dotted.ends_with('.')) dotted.pop_back();
  std::string_view name;
  result.row = FindProperty(dotted, &name);
  if (result.row == nullptr) {
    result.name = std::move(dotted);
    return result;
  }
  result.name.assign(name);
  if (IsHeaderMap(result.row->from)) {
    for (char& c : result.name)
      if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return result;
}

std::string EncodeProperty(const PropertyValue& value) {
  if (auto* bytes = std::get_if<std::string>(&value)) return *bytes;
  if (auto* flag = std::get_if<bool>(&value)) return std::string(1, *flag ? '\1' : '\0');
  std::string bytes(sizeof(int64_t), '\0');
  std::memcpy(bytes.data(), std::get_if<int64_t>(&value), sizeof(int64_t));  // little-endian, as this machine is
  return bytes;
}

std::string EncodeLocality(const Node& node) {
  std::string locality;
  AddField(&locality, 1, node.region);
  AddField(&locality, 2, node.zone);
  AddField(&locality, 3, node.sub_zone);
  return locality;
}

std::string EncodeNode(const Node& node) {
  std::string message;
  AddField(&message, 1, node.id);
  AddField(&message, 2, node.cluster);
  AddField(&message, 3, EncodeStruct(node.metadata));
  AddField(&message, 4, EncodeLocality(node));
  return message;
}

std::string_view PropertyTypeName(PropertyType type) { return kTypeNames[size_t(type)]; }
std::string_view PropertyWhenText(PropertyWhen when) { return kWhenTexts[size_t(when)]; }

std::string_view PropertyRemark(const PropertyRow& row) {
  switch (row.from) {
    case PropertyFrom::kWhole: return "SERIALIZATION_FAILURE: a whole message";
    case PropertyFrom::kEmptyMessage: return "an empty message: no bytes";
    case PropertyFrom::kNobody: return "NOT_FOUND: has no meaning here";
    default: return {};
  }
}

std::string PropertiesDocument() {
  std::string text =
      "# Properties\n\n"
      "What `proxy_get_property` answers. Generated from the table in `include/weir/property.h` (a test compares;\n"
      "`WEIR_UPDATE_DOCS=1 build/bin/proxy_wasm_test` writes it); `weir inspect --properties` prints it too.\n\n"
      "- **Path**: segments joined by NUL (as SDKs do) or dots; one trailing NUL or dot is allowed. Case matters, except in header names.\n"
      "- **Value**: as Envoy writes it. *bytes*: as they are; *int64*, *uint64*: 8 bytes, little-endian; *bool*: 1 byte, 0 or 1; times are\n"
      "  int64 nanoseconds since the Unix epoch, durations int64 nanoseconds; *pairs*: a map as in `proxy_get_header_map_pairs`, and\n"
      "  `PATH.NAME` is one of its values; *message*: the wire format of protocol buffers.\n"
      "- **When**: *always* includes the plugin context (`on_configure`, `on_tick`). Before that, and where there is no such thing (TLS without\n"
      "  a certificate, an upstream for a page that NGINX makes itself), the answer is NOT_FOUND.\n"
      "- **Where**: NGINX (`http{}`), in memory (what it does not know itself can be given: `property` in docs/scenarios.md), TCP streams.\n"
      "- All of these are read-only: `proxy_set_property` answers NOT_FOUND (in `statuses lenient` OK, without effect).\n"
      "- **Any other path** is a custom property: what one plugin of a chain sets, the others read, in every later phase of the same\n"
      "  stream. Unset: NOT_FOUND. Paths and values of one stream together are limited to Limits::property_bytes (64 KiB); a path\n"
      "  has at most 4 KiB.\n"
      "- **`ngx.NAME`** is NGINX's variable `$NAME`; those that `set`, `map` and the like make can be written.\n\n"
      "| path | value | when | where | |\n|---|---|---|---|---|\n";
  for (const PropertyRow& row : kProperties) {
    const std::string_view remark = PropertyRemark(row);
    text += "| `" + std::string(row.path) + "`";
    if ((row.where & kAlsoXds) != 0) text += ", `xds." + std::string(row.path) + "`";
    text += " | " + std::string(remark.empty() ? PropertyTypeName(row.type) : "–") + " | ";
    text += std::string(remark.empty() ? PropertyWhenText(row.when) : "–") + " | " + (remark.empty() ? WhereOf(row) : "–") + " | ";
    text += std::string(remark) + (remark.empty() || row.meaning.empty() ? "" : "; ") + std::string(row.meaning) + " |\n";
  }
  return text;
}

}  // namespace weir::proxy_wasm
