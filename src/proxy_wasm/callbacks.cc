#include "proxy_wasm/callbacks.h"

namespace weir::proxy_wasm {
namespace {
constexpr engine::ValType kI32s[5] = {};  // kI32 is 0
static_assert(kI32s[0] == engine::ValType::kI32);
}  // namespace

Result<Callbacks> Callbacks::Find(engine::Instance& instance) {
  Callbacks found;
  for (const CallbackRow& row : kCallbackRows) {
    if (!instance.Exports(row.name)) continue;
    const size_t i = size_t(row.id);
    const std::span<const engine::ValType> results(kI32s, row.result ? 1 : 0);
    auto function = instance.Find(row.name, {kI32s, row.count()}, results);
    found.params_[i] = uint8_t(row.count());
    if (!function && row.old_params != 0) {
      auto old = instance.Find(row.name, {kI32s, row.old_params}, results);
      if (old) {
        function = std::move(old);
        found.params_[i] = row.old_params;
      }
    }
    WEIR_TRY(found.functions_[i], std::move(function));
  }
  return found;
}

}  // namespace weir::proxy_wasm
