#include "proxy_wasm/foreign.h"

#include <cstring>

#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {
namespace {

using Code = ForeignAnswer::Status;
constexpr size_t kKeysMax = 10'000;

ForeignAnswer Of(StoreStatus status) {
  if (status == StoreStatus::kOk) return {Code::kOk, {}};
  return {status == StoreStatus::kNotFound ? Code::kNotFound : Code::kInternalFailure, {}};
}

ForeignAnswer SharedDelete(HostCalls& calls, std::string_view key) {
  return Of(calls.core().host.shared_data.Delete(calls.core().space(), key, 0));
}

ForeignAnswer SharedSetTtl(HostCalls& calls, std::string_view argument) {
  uint64_t ttl_ms;
  if (argument.size() < sizeof ttl_ms) return {Code::kBadArgument, {}};
  std::memcpy(&ttl_ms, argument.data(), sizeof ttl_ms);
  return Of(calls.core().host.shared_data.SetTtl(calls.core().space(), argument.substr(sizeof ttl_ms), ttl_ms));
}

ForeignAnswer SharedKeys(HostCalls& calls, std::string_view) {
  ForeignAnswer answer{Code::kOk, {}};
  for (const std::string& key : calls.core().host.shared_data.Keys(calls.core().space(), kKeysMax)) {
    answer.bytes += key;
    answer.bytes += '\0';
  }
  return answer;
}

ForeignAnswer ClearRouteCache(HostCalls& calls, std::string_view) {
  if (calls.stream() == nullptr) return {Code::kBadArgument, {}};
  calls.stream()->ClearRouteCache();
  return {Code::kOk, {}};
}

constexpr BuiltinForeign kBuiltins[] = {
    {"weir.shared_delete", "the key", SharedDelete},
    {"weir.shared_set_ttl", "milliseconds as 8 bytes little-endian (0: for ever), then the key", SharedSetTtl},
    {"weir.shared_keys", "nothing; answers the name space's keys, each followed by 0x00", SharedKeys},
    {"clear_route_cache", "nothing; as in Envoy", ClearRouteCache},
};

}  // namespace

const BuiltinForeign* BuiltinForeign::Find(std::string_view name) {
  for (const BuiltinForeign& row : kBuiltins)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace weir::proxy_wasm
