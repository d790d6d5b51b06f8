// Foreign functions that Weir itself offers, beside those of the embedder.
#pragma once

#include <string>
#include <string_view>

#include "weir/host.h"

namespace weir::proxy_wasm {

class HostCalls;

struct BuiltinForeign {
  std::string_view name;
  std::string_view argument, answer;  ///< for the documentation
  ForeignAnswer (*function)(HostCalls& calls, std::string_view argument);
  static const BuiltinForeign* Find(std::string_view name);
};

/// docs/foreign-functions.md.
std::string ForeignFunctionsDocument();

}  // namespace weir::proxy_wasm
