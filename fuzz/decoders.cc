// Everything that reads bytes of a plugin or of its file, by the first byte: pairs, property paths, module, scenario.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/wasm_module.h"
#include "proxy_wasm/pairs.h"
#include "proxy_wasm/properties.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      if (auto pairs = proxy_wasm::ParsePairs(bytes, {})) {
        HeaderList list;
        for (const auto& [key, value] : *pairs) list.emplace_back(key, value);
        std::string again;
        proxy_wasm::SerializePairs(list, &again);
        auto reread = proxy_wasm::ParsePairs(again, {.pairs = UINT32_MAX, .bytes = UINT64_MAX});
        if (!reread || *reread != *pairs) std::abort();
      }
      break;
    case 1:
      (void)proxy_wasm::ParsePropertyPath(bytes);
      break;
    case 2:
      (void)ReadWasmModule(bytes, "fuzz.wasm");
      break;
  }
  return 0;
}
