// Manifests, and the JSON of HTTP requests, by the rules of serde: unknown and repeated names are errors, null stands for what is
// optional alone, an integer field takes integers.
#include <cstdint>
#include <limits>

#include "extism/http_json.h"
#include "extism/json_config.h"
#include "extism/node.h"
#include "weir/extism.h"

namespace weir::extism {
namespace {

using Kind = Node::Kind;

std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  const auto digit = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  bytes.reserve(text.size() / 4 * 3);
  for (size_t at = 0; at < text.size(); at += 4) {
    const bool last = at + 4 == text.size();
    const size_t pads = last && text[at + 3] == '=' ? (text[at + 2] == '=' ? 2 : 1) : 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) {
      const int value = i >= 4 - pads ? 0 : digit(text[at + i]);
      if (value < 0) return std::nullopt;
      bits = bits << 6 | static_cast<uint32_t>(value);
    }
    // Bits that no byte takes must be 0.
    if ((pads == 1 && (bits & 0xff) != 0) || (pads == 2 && (bits & 0xffff) != 0)) return std::nullopt;
    for (size_t i = 0; i < 3 - pads; ++i) bytes += static_cast<char>(bits >> (16 - 8 * i));
  }
  return bytes;
}

/// The fields of one object. Each is taken once; in the end none may be left.
class Fields {
 public:
  explicit Fields(const Node& node) : node_(node), good_(node.kind == Kind::kObject) {}
  /// Null where there is none.
  const Node* Take(std::string_view name) {
    const Node* found = nullptr;
    for (const auto& [key, value] : node_.fields) {
      if (key != name) continue;
      if (found != nullptr) good_ = false;  // repeated
      found = &value;
      ++taken_;
    }
    return found;
  }
  std::optional<std::string> OptionalText(std::string_view name) {
    const Node* node = Take(name);
    if (node == nullptr || node->kind == Kind::kNull) return std::nullopt;
    good_ &= node->kind == Kind::kString;
    return node->text;
  }
  std::string Text(std::string_view name) {
    const Node* node = Take(name);
    good_ &= node != nullptr && node->kind == Kind::kString;
    return good_ ? node->text : "";
  }
  std::optional<uint64_t> OptionalInteger(std::string_view name, uint64_t max = std::numeric_limits<uint64_t>::max()) {
    const Node* node = Take(name);
    if (node == nullptr || node->kind == Kind::kNull) return std::nullopt;
    good_ &= node->kind == Kind::kInteger && node->integer <= max;
    return node->integer;
  }
  /// Names to texts; of a name that repeats the last counts.
  std::vector<std::pair<std::string, std::string>> Texts(const Node& node) {
    good_ &= node.kind == Kind::kObject;
    std::vector<std::pair<std::string, std::string>> texts;
    for (const auto& [key, value] : node.fields) {
      good_ &= value.kind == Kind::kString;
      std::erase_if(texts, [&](const auto& row) { return row.first == key; });
      texts.emplace_back(key, value.text);
    }
    return texts;
  }
  void Fail() { good_ = false; }
  bool Done() const { return good_ && taken_ == node_.fields.size(); }

 private:
  const Node& node_;
  bool good_;
  size_t taken_ = 0;
};

void ReadRequest(Fields& fields, HttpRequest* request) {
  request->url = fields.Text("url");
  if (const Node* headers = fields.Take("headers")) request->headers = fields.Texts(*headers);
  if (auto method = fields.OptionalText("method")) request->method = *std::move(method);
}

bool ReadData(const Node& node, ManifestPointers pointers, std::string* data) {
  if (node.kind == Kind::kString) {
    auto bytes = DecodeBase64(node.text);
    if (bytes) *data = *std::move(bytes);
    return bytes.has_value();
  }
  if (pointers == ManifestPointers::kRefused) return false;
  Fields fields(node);
  const auto address = fields.OptionalInteger("ptr"), length = fields.OptionalInteger("len");
  if (!fields.Done() || !address || !length || (*address == 0 && *length != 0)) return false;
  data->assign(reinterpret_cast<const char*>(static_cast<uintptr_t>(*address)), static_cast<size_t>(*length));
  return true;
}

