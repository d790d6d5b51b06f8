#include "capi/cache.h"

#include <cstdlib>

#include "extism/node.h"

namespace weir::capi {
namespace {

using extism::Node;

const Node* Field(const Node* node, std::string_view name) {
  if (node == nullptr) return nullptr;
  for (const auto& [key, value] : node->fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace

Result<CodeCache> CacheOfEnvironment() {
  const char* path = std::getenv("EXTISM_CACHE_CONFIG");
  if (path == nullptr) return CodeCache::Default();
  if (*path == '\0') return CodeCache{};
  WEIR_TRY(const std::string text, ReadFile(path));
  const auto config = extism::ReadToml(text);
  if (!config) return Error{ErrorCode::kInvalidArgument, std::string(path) + ": is no TOML"};
  const Node* const cache = Field(&*config, "cache");
  if (const Node* const enabled = Field(cache, "enabled"); enabled != nullptr && enabled->kind == Node::Kind::kBool && enabled->integer == 0) {
    return CodeCache{};
  }
  const Node* const directory = Field(cache, "directory");
  if (directory == nullptr) return CodeCache::Default();
  if (directory->kind != Node::Kind::kString || !directory->text.starts_with('/')) {
    return Error{ErrorCode::kInvalidArgument, std::string(path) + ": cache.directory: must be an absolute path"};
  }
  return CodeCache{directory->text};
}

}  // namespace weir::capi
