// What needs nothing but the interfaces of weir/extism.h.
#include <cstring>

#include "weir/extism.h"

namespace weir::extism {

std::optional<std::string_view> CurrentPlugin::Text(uint64_t handle) {
  const auto block = Block(handle);
  if (!block) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(block->data()), block->size());
}

uint64_t CurrentPlugin::New(std::string_view bytes) {
  const uint64_t handle = Alloc(bytes.size());
  if (handle == 0) return 0;
  const auto block = Block(handle);
  if (!block || block->size() != bytes.size()) return 0;
  std::memcpy(block->data(), bytes.data(), bytes.size());
  return handle;
}

Result<std::string_view> Plugin::Call(std::string_view function, const Input& input, const CallOptions& options) {
  const Outcome outcome = CallRaw(function, input, options);
  if (outcome.input_error) return Error{*outcome.input_error, outcome.error};
  if (outcome.failed) return Error{ErrorCode::kTrapped, outcome.error};
  if (outcome.code != 0) return Error{ErrorCode::kRefused, "Returned non-zero exit code: " + std::to_string(outcome.code)};
  return outcome.output;
}

}  // namespace weir::extism
