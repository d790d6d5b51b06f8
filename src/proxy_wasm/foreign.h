// Foreign functions that Weir itself offers, beside those of the embedder.
#pragma once

#include <string_view>

#include "weir/host.h"

namespace weir::proxy_wasm {

class HostCalls;

struct BuiltinForeign {
  std::string_view name;
  std::string_view argument;  ///< for the documentation
  ForeignAnswer (*function)(HostCalls& calls, std::string_view argument);
  static const BuiltinForeign* Find(std::string_view name);
};

}  // namespace weir::proxy_wasm