bool ReadModule(const Node& node, ManifestPointers pointers, ManifestModule* module) {
  Fields fields(node);
  if (const Node* path = fields.Take("path")) {
    module->source = ManifestModule::Source::kPath;
    if (path->kind != Kind::kString) return false;
    module->path = path->text;
  } else if (const Node* data = fields.Take("data")) {
    if (!ReadData(*data, pointers, &module->data)) return false;
  } else {
    module->source = ManifestModule::Source::kUrl;
    ReadRequest(fields, &module->request);
  }
  module->name = fields.OptionalText("name");
  module->hash = fields.OptionalText("hash");
  return fields.Done();
}

bool ReadMemory(const Node& node, ManifestLimits* limits) {
  Fields fields(node);
  if (const auto pages = fields.OptionalInteger("max_pages", std::numeric_limits<uint32_t>::max())) {
    limits->memory_pages_max = static_cast<uint32_t>(*pages);
  }
  limits->http_response_bytes_max = fields.OptionalInteger("max_http_response_bytes");
  if (auto bytes = fields.OptionalInteger("max_var_bytes")) limits->var_bytes_max = bytes;
  return fields.Done();
}

bool Read(const Node& node, ManifestPointers pointers, Manifest* manifest) {
  Fields fields(node);
  if (const Node* modules = fields.Take("wasm")) {
    if (modules->kind != Kind::kArray) return false;
    for (const Node& item : modules->items) {
      if (!ReadModule(item, pointers, &manifest->modules.emplace_back())) return false;
    }
  }
  if (const Node* memory = fields.Take("memory")) {
    if (!ReadMemory(*memory, &manifest->limits)) return false;
  }
  if (const Node* config = fields.Take("config")) manifest->config = fields.Texts(*config);
  const Node* hosts = fields.Take("allowed_hosts");
  if (hosts != nullptr && hosts->kind != Kind::kNull) {
    if (hosts->kind != Kind::kArray) return false;
    auto& globs = manifest->allowed_hosts.emplace();
    for (const Node& item : hosts->items) {
      if (item.kind != Kind::kString) return false;
      globs.push_back(item.text);
    }
  }
  const Node* paths = fields.Take("allowed_paths");
  if (paths != nullptr && paths->kind != Kind::kNull) manifest->allowed_paths = fields.Texts(*paths);
  manifest->limits.timeout_ms = fields.OptionalInteger("timeout_ms");
  return fields.Done();
}

}  // namespace

Result<Manifest> ParseManifest(std::string_view text, ManifestPointers pointers) {
  for (const auto& read : {&ReadToml, &ReadJson}) {
    Manifest manifest;
    const auto node = read(text);
    if (node && Read(*node, pointers, &manifest)) return manifest;
  }
  return Error{ErrorCode::kInvalidArgument, "Unknown manifest format"};
}

Result<HttpRequest> ParseHttpRequest(std::string_view json) {
  const auto node = ReadJson(json);
  if (!node) return Error{ErrorCode::kInvalidArgument, "the HTTP request is not JSON"};
  HttpRequest request;
  Fields fields(*node);
  ReadRequest(fields, &request);
  if (!fields.Done()) return Error{ErrorCode::kInvalidArgument, "the HTTP request is not {\"url\": …, \"headers\": {…}, \"method\": …}"};
  return request;
}

std::optional<std::vector<std::pair<std::string, std::optional<std::string>>>> ParseConfig(std::string_view json) {
  const auto node = ReadJson(json);
  if (!node || node->kind != Kind::kObject) return std::nullopt;
  std::vector<std::pair<std::string, std::optional<std::string>>> changes;
  for (const auto& [key, value] : node->fields) {
    if (value.kind == Kind::kString) {
      changes.emplace_back(key, value.text);
    } else if (value.kind == Kind::kNull) {
      changes.emplace_back(key, std::nullopt);
    } else {
      return std::nullopt;
    }
  }
  return changes;
}

}  // namespace weir::extism
